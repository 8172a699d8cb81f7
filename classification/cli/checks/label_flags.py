"""Checks of the flags about labels, class weights and thresholds."""

from __future__ import annotations

import math

from classification.cli.flag_values import class_weights_of, thresholds_of
from classification.cli.flags import Flags
from classification.data.named_columns import bare_names
from classification.data.threshold_values import check_threshold
from classification.errors import UsageError


def check_labels(flags: Flags) -> None:
    check_label_columns(flags)
    check_loss(flags)
    check_thresholds(flags)


def check_label_columns(flags: Flags) -> None:
    """One form of labels."""
    data = flags.data
    for other in ("label_column_name", "label_delimiter", "do_regression"):
        if data.label_column_names and getattr(data, other):
            raise UsageError(
                f"--label_column_names {data.label_column_names} and --{other} {getattr(data, other)}: two forms of "
                "labels. Name one 0/1 column per label, or one column that holds them."
            )
    names = bare_names(data.label_column_names)
    if data.label_column_names is not None and len(set(names)) < max(2, len(names)):
        raise UsageError(f"--label_column_names {data.label_column_names!r}: name at least two columns, each once.")
    if data.label_delimiter == "":
        raise UsageError("--label_delimiter '': must be the string between two names, such as '|'.")
    if data.do_regression and data.label_delimiter:
        raise UsageError(
            f"--do_regression and --label_delimiter {data.label_delimiter}: a number per row, or several labels per "
            "row? Give one of them."
        )


def check_loss(flags: Flags) -> None:
    """One training loss, with weights above zero."""
    objective, trainer = flags.objective, flags.trainer
    if "focal_gamma" in flags.given and objective.loss != "focal":
        gamma = f"--focal_gamma {objective.focal_gamma:g}"
        raise UsageError(f"{gamma}: has no effect without --loss focal. Add it, or leave --focal_gamma out.")
    if objective.loss == "focal" and trainer.get("label_smoothing_factor"):
        raise UsageError("--loss focal and --label_smoothing_factor: give one of them.")
    strategy = trainer.get("train_sampling_strategy", "random")
    if objective.sampler == "balanced" and strategy not in ("random", "group_by_length"):
        raise UsageError(
            f"--sampler balanced and --train_sampling_strategy {strategy}: the balanced sampler sets the order of "
            "the rows itself. Leave out --train_sampling_strategy."
        )
    weights = class_weights_of(objective)
    for name, weight in weights.items() if isinstance(weights, dict) else ():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < math.inf:
            raise UsageError(f"--class_weights: the weight of {name!r} is {weight!r}; it must be a number above 0.")


def check_thresholds(flags: Flags) -> None:
    """One way of deciding, with thresholds from 0 to 1."""
    objective = flags.objective
    if objective.tune_thresholds and objective.thresholds:
        raise UsageError(
            f"--tune_thresholds {objective.tune_thresholds} and --thresholds {objective.thresholds}: give one of them."
        )
    if objective.tune_thresholds and not flags.includes("train"):
        raise UsageError(
            f"--tune_thresholds {objective.tune_thresholds}: is done after training. Pass --do_train, or --thresholds "
            "to set them."
        )
    thresholds = thresholds_of(objective)
    for threshold in thresholds.values() if isinstance(thresholds, dict) else (thresholds,):
        if threshold is not None:
            check_threshold(threshold, "--thresholds")
