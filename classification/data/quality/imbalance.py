"""One class with most of the training rows."""

from __future__ import annotations

from classification.data.findings import WARNING, Finding, example_fields
from classification.data.quality.inspected import Inspected

IMBALANCED = 0.8  # of the training rows


def find_imbalance(inspected: Inspected) -> list[Finding]:
    """A class with more than 80% of the training rows, which makes accuracy meaningless.

    Nothing if a flag against imbalance was given, or in multi-label data, where a frequent label is normal.
    """
    task, train = inspected.task, inspected.train
    counts = task.counts(inspected.train_labels)
    if inspected.has_imbalance_flag or not task.is_exclusive:
        return []
    majority = max(counts, key=lambda name: counts[name])
    if counts[majority] <= IMBALANCED * len(train):
        return []
    others = sorted(set(range(len(train))) - set(inspected.rows_with(majority)))
    return [
        Finding(
            kind="imbalance",
            severity=WARNING,
            split="train",
            count=counts[majority],
            what=f"{100 * counts[majority] / len(train):.0f}% of the training rows are {majority}",
            why="accuracy is high even for a model that ignores the text: read balanced_accuracy, f1_macro and "
            "average_precision",
            remedy="--class_weights balanced, --sampler balanced or --loss focal may help the other classes",
            **example_fields(train, others),
        )
    ]
