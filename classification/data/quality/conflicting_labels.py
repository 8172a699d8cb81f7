"""Rows with the same text and contradicting labels."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from classification.data.findings import MAX_EXAMPLES, WARNING, Finding, agree, example_of, quantity
from classification.data.quality.duplicates import NORMALISED
from classification.data.quality.group_numbers import NO_LABEL
from classification.data.quality.inspected import Inspected
from classification.errors import join_first

MAX_ROWS = 4  # of one text in an example


def find_conflicting_labels(inspected: Inspected) -> list[Finding]:
    """Texts that are equal but for case, spaces, commas and markup, with labels that `LabelSpace.conflict` rejects."""
    repeats, rows, task = inspected.repeats_as_given, inspected.rows, inspected.task
    labelled = np.flatnonzero(repeats.classes != NO_LABEL)
    equal = repeats.groups[NORMALISED][labelled]
    repeated = labelled[np.bincount(equal)[equal] > 1]
    labels = dict(zip(repeated.tolist(), rows.values("label", repeated), strict=True))
    groups: dict[int, list[int]] = defaultdict(list)  # group of equal texts -> rows
    for row, group in zip(repeated.tolist(), repeats.groups[NORMALISED][repeated].tolist(), strict=True):
        groups[group].append(row)
    conflicts = [same for same in groups.values() if task.conflict([labels[row] for row in same])]
    if not conflicts:
        return []
    members = [row for group in conflicts for row in group]
    splits = [split for place, split in enumerate(repeats.splits) if (repeats.split_of[members] == place).any()]
    texts = f"{quantity(len(conflicts), 'text')} ({quantity(len(members), 'row')} of {join_first(splits)})"
    return [
        Finding(
            kind="conflicting_labels",
            severity=WARNING,
            split=", ".join(splits),
            count=len(conflicts),
            what=f"{texts} {agree(len(conflicts), 'have')} different labels in different rows",
            why="no model can predict all of them correctly",
            remedy="Check the labels of these rows",
            ids=rows.ids_of(members),
            examples=tuple(example(group, labels, inspected) for group in conflicts[:MAX_EXAMPLES]),
        )
    ]


def example(group: list[int], labels: dict[int, object], inspected: Inspected) -> str:
    """Ids and labels of the first rows of a group, and the beginning of their text."""
    rows, shown = inspected.rows, group[:MAX_ROWS]
    names = [inspected.task.decode(labels[row]) for row in shown]
    ids = " / ".join(f"{row_id} {name}" for row_id, name in zip(rows.ids_of(shown), names, strict=True))
    return example_of(ids, rows.values("text", group[:1])[0])
