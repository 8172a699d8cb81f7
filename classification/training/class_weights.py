"""Class weights: how much a row of each class counts in the training objective."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from classification.data.labels import LabelSpace
from classification.errors import UsageError, did_you_mean, join_first

# N training rows, C labels.

EFFECTIVE_BETA = 0.999  # Cui et al. try 0.9 to 0.9999; this value still distinguishes 1,000 rows from 100


def class_weights(given: str | dict[str, float] | None, task: LabelSpace, label_ids: Iterable) -> np.ndarray | None:
    """Weights in the shape of `task.answer_counts`, with mean 1 over the training rows; None where none are wanted.

    For one class per row the shape is [C]. For several labels per row each label is a question with two answers, so
    the shape is [C, 2] (no, yes) and the mean is 1 for every label.

    Args:
        given: `balanced` (every class has the same total weight), `effective` (the inverse effective number of rows,
            (1 - beta) / (1 - beta ** n): Cui et al. 2019, Class-Balanced Loss, with beta 0.999), or weights by name. A
            name that is left out weighs 1. For several labels per row the weight is that of yes against no.
        label_ids: of the training rows, [N] or [N, C].

    Raises:
        UsageError: a name that is not a label.
    """
    if given is None:
        return None
    counts = task.answer_counts(np.asarray(label_ids))
    if isinstance(given, dict):
        weights = np.ones_like(counts)
        for name, weight in given.items():
            if name not in task.names:
                raise UsageError(
                    f"--class_weights: {name!r} is not a label; the labels are {join_first(task.names, 10)}."
                    + did_you_mean(name, task.names)
                )
            weights[task.answer_index(name)] = weight
    elif given == "balanced":
        weights = 1 / np.maximum(counts, 1)
    else:
        weights = (1 - EFFECTIVE_BETA) / (1 - EFFECTIVE_BETA ** np.maximum(counts, 1))
    return weights * counts.sum(axis=-1, keepdims=True) / (weights * counts).sum(axis=-1, keepdims=True)
