"""What is chosen on validation after training: temperatures, then the decision rule."""

from __future__ import annotations

from dataclasses import replace

from transformers import TrainerState, TrainingArguments

from classification.data.labels import LabelSpace
from classification.data.rules.rule_choice import RuleChoice
from classification.errors import cosmetic
from classification.evaluation.calibration import (
    can_be_calibrated,
    describe_rows,
    describe_temperatures,
    fit_temperatures,
)
from classification.evaluation.decision_rules import choose_rule
from classification.evaluation.predictions import Predictions
from classification.evaluation.probability_quality import (
    calibration_line,
    labelled,
    quality,
    score_probabilities,
)
from classification.messages.log import log_lines
from classification.training.better_step import BetterStep
from classification.training.plan import TrainingChoices
from classification.training.schedule import best_name

RECORDED = ("loss", "loss_calibrated", "ece", "ece_calibrated")  # the calibrated ones are cross-fitted


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
    if choices.calibrate and can_be_calibrated(task):
        with cosmetic("--calibrate", lost):
            task, record = calibrate(task, validation)
            selections.append(record)
    if choices.rule != RuleChoice():
        with cosmetic(choices.rule.flag, lost):
            task, rule = decide_by(choices.rule, task, validation)
            selections += [rule] if rule else []
    return task, selections


def calibrate(task: LabelSpace, validation: Predictions) -> tuple[LabelSpace, dict[str, object]]:
    """The task with temperatures, and the record of the selection; logs what they change."""
    logits, label_ids = labelled(validation)
    calibrated, lines, record = fit_temperatures(logits, label_ids, task)
    calibrated = replace(calibrated, fitted_on=describe_rows(validation.rows))
    scores = quality(logits, label_ids, task) | score_probabilities(validation, calibrated)
    what = f"logits are divided by {describe_temperatures(calibrated)}, fitted on {len(logits)} validation rows"
    log_lines([*calibration_line(scores, what, " (cross-fitted)"), *lines])
    return calibrated, record | {name: scores[name] for name in RECORDED}


def decide_by(
    choice: RuleChoice, task: LabelSpace, validation: Predictions
) -> tuple[LabelSpace, dict[str, object] | None]:
    """The task with the rule that was asked for, and the record of its selection; logs what the rule changes."""
    task, lines, record = choose_rule(choice, *labelled(validation), task)
    log_lines(lines)
    return task, record


def needs_validation(choices: TrainingChoices, task: LabelSpace) -> bool:
    """Whether anything is chosen on validation after training."""
    return bool((choices.calibrate and can_be_calibrated(task)) or choices.rule.is_fitted)


def chosen_checkpoint(
    args: TrainingArguments, state: TrainerState, rows: int, better: BetterStep | None = None
) -> list[dict[str, object]]:
    """The record of the choice of the checkpoint, as `fit_decisions` has them; none where the last step is kept.

    Args:
        rows: of validation. better: a step with a better headline metric.
    """
    if not args.load_best_model_at_end or state.best_model_checkpoint is None:
        return []
    return [
        {
            "what": "checkpoint",
            "split": "validation",
            "rows": rows,
            "method": f"{'highest' if args.greater_is_better else 'lowest'} {best_name(args)}",
            "value": f"step {state.best_global_step}",
            "score": state.best_metric,
            "cross_fitted": False,
            **({"headline": better.as_dict()} if better else {}),
        }
    ]
