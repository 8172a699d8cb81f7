"""The part of a task that may decide by another rule than the default: thresholds, or costs of wrong decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from classification.data.rules.cost_tables import CostTable
from classification.data.rules.threshold_values import ByName
from classification.errors import UsageError


class RuleProtocol:
    """Methods of `LabelSpace`. The defaults are those of a task that has one rule only.

    `tune_scopes` are the values of `--tune_thresholds` that the task supports, `rule_values` is the key of its entry in
    `evaluation.rule_kinds.KINDS`. `default_rule` tells people how labels follow from probabilities
    where no other rule was chosen.
    """

    default_rule: ClassVar[str] = ""
    tune_scopes: ClassVar[tuple[str, ...]] = ()
    rule_values: ClassVar[str] = ""

    def with_thresholds(self, given: ByName, source: str = "--thresholds") -> Self:
        """The same task with other decision thresholds.

        Raises:
            UsageError: an unknown name, or a threshold that is no number from 0 to 1; begins with `source`.
        """
        raise UsageError(f"{source}: no thresholds decide its labels. Leave the flag out.")

    def with_costs(self, table: CostTable) -> Self:
        """The same task, which decides by the least expected cost.

        Raises:
            UsageError: a class that the table lacks or the task does not know; begins with the source of the table.
        """
        raise UsageError(f"{table.source}: no costs decide its labels. Leave the flag out.")

    def target_names(self, given: ByName, source: str) -> dict[str, float]:
        """The labels that a target is for, and their targets; one number is for every label.

        Raises:
            UsageError: an unknown name, or one number where it does not tell the label; begins with `source`.
        """
        raise UsageError(f"{source}: no threshold decides its labels. Leave the flag out.")

    def describe_rule(self) -> str:
        """How labels are decided, "" for the default rule."""
        return ""

    def usage_rule(self, config: Mapping[str, Any], texts: str) -> list[str]:
        """Lines of Python that apply the decision rule to `classify(texts)`, none for the rule of `pipeline`.

        Args:
            config: the config.json that `classify` has loaded.
            texts: source code of a list of texts.
        """
        return []
