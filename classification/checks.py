"""Findings about the data: what cannot be right is an error, what will not go well is a warning with the remedy."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from classification.errors import UsageError, some
from classification.labels import LabelSpace

logger = logging.getLogger(__name__)

FEW_MEMBERS = 8
IMBALANCED = 0.8


def check_fit(labels: LabelSpace, asked: dict[str, object]) -> None:
    """Refuse what was asked for and does not go with this kind of task.

    Args:
        asked: the flags that were given, and their values.
    """
    single, several = not (labels.is_multi_label or labels.is_regression), labels.is_multi_label
    fits = {
        "class_weights": (single or several, "regression has no classes"),
        "loss": (single or several, "regression has no classes"),
        "sampler": (single, "it draws rows by their one class; for several labels a row use --class_weights balanced"),
        "label_smoothing_factor": (single, "it smooths the one right class of a row"),
        "tune_thresholds": (several, "thresholds are for several labels a row"),
        "thresholds": (several, "thresholds are for several labels a row"),
    }
    for name, value in asked.items():
        fit, why = fits[name]
        if not fit:
            raise UsageError(
                f"--{name} {value}: does not go with this task ({labels.describe()}): {why}. Leave it out."
            )


def check_validation(label_ids: Sequence, labels: LabelSpace, strategy: str, *, given: bool) -> None:
    """Refuse a one-class validation set: its loss would choose the best checkpoint by one class.

    Args:
        label_ids: of the validation rows.
        given: whether the rows came as a validation split, or were split off train with `strategy`.
    """
    present = {labels.decode(label) for label in label_ids}
    if labels.is_regression or len(present) > 1:
        return
    problem = (
        f"the validation set holds one class only ({present.pop()!r}, {len(label_ids)} rows), "
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
    elif strategy == "time":
        flag, remedy = (
            "--validation_strategy time",
            "Raise --validation_fraction, so that older rows with other classes are among them",
        )
    else:
        flag, remedy = (
            "--validation_fraction",
            "Give more training rows of every class, or a file with --validation_file",
        )
    raise UsageError(f"{flag}: {problem}. {remedy}.")


def warn_of_repeats(train_texts: Sequence[str], validation_texts: Sequence[str]) -> None:
    """Say how many validation rows the model has seen in training: groups, times and given files may part repeats."""
    seen = set(train_texts)
    repeats = sum(text in seen for text in validation_texts)
    if repeats:
        logger.warning("%d of %d validation rows have a text that stands in train too: val_loss is flattered by them; "
                       "remove repeated texts from the data", repeats, len(validation_texts))  # fmt: skip


def warn_of_classes(label_ids: Sequence, labels: LabelSpace, *, remedied: bool) -> None:
    """Warn of classes with few training rows or none, and of one with more than 80% of them.

    Args:
        label_ids: of the training rows.
        remedied: whether something was asked for against imbalance.
    """
    if labels.is_regression:
        return
    ids = np.asarray(label_ids)
    counts = ids.sum(axis=0) if labels.is_multi_label else np.bincount(ids, minlength=labels.num_labels)
    by_name = {name: int(count) for name, count in zip(labels.names, counts, strict=True)}
    absent = [name for name, count in by_name.items() if count == 0]
    small = [f"{name} ({count})" for name, count in by_name.items() if 0 < count < FEW_MEMBERS]
    if absent:
        logger.warning("no training rows of class %s: it cannot be learned; remove it or add rows", some(absent))
    if small:
        logger.warning("few training rows of class %s: expect little of them; add rows or merge classes", some(small))
    majority = max(by_name, key=by_name.get)
    if by_name[majority] > IMBALANCED * len(ids) and not (labels.is_multi_label or remedied):
        logger.warning(
            "%.0f%% of the training rows are %s: accuracy says little here, look at balanced_accuracy, f1_macro and "
            "average_precision; --class_weights balanced, --sampler balanced or --loss focal may help the rest",
            100 * by_name[majority] / len(ids), majority,
        )  # fmt: skip
