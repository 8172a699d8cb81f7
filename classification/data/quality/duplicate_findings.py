"""Findings about rows that repeat each other: inside a split, across splits, and with different labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from datasets import DatasetDict

from classification.data.findings import NOTE, SHOWN_EXAMPLES, WARNING, Finding, beginning
from classification.data.labels import LabelSpace
from classification.data.quality.duplicates import (
    EXACT,
    HALF_A_DEVIATION,
    LEVELS,
    NORMALISED,
    Repeats,
    is_later,
    labels_of,
)
from classification.errors import some

HOW = {
    EXACT: "byte for byte",
    NORMALISED: "but for case, spaces, commas, quotation marks or markup",
    LEVELS[-1]: "nearly",
}
MANY_REPEATS = 0.01


class AllRows:
    """The rows of all splits under each other, as `Repeats` numbers them."""

    def __init__(self, splits: DatasetDict):
        self.ids = [row_id for data in splits.values() for row_id in data["id"]]
        self.texts = [text for data in splits.values() for text in data["text"]]
        paired = [data for data in splits.values() if "text_pair" in data.column_names]
        self.pairs = [pair for data in paired for pair in data["text_pair"]]
        self.labels = [label for data in splits.values() for label in labels_of(data)]

    def named(self, rows: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.ids[row] for row in rows)

    def example(self, rows: Sequence[int]) -> str:
        pair = f" / {beginning(self.pairs[rows[0]])}" if self.pairs else ""
        return f"{' = '.join(self.named(rows))}: {beginning(self.texts[rows[0]])}{pair}"


def repeats_inside(repeats: Repeats, rows: AllRows) -> list[Finding]:
    """Rows that repeat an earlier one of the same split, a finding for each split and kind of likeness."""
    findings = []
    for split in repeats.splits:
        of_split = repeats.rows_of(split)
        for level, how in HOW.items():
            found = repeats.inside(split, level)
            if not len(found):
                continue
            groups, of_train = repeats.groups[level], split == "train"
            firsts = first_rows(groups, of_split)
            findings.append(
                Finding(
                    f"{level}_duplicates",
                    WARNING if len(found) > MANY_REPEATS * len(of_split) else NOTE,
                    split,
                    len(found),
                    f"{len(found)} of {len(of_split)} rows of {split} repeat an earlier one, {how}",
                    "they weigh more than the others" if of_train else "they are scored more than once",
                    "--drop_duplicates keeps the first of each" if of_train else "Mend the file",
                    rows.named(found),
                    tuple(rows.example([firsts[groups[row]], row]) for row in found[:SHOWN_EXAMPLES]),
                )
            )
    return findings


def first_rows(groups: np.ndarray, rows: np.ndarray) -> dict[int, int]:
    """The first of `rows` in each group."""
    firsts = rows[~is_later(groups[rows])]
    return dict(zip(groups[firsts].tolist(), firsts.tolist(), strict=True))


def repeats_across(repeats: Repeats, rows: AllRows, pair: tuple[str, str] | None = None) -> list[Finding]:
    """Texts that stand in two splits, a finding for each pair of splits (or for `pair`) and kind of likeness. The ids
    are those of the earlier split's rows, then of the later one's."""
    findings = []
    for first, second in [pair] if pair else combinations(repeats.splits, 2):
        for level, how in HOW.items():
            found = repeats.across(first, second, level)
            count = max(len(np.unique(repeats.groups[EXACT][side])) for side in found)
            if not count:
                continue
            leaked = first == "train"
            what = f"{count} texts stand in both {first} ({len(found[0])} rows) and {second} ({len(found[1])}), {how}"
            if level != EXACT:
                more = "more " if any(finding.split == f"{first}, {second}" for finding in findings) else ""
                what = f"{count} {more}texts stand in both {first} and {second}, {how}"
            findings.append(
                Finding(
                    f"{level}_duplicates",
                    WARNING,
                    f"{first}, {second}",
                    count,
                    what,
                    f"the model has seen them, which flatters the figures of {second}"
                    if leaked
                    else "the rows that choose the checkpoint are tested too",
                    "--drop_leaked removes them from train" if leaked else "Mend the files",
                    rows.named(np.concatenate(found)),
                    examples_across(repeats, rows, (first, second), level, found),
                )
            )
    return findings


def examples_across(repeats: Repeats, rows: AllRows, splits: tuple, level: str, found: tuple) -> tuple[str, ...]:
    """Rows of the first split beside the rows of the second that repeat them."""
    groups = repeats.groups[level]
    firsts, seconds = (first_rows(groups, repeats.rows_of(split)) for split in splits)
    shown = list(dict.fromkeys(groups[np.concatenate(found)].tolist()))[:SHOWN_EXAMPLES]
    return tuple(rows.example([firsts[group], seconds[group]]) for group in shown)


def conflicting_labels(repeats: Repeats, rows: AllRows, labels: LabelSpace) -> list[Finding]:
    """Rows of one text (but for case, spaces, commas and markup) with different labels; of numbers, more than half a
    deviation apart."""
    given: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(repeats.groups[NORMALISED].tolist()):
        if rows.labels[row] is not None:
            given[group].append(row)
    found = [members for members in given.values() if len(members) > 1 and differ(rows.labels, members, labels)]
    if not found:
        return []
    members = [row for group in found for row in group]
    among = [split for place, split in enumerate(repeats.splits) if (repeats.split_of[members] == place).any()]
    return [
        Finding(
            "conflicting_labels",
            WARNING,
            ", ".join(among),
            len(found),
            f"{len(found)} texts ({len(members)} rows of {some(among)}) have different labels in different rows",
            "no model can be right on all of them",
            "Look at these rows and mend their labels",
            rows.named(members),
            tuple(
                " / ".join(f"{rows.ids[row]} {labels.decode(rows.labels[row])}" for row in group[:4])
                + f": {beginning(rows.texts[group[0]])}"
                for group in found[:SHOWN_EXAMPLES]
            ),
        )
    ]


def differ(given: list, rows: list[int], labels: LabelSpace) -> bool:
    if labels.is_regression:
        values = [given[row] for row in rows]
        return max(values) - min(values) > HALF_A_DEVIATION
    return any(given[row] != given[rows[0]] for row in rows)
