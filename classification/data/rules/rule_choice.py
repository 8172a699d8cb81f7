"""The decision rule that the user asks for, as a value: given, or to be chosen on validation."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from classification.data.rules.cost_tables import CostTable
from classification.data.rules.threshold_values import ByName
from classification.errors import UsageError

if TYPE_CHECKING:  # the command line is checked before any library is loaded
    from classification.data.labels import LabelSpace

Task = TypeVar("Task", bound="LabelSpace")


@dataclass(frozen=True)
class RuleChoice:
    """At most one of the fields is given; their names are those of the flags.

    Args:
        tune_thresholds: `global` or `per_label`.
        target_precision, target_recall: one share, or label -> share.
        costs: by true and predicted class.
        thresholds: one for all labels, or label -> threshold.
    """

    tune_thresholds: str | None = None
    target_precision: ByName | None = None
    target_recall: ByName | None = None
    costs: CostTable | None = None
    thresholds: ByName | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether the rule is chosen on validation."""
        return self.tune_thresholds is not None or self.target is not None

    @property
    def target(self) -> tuple[str, ByName] | None:
        """`precision` or `recall`, and the shares to reach."""
        for name, given in (("precision", self.target_precision), ("recall", self.target_recall)):
            if given is not None:
                return name, given
        return None

    @property
    def flag(self) -> str:
        """The flag and its value as they are typed."""
        if self.tune_thresholds:
            return f"--tune_thresholds {self.tune_thresholds}"
        if self.target:
            name, given = self.target
            return f"--target_{name} {as_typed(given)}"
        return self.costs.source if self.costs else f"--thresholds {as_typed(self.thresholds)}"

    def without_fitting(self) -> RuleChoice:
        """The rule that needs no validation: costs and thresholds, which hold for any model of the task."""
        return replace(self, tune_thresholds=None, target_precision=None, target_recall=None)

    def applied_to(self, task: Task) -> Task:
        """The task with the given costs or thresholds; `check` has the errors."""
        if self.costs is not None:
            return task.with_costs(self.costs)
        return task if self.thresholds is None else task.with_thresholds(self.thresholds)

    def check(self, task: LabelSpace) -> None:
        """Refuse a rule that does not fit the labels, before training.

        Raises:
            UsageError: names the flag, its value and the remedy.
        """
        if self.tune_thresholds and self.tune_thresholds not in task.tune_scopes:
            raise UsageError(
                f"{self.flag}: one threshold for all labels is for multi-label tasks, and this one is "
                f"{task.describe()}. Pass --tune_thresholds per_label."
            )
        if self.target:
            task.target_names(self.target[1], f"--target_{self.target[0]}")
        self.applied_to(task)

    def asked(self) -> dict[str, object]:
        """What a resumed run is compared with, by flag."""
        asked: dict[str, object] = {"tune_thresholds": self.tune_thresholds, "thresholds": self.thresholds}
        new = {
            "target_precision": self.target_precision,
            "target_recall": self.target_recall,
            "costs": self.costs and self.costs.rows,
        }
        return asked | {name: value for name, value in new.items() if value is not None}


def as_typed(given: ByName | None) -> str:
    return format(given, "g") if isinstance(given, float) else json.dumps(given, ensure_ascii=False)
