"""Files whose rows are sorted by label, or come in blocks of one label."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from datasets import DatasetDict

from classification.data.findings import NOTE, WARNING, Finding, example_fields
from classification.data.labels import LabelSpace

CHANCE = 1e-4  # an order of labels less probable than this is not random
MAX_DEVIATIONS = 4  # of the number of changes below its expectation


def check_order(splits: DatasetDict, task: LabelSpace, strategy: str) -> list[Finding]:
    """Splits in which the label changes from row to row far less often than in random order.

    Args:
        splits: rows in file order.
        strategy: of the validation split; with `tail` the order decides which rows are validation.
    """
    findings = []
    for split, data in splits.items():
        if "label" not in data.column_names:
            continue
        labelled = [(row, task.side(label)) for row, label in enumerate(data["label"][:]) if label is not None]
        order = describe_order([side for _, side in labelled])
        if not order:
            continue
        changes = [row for (_, before), (row, side) in zip(labelled, labelled[1:], strict=False) if side != before]
        is_cut_by_order = strategy == "tail" and split == "train" and "validation" not in splits
        remedy = "Training shuffles the rows" if split == "train" else "--max_*_samples draws rows from the whole split"
        findings.append(
            Finding(
                kind="sorted_labels",
                severity=WARNING if is_cut_by_order else NOTE,
                split=split,
                count=len(changes),
                what=f"{split} {order}",
                why=f"a slice such as {split}[95%:] has only some of the labels",
                remedy="Leave out --validation_strategy tail" if is_cut_by_order else remedy,
                **example_fields(data, changes),
            )
        )
    return findings


def describe_order(sides: Sequence) -> str:
    """How the labels of a split are ordered, in words; empty for an order that can be random."""
    sizes = list(Counter(sides).values())
    if len(sizes) < 2:
        return ""
    expected = (len(sides) - 1) * (1 - sum((size / len(sides)) ** 2 for size in sizes))
    changes = sum(side != before for before, side in zip(sides, sides[1:], strict=False))
    if changes == len(sizes) - 1 and chance_of_sorted(sizes) < CHANCE:
        return "is sorted by label"
    if expected - changes <= MAX_DEVIATIONS * math.sqrt(expected):
        return ""
    return (
        f"comes in blocks of one label (the label changes {changes} times in {len(sides)} rows, in random order about "
        f"{expected:.0f} times)"
    )


def chance_of_sorted(sizes: Sequence[int]) -> float:
    """The probability that random order is sorted by class, for class sizes and any order of the classes."""
    logarithm = math.lgamma(len(sizes) + 1) + sum(math.lgamma(size + 1) for size in sizes)
    return math.exp(logarithm - math.lgamma(sum(sizes) + 1))
