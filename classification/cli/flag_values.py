"""What single flags mean: lists, mappings, seeds and the names of baselines."""

from __future__ import annotations

import math

from arguments import ObjectiveArguments
from classification.cli.cost_files import read_costs
from classification.cli.flags import Flags, comma_separated
from classification.cli.json_values import read_by_name, read_mapping
from classification.data.rules.rule_choice import RuleChoice
from classification.data.rules.threshold_values import RULE_FLAGS
from classification.errors import UsageError
from classification.training.average_kind import Average
from classification.training.teacher_choice import TeacherChoice

BASELINES = (
    "majority", "naive_bayes", "nb_svm", "linear_svm", "logistic_regression", "decision_tree", "random_forest", "lda",
    "mlp", "static_embeddings", "frozen_encoder", "bilstm",
)  # fmt: skip


def class_weights_of(objective: ObjectiveArguments) -> str | dict[str, float] | None:
    text = objective.class_weights
    if text in (None, "balanced", "effective"):
        return text
    return read_mapping(str(text), "--class_weights", "balanced, effective")


def rule_of(objective: ObjectiveArguments) -> RuleChoice:
    """The decision rule; the files that its flags name are read."""
    return RuleChoice(
        tune_thresholds=objective.tune_thresholds,
        target_precision=read_by_name(objective.target_precision, "--target_precision"),
        target_recall=read_by_name(objective.target_recall, "--target_recall"),
        costs=None if objective.costs is None else read_costs(objective.costs),
        thresholds=read_by_name(objective.thresholds, "--thresholds"),
    )


def layer_decay_of(objective: ObjectiveArguments) -> float | None:
    """`--layerwise_lr_decay`; a factor of 1 is one rate for all layers."""
    return None if objective.layerwise_lr_decay == 1 else objective.layerwise_lr_decay


def task_flags_of(flags: Flags) -> dict[str, object]:
    """The flags that only some tasks support, where they differ from the default."""
    objective = flags.objective
    values = {
        "class_weights": objective.class_weights,
        "loss": objective.loss if objective.loss != "cross_entropy" else None,
        "sampler": objective.sampler if objective.sampler != "random" else None,
        "teacher_temperature": objective.teacher_temperature if "teacher_temperature" in flags.given else None,
        "label_smoothing_factor": flags.trainer.get("label_smoothing_factor") or None,
        "calibrate": True if objective.calibrate and "calibrate" in flags.given else None,
        **{name: getattr(objective, name) for name in RULE_FLAGS},
    }
    return {name: value for name, value in values.items() if value is not None}


def average_of(flags: Flags) -> Average | None:
    """`--average`; the rows of a fold must not choose its weights.

    Raises:
        UsageError: it is none of `ema`, `ema=DECAY` and `last=K`.
    """
    text = flags.objective.average
    if text is None:
        return None
    kind, sign, value = text.strip().partition("=")
    compared = not flags.run.folds or flags.trainer.is_on("load_best_model_at_end")
    if kind == "ema":
        decay = as_number(value)
        if not sign or (decay is not None and 0 < decay < 1):
            return Average("ema", decay, compared=compared)
        raise UsageError(f"--average {text}: the decay must be above 0 and below 1. Pass ema=0.99, or ema alone.")
    if kind == "last":
        count = as_number(value)
        if count is not None and count >= 2 and count.is_integer():
            return Average("last", evaluations=int(count), compared=compared)
        raise UsageError(f"--average {text}: name at least two evaluations, such as last=3.")
    raise UsageError(f"--average {text}: must be ema, ema=DECAY such as ema=0.99, or last=K such as last=3.")


def as_number(text: str) -> float | None:
    """A finite number, None for any other text."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def teacher_of(flags: Flags) -> TeacherChoice | None:
    objective = flags.objective
    if objective.teacher is None:
        return None
    return TeacherChoice(
        objective.teacher, objective.teacher_temperature, objective.teacher_weight, flags.data.unlabelled_file
    )


def baselines_of(text: str | None) -> tuple[str, ...]:
    """The names of `--baselines`, none where it was not given."""
    return BASELINES if text == "all" else tuple(dict.fromkeys(comma_separated(text)))


def curve_of(text: str | None) -> tuple[float, ...]:
    """The percentages of `--learning_curve`, the smallest first; none where it was not given.

    Raises:
        UsageError: a word that is no number above 0 and below 100.
    """
    if text is None:
        return ()
    try:
        found = {float(word) for word in comma_separated(text)}
    except ValueError:
        found = set()
    if not found or not all(0 < percent < 100 for percent in found):
        raise UsageError(
            f"--learning_curve {text}: must be percentages of the training rows, above 0 and below 100, such as "
            "10,25,50. The run itself is the point at 100."
        )
    return tuple(int(percent) if percent.is_integer() else percent for percent in sorted(found))


def seeds_of(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(seed) for seed in comma_separated(text))
    except ValueError as error:
        raise UsageError(f"--seeds {text}: must be whole numbers, such as 1,2,3.") from error
