"""Classes without rows, or with few, in train, validation or test."""

from __future__ import annotations

from collections.abc import Mapping

from datasets import Dataset

from classification.data.findings import NOTE, WARNING, Finding, example_fields, quantity
from classification.data.labels import LabelSpace
from classification.data.quality.inspected import Inspected
from classification.errors import join_first

MIN_ROWS = 8  # of a class in train
MIN_MANY_CLASSES = 10  # fewer classes than that are not many, however few the rows


def find_missing_classes(inspected: Inspected) -> list[Finding]:
    """Classes that train lacks or has few rows of, and classes of train that another split lacks."""
    counts = inspected.task.counts(inspected.train_labels)
    findings = find_many_classes(counts, len(inspected.train))
    absent = [name for name, count in counts.items() if not count]
    if absent:
        findings.append(
            Finding(
                kind="missing_class",
                severity=WARNING,
                split="train",
                count=len(absent),
                what=f"no training rows of class {join_first(absent)}",
                why="the model cannot learn this class",
                remedy="Remove the class or add rows",
            )
        )
    small = {name: count for name, count in counts.items() if 0 < count < MIN_ROWS}
    if small:
        classes = join_first(f"{name} ({quantity(count, 'row')})" for name, count in small.items())
        rows = [row for name in small for row in inspected.rows_with(name)]
        findings.append(
            Finding(
                kind="few_rows",
                severity=WARNING,
                split="train",
                count=len(small),
                what=f"few training rows of {'class' if len(small) == 1 else 'classes'} {classes}",
                why=f"the model will rarely predict {'it' if len(small) == 1 else 'them'} correctly",
                remedy="Add rows or merge classes",
                **example_fields(inspected.train, rows),
            )
        )
    for split, data in inspected.splits.items():
        if split != "train" and "label" in data.column_names:
            findings += find_missing_in(split, data, counts, inspected.task)
    return findings


def find_many_classes(counts: Mapping[str, int], num_rows: int) -> list[Finding]:
    """More classes than half of the training rows: an id or a text was taken for the label.

    Args:
        counts: rows of each class in train.
    """
    present = sum(count > 0 for count in counts.values())
    if present < MIN_MANY_CLASSES or present <= num_rows / 2:
        return []
    return [
        Finding(
            kind="many_classes",
            severity=WARNING,
            split="train",
            count=present,
            what=f"train has {present} classes in {quantity(num_rows, 'row')}",
            why="a class of one or two rows is hardly learned",
            remedy="Check --label_column_name: an id or a text is no label. Or merge classes",
        )
    ]


def find_missing_in(split: str, data: Dataset, train: Mapping[str, int], task: LabelSpace) -> list[Finding]:
    """The classes that train has and validation or test does not.

    Args:
        train: rows of each class in train.
    """
    label_ids = [label for label in data["label"] if label is not None]
    counts = task.counts(label_ids)
    missing = [name for name, count in counts.items() if train[name] and not count]
    if not missing or not any(counts.values()):
        return []
    only = task.only_class(label_ids)
    classes = f"{'class' if len(missing) == 1 else 'classes'} {join_first(missing)}"
    return [
        Finding(
            kind="missing_class" if only is None else "one_class",
            severity=NOTE if only is None else WARNING,
            split=split,
            count=len(missing),
            what=f"{split} has no rows of {classes}" if only is None else f"{split} has one class only ({only})",
            why=f"its metrics do not measure {join_first(missing, 3)}",
            remedy="Add rows, or use another split",
        )
    ]
