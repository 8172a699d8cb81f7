"""Rows that repeat an earlier row of the same split."""

from __future__ import annotations

from classification.data.findings import MAX_EXAMPLES, NOTE, WARNING, Finding, agree
from classification.data.quality.duplicates import LIKENESS
from classification.data.quality.group_numbers import first_rows
from classification.data.quality.inspected import Inspected

MANY_REPEATS = 0.01  # of the rows of a split


def find_repeated_rows(inspected: Inspected) -> list[Finding]:
    """One finding per split and level of likeness."""
    repeats, rows, findings = inspected.repeats_as_given, inspected.rows, []
    for split in repeats.splits:
        split_rows = repeats.rows_of(split)
        for level, likeness in LIKENESS.items():
            repeated = repeats.inside(split, level)
            if not len(repeated):
                continue
            groups, is_train = repeats.groups[level], split == "train"
            firsts = first_rows(groups, split_rows)
            verb = agree(len(repeated), "repeat")
            compared = repeats.num_compared(split, level)
            total = f"{compared} {'rows' if compared == len(split_rows) else 'sampled rows'} of {split}"
            findings.append(
                Finding(
                    kind=f"{level}_duplicates",
                    severity=WARNING if len(repeated) > MANY_REPEATS * compared else NOTE,
                    split=split,
                    count=len(repeated),
                    what=f"{len(repeated)} of {total} {verb} an earlier row, {likeness}",
                    why="repeated rows weigh more than other rows" if is_train else "repeated rows are scored twice",
                    remedy="--drop_duplicates keeps the first row of each text" if is_train else "Remove the repeats",
                    ids=rows.ids_of(repeated),
                    examples=tuple(rows.example([firsts[groups[row]], row]) for row in repeated[:MAX_EXAMPLES]),
                )
            )
    return findings
