"""Rows with the same text and contradicting labels."""

from __future__ import annotations

from collections import defaultdict

from classification.data.findings import MAX_EXAMPLES, WARNING, Finding, agree, beginning, quantity
from classification.data.quality.duplicates import NORMALISED
from classification.data.quality.inspected import Inspected
from classification.errors import join_first

MAX_ROWS = 4  # of one text in an example


def find_conflicting_labels(inspected: Inspected) -> list[Finding]:
    """Texts that are equal but for case, spaces, commas and markup, with labels that `LabelSpace.conflict` rejects."""
    repeats, rows, task = inspected.repeats_as_given, inspected.rows, inspected.task
    labelled: dict[int, list[int]] = defaultdict(list)  # group of equal texts -> rows
    for row, group in enumerate(repeats.groups[NORMALISED].tolist()):
        if rows.labels[row] is not None:
            labelled[group].append(row)
    conflicts = [
        group for group in labelled.values() if len(group) > 1 and task.conflict([rows.labels[row] for row in group])
    ]
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
            examples=tuple(
                " / ".join(f"{rows.ids[row]} {task.decode(rows.labels[row])}" for row in group[:MAX_ROWS])
                + f": {beginning(rows.texts[group[0]])}"
                for group in conflicts[:MAX_EXAMPLES]
            ),
        )
    ]
