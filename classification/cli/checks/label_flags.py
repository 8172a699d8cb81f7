"""Checks of the flags about labels, class weights and the decision rule."""

from __future__ import annotations

import math

from classification.cli.flag_values import class_weights_of, rule_of
from classification.cli.flags import Flags
from classification.data.named_columns import bare_names
from classification.data.rules.threshold_values import RULE_FLAGS, check_target, check_threshold
from classification.errors import UsageError

CHECKS = {"thresholds": check_threshold, "target_precision": check_target, "target_recall": check_target}


def check_labels(flags: Flags) -> None:
    check_label_columns(flags)
    check_loss(flags)
    check_rule(flags)
    check_calibration(flags)


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
        raise UsageError("--loss focal and --label_smoothing_factor: give one of them; 0 smooths nothing.")
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


def check_calibration(flags: Flags) -> None:
    """Nothing is calibrated without training: a saved model keeps its temperatures."""
    if "calibrate" in flags.given and not flags.includes("train"):
        raise UsageError(
            f"--calibrate {str(flags.objective.calibrate).lower()}: temperatures are fitted after training, and this "
            "run uses a model as it was saved. Pass --do_train, or leave the flag out."
        )


def check_rule(flags: Flags) -> None:
    """One decision rule, with thresholds from 0 to 1 and targets between 0 and 1."""
    objective = flags.objective
    given = [f"--{name} {getattr(objective, name)}" for name in RULE_FLAGS if getattr(objective, name) is not None]
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]}: labels are decided by one rule. Give one of them.")
    rule = rule_of(objective)
    if rule.is_fitted and not flags.includes("train"):
        raise UsageError(
            f"{given[0]}: is chosen on validation after training. Pass --do_train, or set the rule with --thresholds "
            "or --costs."
        )
    for name, check in CHECKS.items():
        value = getattr(rule, name)
        for each in value.values() if isinstance(value, dict) else (value,):
            if each is not None:
                check(each, f"--{name}")
