"""What is chosen on validation after training: temperatures, then the decision rule."""

from __future__ import annotations

import numpy as np

from classification.data.labels import LabelSpace
from classification.errors import cosmetic
from classification.evaluation.predictions import Predictions
from classification.evaluation.thresholds import tune_thresholds
from classification.log import log_lines
from classification.training.plan import TrainingChoices


def fit_decisions(
    task: LabelSpace, validation: Predictions, choices: TrainingChoices, lost: list[str]
) -> tuple[LabelSpace, list[dict[str, object]]]:
    """The task with the temperatures and the decision rule that its validation rows suggest.

    Args:
        lost: gets what an error has cost.

    Returns:
        The task, and one record per selection: what was chosen, how, and on which rows.
    """
    selections: list[dict[str, object]] = []
    if choices.tune_thresholds:
        with cosmetic("--tune_thresholds", lost):
            task = tune_on(task, validation, choices.tune_thresholds)
    return task, selections


def tune_on(task: LabelSpace, validation: Predictions, scope: str) -> LabelSpace:
    probabilities, truth = task.probabilities(validation.logits), np.array(validation.label_ids)
    assert probabilities is not None  # only tasks with probabilities support thresholds
    task, lines = tune_thresholds(scope, probabilities, truth, task)
    log_lines(lines)
    return task


def needs_validation(choices: TrainingChoices) -> bool:
    """Whether anything is chosen on validation after training."""
    return bool(choices.calibrate or choices.tune_thresholds)
