"""What single flags mean: lists, mappings, seeds and the names of baselines."""

from __future__ import annotations

import json
from pathlib import Path

from arguments import ObjectiveArguments
from classification.cli.flags import Flags, comma_separated
from classification.errors import UsageError, first_line

BASELINES = (
    "majority", "naive_bayes", "nb_svm", "linear_svm", "logistic_regression", "decision_tree", "random_forest", "lda",
    "mlp", "bilstm",
)  # fmt: skip


def class_weights_of(objective: ObjectiveArguments) -> str | dict[str, float] | None:
    text = objective.class_weights
    if text in (None, "balanced", "effective"):
        return text
    return read_mapping(str(text), "--class_weights", "balanced, effective")


def thresholds_of(objective: ObjectiveArguments) -> float | dict[str, float] | None:
    """One threshold for all labels, or some by name."""
    text = objective.thresholds
    if text is None:
        return None
    try:
        return float(text)
    except ValueError:
        return read_mapping(text, "--thresholds", "a number")


def task_flags_of(flags: Flags) -> dict[str, object]:
    """The flags that only some tasks support, where they differ from the default."""
    objective = flags.objective
    values = {
        "class_weights": objective.class_weights,
        "loss": objective.loss if objective.loss != "cross_entropy" else None,
        "sampler": objective.sampler if objective.sampler != "random" else None,
        "label_smoothing_factor": flags.trainer.get("label_smoothing_factor") or None,
        "tune_thresholds": objective.tune_thresholds,
        "thresholds": objective.thresholds,
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


def read_mapping(text: str, flag: str, alternatives: str) -> dict[str, float]:
    """`{"spam": 5}`, or the content of a .json file of that form.

    Raises:
        UsageError: no such file, or no JSON object; names `flag` and its `alternatives`.
    """
    problem = "it names nothing"
    try:
        content = Path(text).expanduser().read_text(encoding="utf-8-sig") if text.endswith(".json") else text
        mapping = json.loads(content, object_pairs_hook=without_repeats)
    except (OSError, ValueError) as error:
        mapping, problem = None, first_line(error).rstrip(".")
    if not isinstance(mapping, dict) or not mapping:
        raise UsageError(
            f'{flag} {text}: must be {alternatives}, or labels and numbers as JSON such as {{"spam": 0.5}} or in a '
            f".json file ({problem})."
        )
    return mapping


def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; of two values under one name, JSON would drop the first in silence.

    Raises:
        ValueError: a name is there twice.
    """
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is there twice")
    return dict(pairs)
