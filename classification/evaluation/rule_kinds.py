"""What a decision rule consists of: a threshold per label, or with one class per row a weight per class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from classification.data.labels import LabelSpace
from classification.data.rules.decision_costs import costs_of_misses
from classification.data.single_label import log_softmax
from classification.evaluation.priorities import reach_targets, tune_macro_f1
from classification.evaluation.thresholds import Reached, Search, best_threshold

# N rows of validation, C labels.

GLOBAL = "global"


@dataclass(frozen=True)
class RuleKind(ABC):
    """Values of a rule [C], found on rows and applied to a task.

    Args:
        task: with the default rule.
    """

    task: LabelSpace

    @abstractmethod
    def tune(self, scope: str, logits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
        """The values with a high F1: micro for the scope `global`, else macro."""

    @abstractmethod
    def reach(
        self, targets: Mapping[str, float], search: Search, logits: np.ndarray, label_ids: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Reached]]:
        """The values that reach the targets of the named labels, and how."""

    @abstractmethod
    def applied(self, values: np.ndarray) -> LabelSpace:
        """The task with this rule."""


class ThresholdPerLabel(RuleKind):
    """Several labels per row; the values are thresholds (SCut: Yang 2001, A Study of Thresholding Strategies)."""

    def tune(self, scope: str, logits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
        probabilities, truth = self.task.probabilities(logits), self.task.indicators(label_ids) > 0
        assert probabilities is not None
        if scope == GLOBAL:
            return np.full(self.task.num_labels, best_threshold(probabilities.ravel(), truth.ravel()))
        return np.array([best_threshold(*columns) for columns in zip(probabilities.T, truth.T, strict=True)])

    def reach(
        self, targets: Mapping[str, float], search: Search, logits: np.ndarray, label_ids: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Reached]]:
        probabilities, truth = self.task.probabilities(logits), self.task.indicators(label_ids) > 0
        assert probabilities is not None
        values, found = np.array(self.task.thresholds), dict[str, Reached]()
        for name, target in targets.items():
            i = self.task.label2id[name]
            found[name] = search(probabilities[:, i], truth[:, i], target, 0.0)
            cut = found[name].cut
            values[i] = values[i] if cut is None else cut
        return values, found

    def applied(self, values: np.ndarray) -> LabelSpace:
        return replace(self.task, thresholds=tuple(values.tolist()))


class WeightPerClass(RuleKind):
    """One class per row; the values are log weights. With two classes they are one threshold."""

    def tune(self, scope: str, logits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
        return tune_macro_f1(log_softmax(self.task.calibrated(logits)), label_ids)

    def reach(
        self, targets: Mapping[str, float], search: Search, logits: np.ndarray, label_ids: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Reached]]:
        by_id = {self.task.label2id[name]: target for name, target in targets.items()}
        values, found = reach_targets(log_softmax(self.task.calibrated(logits)), label_ids, by_id, search)
        return values, {self.task.names[i]: reached for i, reached in found.items()}

    def applied(self, values: np.ndarray) -> LabelSpace:
        if not np.ptp(values):
            return self.task
        if len(values) == 2:  # a threshold t costs t per false positive and 1 - t per false negative
            difference = values[1] - values[0]
            misses = 1 / (1 + np.exp(np.array([difference, -difference])))
        else:
            misses = np.exp(values)
        return replace(self.task, costs=costs_of_misses(misses))


KINDS: dict[str, type[RuleKind]] = {"thresholds": ThresholdPerLabel, "weights": WeightPerClass}  # by `rule_values`
