"""Findings about the data: what cannot be right is an error, what will not go well is a warning with the remedy."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence

from classification.errors import UsageError, some
from classification.labels import LabelSpace

logger = logging.getLogger(__name__)

FEW_MEMBERS = 8


def check_validation(label_ids: Sequence, labels: LabelSpace, strategy: str, *, given: bool) -> None:
    """Refuse a one-class validation set: its loss would choose the best checkpoint by one class.

    Args:
        label_ids: of the validation rows.
        given: whether the rows came as a validation split, or were split off train with `strategy`.
    """
    present = set(label_ids)
    if labels.is_regression or len(present) > 1:
        return
    problem = (
        f"the validation set holds one class only ({labels.names[present.pop()]!r}, {len(label_ids)} rows), "
        "so val_loss would choose the checkpoint that favours that class"
    )
    if given:
        flag, remedy = (
            "--validation_file",
            "Leave it out to split a stratified one off train, or give rows of every class",
        )
    elif strategy == "tail":
        logger.warning("%s: the file is sorted by label. Use --validation_strategy stratified", problem)
        return
    else:
        flag, remedy = (
            "--validation_fraction",
            "Give more training rows of every class, or a file with --validation_file",
        )
    raise UsageError(f"{flag}: {problem}. {remedy}.")


def warn_of_small_classes(label_ids: Iterable, labels: LabelSpace) -> None:
    if labels.is_regression:
        return
    counts = Counter(label_ids)
    absent = [labels.names[i] for i in range(labels.num_labels) if counts[i] == 0]
    small = [f"{labels.names[i]} ({counts[i]})" for i in range(labels.num_labels) if 0 < counts[i] < FEW_MEMBERS]
    if absent:
        logger.warning("no training rows of class %s: it cannot be learned; remove it or add rows", some(absent))
    if small:
        logger.warning("few training rows of class %s: expect little of them; add rows or merge classes", some(small))
