"""Findings about rows that repeat each other: inside a split, across splits, and with different labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

import numpy as np
from datasets import DatasetDict

from classification.duplicates import EXACT, LEVELS, NORMALISED, Repeats
from classification.errors import some
from classification.findings import NOTE, WARNING, Finding, beginning
from classification.labels import LabelSpace

HOW = {EXACT: "byte for byte", NORMALISED: "but for case, punctuation or markup", LEVELS[-1]: "nearly"}
MANY_REPEATS = 0.01
HALF_A_DEVIATION = 0.5


class AllRows:
    """The rows of all splits under each other, as `Repeats` numbers them."""

    def __init__(self, splits: DatasetDict):
        self.ids = [row_id for data in splits.values() for row_id in data["id"]]
        self.texts = [text for data in splits.values() for text in data["text"]]
        self.labels = [
            label
            for data in splits.values()
            for label in (data["label"] if "label" in data.column_names else [None] * len(data))
        ]

    def named(self, rows: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.ids[row] for row in rows)

    def example(self, rows: Sequence[int]) -> str:
        return f"{' = '.join(self.named(rows))}: {beginning(self.texts[rows[0]])}"


def repeats_inside(repeats: Repeats, rows: AllRows) -> list[Finding]:
    """Rows that repeat an earlier one of the same split, a finding for each split and kind of likeness."""
    findings = []
    for split in repeats.splits:
        size = int((repeats.split_of == repeats.splits.index(split)).sum())
        for level, how in HOW.items():
            found = repeats.inside(split, level)
            if not len(found):
                continue
            firsts = {}
            for row in np.flatnonzero(repeats.split_of == repeats.splits.index(split)).tolist():
                firsts.setdefault(repeats.groups[level][row], row)
            of_train = split == "train"
            findings.append(
                Finding(
                    f"{level}_duplicates",
                    WARNING if len(found) > MANY_REPEATS * size else NOTE,
                    split,
                    len(found),
                    f"{len(found)} of {size} rows of {split} repeat an earlier one, {how}",
                    "they weigh more than the others" if of_train else "they are scored more than once",
                    "--drop_duplicates keeps the first of each" if of_train else "Mend the file",
                    rows.named(found),
                    tuple(rows.example([firsts[repeats.groups[level][row]], row]) for row in found[:3].tolist()),
                )
            )
    return findings


def repeats_across(repeats: Repeats, rows: AllRows, pair: tuple[str, str] | None = None) -> list[Finding]:
    """Texts that stand in two splits, a finding for each pair of splits (or for `pair`) and kind of likeness. The ids
    are those of the earlier split's rows."""
    findings = []
    for first, second in [pair] if pair else combinations(repeats.splits, 2):
        for level, how in HOW.items():
            shared = repeats.across(first, second, level)
            if not shared:
                continue
            counts = [sum(len(sides[place]) for sides in shared) for place in (0, 1)]
            leaked = first == "train"
            findings.append(
                Finding(
                    f"{level}_duplicates",
                    WARNING,
                    f"{first}, {second}",
                    len(shared),
                    f"{len(shared)} texts stand in both {first} ({counts[0]} rows) and {second} ({counts[1]}), {how}",
                    f"the model has seen them, which flatters the figures of {second}"
                    if leaked
                    else "the rows that choose the checkpoint are tested too",
                    "--drop_leaked removes them from train" if leaked else "Mend the files",
                    rows.named(np.concatenate([sides[0] for sides in shared])),
                    tuple(rows.example([sides[0][0], sides[1][0]]) for sides in shared[:3]),
                )
            )
    return findings


def conflicting_labels(repeats: Repeats, rows: AllRows, labels: LabelSpace) -> list[Finding]:
    """Rows of one text (but for case, punctuation and markup) with different labels; of numbers, more than half a
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
            "Look at their ids in run.json and mend the labels",
            rows.named(members),
            tuple(
                " / ".join(f"{rows.ids[row]} {labels.decode(rows.labels[row])}" for row in group[:4])
                + f": {beginning(rows.texts[group[0]])}"
                for group in found[:3]
            ),
        )
    ]


def differ(given: list, rows: list[int], labels: LabelSpace) -> bool:
    if labels.is_regression:
        values = [given[row] for row in rows]
        return max(values) - min(values) > HALF_A_DEVIATION
    return any(given[row] != given[rows[0]] for row in rows)
