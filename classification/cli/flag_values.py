"""What single flags mean: lists, mappings, seeds and the names of baselines."""

from __future__ import annotations

from arguments import ObjectiveArguments
from classification.cli.cost_files import read_costs
from classification.cli.flags import Flags, comma_separated
from classification.cli.json_values import read_by_name, read_mapping
from classification.data.rules.rule_choice import RuleChoice
from classification.data.rules.threshold_values import RULE_FLAGS
from classification.errors import UsageError

BASELINES = (
    "majority", "naive_bayes", "nb_svm", "linear_svm", "logistic_regression", "decision_tree", "random_forest", "lda",
    "mlp", "bilstm",
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


def task_flags_of(flags: Flags) -> dict[str, object]:
    """The flags that only some tasks support, where they differ from the default."""
    objective = flags.objective
    values = {
        "class_weights": objective.class_weights,
        "loss": objective.loss if objective.loss != "cross_entropy" else None,
        "sampler": objective.sampler if objective.sampler != "random" else None,
        "label_smoothing_factor": flags.trainer.get("label_smoothing_factor") or None,
        "calibrate": True if objective.calibrate and "calibrate" in flags.given else None,
        **{name: getattr(objective, name) for name in RULE_FLAGS},
    }
    return {name: value for name, value in values.items() if value is not None}


def baselines_of(text: str | None) -> tuple[str, ...]:
    """The names of `--baselines`, none where it was not given."""
    return BASELINES if text == "all" else tuple(dict.fromkeys(comma_separated(text)))


def seeds_of(text: str | None) -> tuple[int, ...]:
    try:
        return tuple(int(seed) for seed in comma_separated(text))
    except ValueError as error:
        raise UsageError(f"--seeds {text}: must be whole numbers, such as 1,2,3.") from error
