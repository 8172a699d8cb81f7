"""One class per row, decided by the least expected cost (Elkan 2001, The Foundations of Cost-Sensitive Learning).

Costs are [C, C] of true and predicted class. Every decision rule of one class per row is one: a threshold t of the
second of two classes costs t per false positive and 1 - t per false negative, and a class whose mistakes cost more is
predicted from a lower probability. Without costs the most probable class is predicted.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch

from classification.data.labels import LabelSpace
from classification.data.rules.cost_tables import Costs, CostTable, costs_in_order, table_of, weights_of
from classification.data.rules.threshold_values import ByName, check_names, check_threshold
from classification.errors import UsageError, join_first

# B rows of a batch, C classes.

ROUNDING = 1e-12  # expected costs that differ by less, relative to the lowest, are equal


@dataclass(frozen=True)
class CostDecisions(LabelSpace, ABC):
    """The part of a task with one class per row that decides."""

    tune_scopes = ("per_label",)
    rule_values = "weights"

    def decide(self, logits: np.ndarray) -> np.ndarray:
        """The class with the least expected cost; among equals the most probable, then the first."""
        if not self.costs:
            return logits.argmax(axis=-1)
        probabilities = self.probabilities(logits)
        assert probabilities is not None
        expected = probabilities @ np.array(self.costs)
        is_least = expected <= expected.min(axis=-1, keepdims=True) * (1 + ROUNDING)
        return np.where(is_least, logits, -np.inf).argmax(axis=-1)

    def margin(self, logits: np.ndarray) -> np.ndarray:
        """The difference of the two highest logits; with costs, how far the difference of two logits may move."""
        best_two = np.partition(logits, -2, axis=-1)[:, -2:]
        differences = best_two[:, 1] - best_two[:, 0]
        if not self.costs:
            return differences
        scale, probabilities = self.temperatures[0] if self.temperatures else 1.0, self.probabilities(logits)
        assert probabilities is not None
        return scale * cost_margins(probabilities, self.decide(logits), np.array(self.costs))

    def torch_hits(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        if not self.costs:
            return (logits.argmax(-1) == labels).sum()
        expected = logits.softmax(-1) @ torch.tensor(self.costs, device=logits.device)
        return (expected.argmin(-1) == labels).sum()

    def follow(self, names: tuple[str, ...] | None, trained: LabelSpace, config: Any) -> LabelSpace | None:
        """The saved costs belong to the decisions of the trained model."""
        followed = super().follow(names, trained, config)
        return followed and replace(followed, costs=trained.costs)

    def write_to(self, config: Any) -> None:
        super().write_to(config)
        if self.costs:
            config.decision_costs = table_of(self.costs, self.names)

    def with_saved_costs(self, config: Any) -> Self:
        """The same task with the costs in the config of a trained model, if there are any."""
        saved = getattr(config, "decision_costs", None)
        return self.with_costs(CostTable("config.json: decision_costs", saved).checked()) if saved else self

    def with_costs(self, table: CostTable) -> Self:
        return replace(self, costs=costs_in_order(table, self.names))

    def with_thresholds(self, given: ByName, source: str = "--thresholds") -> Self:
        """The same task, with two classes, of which one is predicted from a probability; by default the second.

        Raises:
            UsageError: more classes, an unknown name, or two thresholds; begins with `source`.
        """
        if self.num_labels != 2:
            raise UsageError(
                f"{source} {given}: a threshold decides between two classes, and there are {self.num_labels}. Give a "
                "cost per true and predicted class with --costs."
            )
        by_name = self.target_names(given, source)
        for value in by_name.values():
            check_threshold(value, source)
        if len(by_name) != 1:
            raise UsageError(f"{source} {given}: of two classes, one has a threshold. Name one of them.")
        ((name, value),) = by_name.items()
        misses = {name: 1.0 - value, self.names[1 - self.label2id[name]]: float(value)}
        return replace(self, costs=costs_of_misses(np.array([misses[each] for each in self.names])))

    def target_names(self, given: ByName, source: str) -> dict[str, float]:
        if isinstance(given, dict):
            check_names(given, self.names, source)
            return given
        if self.num_labels != 2:
            raise UsageError(
                f"{source} {given:g}: which class is it for? Name one of the {self.num_labels} classes, as in "
                f"{source} '{self.names[-1]}={given:g}'"
            )
        return {self.names[1]: given}

    def untuned(self) -> LabelSpace:
        return replace(super().untuned(), costs=())

    def describe_rule(self) -> str:
        weights = weights_of(self.costs)
        if not self.costs:
            return ""
        if weights is None:
            return "the class with the least expected cost is predicted"
        if self.num_labels == 2 and any(weights):
            return f"{self.names[1]!r} is predicted from a probability of {weights[0] / sum(weights):.4g}"
        given = {name: weight for name, weight in zip(self.names, weights, strict=True) if weight != 1}
        named = join_first((f"{name} {weight:.3g}" for name, weight in given.items()), 8)
        others = " (1 for all others)" if len(given) < len(weights) else ""
        return f"the class with the highest probability x weight is predicted; the weights are {named or 1}{others}"

    def pipeline_options(self) -> str:
        return ", top_k=None" if self.costs else ""

    def usage_note(self, config: dict) -> str:
        return self.describe_rule() or super().usage_note(config)

    def usage_rule(self, config: Mapping[str, Any], texts: str) -> list[str]:
        if not self.costs:
            return []
        table = table_of(self.costs, self.names)
        is_saved = config.get("decision_costs") == table
        first = f"costs = {'classify.model.config.decision_costs' if is_saved else repr(table)}"
        if weights_of(self.costs) is not None:
            choice = 'max(answers, key=lambda each: each["score"] * costs[each["label"]])["label"]'
        else:
            choice = 'min(costs, key=lambda name: sum(costs[each["label"]][name] * each["score"] for each in answers))'
        return [first, f"print([{choice} for answers in classify({texts})])"]


def costs_of_misses(misses: np.ndarray) -> Costs:
    """The costs where every wrong prediction for a true class costs the same: [C] -> [C, C]."""
    size = len(misses)
    return tuple(tuple(0.0 if i == j else float(misses[i]) for j in range(size)) for i in range(size))


def cost_margins(probabilities: np.ndarray, decisions: np.ndarray, costs: np.ndarray) -> np.ndarray:
    """How far the difference of two logits may move before another class costs less, float64 [B].

    Two predictions cost the same where the expected cost that one saves equals what it adds; the margin is the
    logarithm of their ratio. For costs of 0 and 1 it is the difference of the two highest logits. A logit that moves
    by x changes either logarithm by x at most.

    Args:
        probabilities: [B, C]; decisions: class ids [B]; costs: [C, C].
    """
    margins = np.full(len(probabilities), np.inf)
    for chosen in np.unique(decisions):
        rows = decisions == chosen
        more = costs - costs[:, [chosen]]  # what another prediction adds for each true class, [C, C]
        adds, saves = probabilities[rows] @ np.maximum(more, 0), probabilities[rows] @ np.maximum(-more, 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = np.log(adds) - np.log(saves)
            by_logit = np.log(probabilities[rows][:, [chosen]]) - np.log(probabilities[rows])
        ratios = np.where((adds == 0) & (saves == 0), by_logit, ratios)  # the most probable one is predicted
        ratios[:, chosen] = np.inf
        margins[rows] = np.nan_to_num(np.abs(ratios), nan=np.inf, posinf=np.inf).min(axis=1)
    return margins
