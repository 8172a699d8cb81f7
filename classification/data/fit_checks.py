"""What was asked for and the data cannot give: errors before any long work."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from classification.data.labels import LabelSpace
from classification.errors import UsageError

logger = logging.getLogger(__name__)


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
