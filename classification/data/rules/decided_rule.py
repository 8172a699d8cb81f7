"""The decision rule of a task: the default, or the one that the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from classification.data.labels import LabelSpace
from classification.data.rules.cost_problems import describe_problems
from classification.data.rules.rule_choice import RuleChoice
from classification.messages.log import Line, log_lines


def default_rule(task: LabelSpace) -> LabelSpace:
    """The same task, calibrated as it is, with the default decision rule."""
    return replace(task.untuned(), temperatures=task.temperatures, fitted_on=task.fitted_on)


def decide_rule(task: LabelSpace, choice: RuleChoice, flags: Mapping[str, object]) -> LabelSpace:
    """The task with the rule that was given, and a line that describes a rule other than the default.

    Args:
        flags: those that only some tasks support, where they were given.

    Raises:
        UsageError: the task does not support a flag, or the rule does not fit its labels.
    """
    task.check_support(flags)
    if choice.is_fitted:
        task = default_rule(task)
    choice.check(task)
    decided = choice.applied_to(task)
    lines = []
    if choice.costs is not None:
        lines += describe_problems(decided.costs, decided.names, choice.costs.source)
    if not choice.is_fitted and (text := decided.describe_rule()):
        is_saved = choice == RuleChoice()
        lines.append(Line("decision", f"{text} ({'saved with the model' if is_saved else choice.flag})"))
    log_lines(lines)
    return decided
