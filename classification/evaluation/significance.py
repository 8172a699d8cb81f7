"""Whether two models differ by more than chance on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from classification.data.labels import LabelSpace
from classification.evaluation.resampling import LEVEL, paired_bootstrap

# N rows, K sums, R resamples.

NOISE, MODEL, BASELINE = "within noise", "the model wins", "the baseline wins"


@dataclass(frozen=True)
class Statistic:
    """A metric made of sums over rows, so that resampling rows is resampling summands.

    Args:
        metric: its name.
        summands: (decisions, label_ids, task) -> float64 [N, K].
        value: sums [R, K] -> metric [R].
        correct: (decisions, label_ids) -> bool [N] for McNemar's test; None where no row is exactly correct.
    """

    metric: str
    summands: Callable[[np.ndarray, np.ndarray, LabelSpace], np.ndarray]
    value: Callable[[np.ndarray], np.ndarray]
    correct: Callable[[np.ndarray, np.ndarray], np.ndarray] | None
    lower_is_better: bool = False


def count_correct(decisions: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> np.ndarray:
    return np.stack([decisions == label_ids, np.ones(len(label_ids))], axis=1)


def count_labels(decisions: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> np.ndarray:
    """True positives, and false positives with false negatives."""
    truth = label_ids.astype(bool)
    return np.stack([(decisions & truth).sum(axis=1), (decisions ^ truth).sum(axis=1)], axis=1).astype(np.float64)


def squared_errors(decisions: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> np.ndarray:
    std, _ = task.output_scale or (1.0, 0.0)
    return np.stack([((decisions - label_ids) * std) ** 2, np.ones(len(label_ids))], axis=1)


ACCURACY = Statistic(
    metric="accuracy",
    summands=count_correct,
    value=lambda sums: sums[:, 0] / sums[:, 1],
    correct=lambda decisions, label_ids: decisions == label_ids,
)
STATISTICS = {  # by a task's headline; accuracy for any other headline
    "accuracy": ACCURACY,
    "f1_micro": Statistic(
        metric="f1_micro",
        summands=count_labels,
        value=lambda sums: 2 * sums[:, 0] / np.maximum(2 * sums[:, 0] + sums[:, 1], 1),  # 2 TP / (2 TP + FP + FN)
        correct=lambda decisions, label_ids: (decisions == label_ids).all(axis=1),
    ),
    "rmse": Statistic(
        metric="rmse",
        summands=squared_errors,
        value=lambda sums: np.sqrt(sums[:, 0] / sums[:, 1]),
        correct=None,
        lower_is_better=True,
    ),
}


def compare(
    model: np.ndarray,
    baseline: np.ndarray,
    label_ids: np.ndarray,
    task: LabelSpace,
    task_of_baseline: LabelSpace | None = None,
) -> dict:
    """The difference in the task's headline (or accuracy) between two models, its 95% interval and McNemar's test.

    A difference is significant if the interval excludes zero and McNemar's test agrees, in the same direction. RMSE is
    in the units of the labels and has no McNemar's test.

    Args:
        model, baseline: logits of the same rows, [N, C].
        label_ids: as from `LabelSpace.encode`.
        task, task_of_baseline: their thresholds may differ; None is `task`.

    Returns:
        `metric`, `rows`, `model`, `baseline`, `difference`, `low`, `high`, `mcnemar_p`, `only_model_right`,
        `only_baseline_right`, `verdict`.
    """
    decisions = task.decide(model), (task_of_baseline or task).decide(baseline)
    return compare_decided(*(Decided(decided, label_ids, task) for decided in decisions))


@dataclass(frozen=True)
class Decided:
    """What one of two models decided, and the labels, in the terms of its own task: both [N] or [N, C]."""

    decisions: np.ndarray
    label_ids: np.ndarray
    task: LabelSpace

    @property
    def statistic(self) -> Statistic:
        """The headline of the task, or accuracy."""
        return STATISTICS.get(self.task.headline, ACCURACY)

    @property
    def correct(self) -> np.ndarray | None:
        """Which rows are right, bool [N]; None where no row is exactly right."""
        return self.statistic.correct(self.decisions, self.label_ids) if self.statistic.correct else None

    @property
    def summands(self) -> np.ndarray:
        return self.statistic.summands(self.decisions, self.label_ids, self.task)


def compare_decided(model: Decided, baseline: Decided) -> dict:
    """`compare` of two models whose decisions are known, on the same rows in one order."""
    statistic, sums = model.statistic, np.concatenate([model.summands, baseline.summands], axis=1)
    half = sums.shape[1] // 2

    def difference(totals: np.ndarray) -> np.ndarray:
        return statistic.value(totals[:, :half]) - statistic.value(totals[:, half:])

    low, high = paired_bootstrap(sums, difference)
    totals = sums.sum(axis=0, keepdims=True)
    result = {
        "metric": statistic.metric,
        "rows": len(model.label_ids),
        "model": float(statistic.value(totals[:, :half])[0]),
        "baseline": float(statistic.value(totals[:, half:])[0]),
        "difference": float(difference(totals)[0]),
        "low": low,
        "high": high,
        **mcnemar(model.correct, baseline.correct),
    }
    return result | {"verdict": verdict(result, lower_is_better=statistic.lower_is_better)}


def verdict(result: dict, *, lower_is_better: bool) -> str:
    is_ahead = (result["difference"] < 0) if lower_is_better else (result["difference"] > 0)
    agrees = result["mcnemar_p"] is None or (
        result["mcnemar_p"] < LEVEL and is_ahead == (result["only_model_right"] > result["only_baseline_right"])
    )
    if not agrees or result["low"] <= 0 <= result["high"]:
        return NOISE
    return MODEL if is_ahead else BASELINE


def mcnemar(model: np.ndarray | None, baseline: np.ndarray | None) -> dict:
    """The exact test of McNemar 1947 on bool [N]: are half of the rows that only one side gets right the model's?

    Without rows that can be right every result is None. `statsmodels` has the same p-value (within 2e-15), but is one
    more dependency for one line.
    """
    if model is None or baseline is None:
        return {"mcnemar_p": None, "only_model_right": None, "only_baseline_right": None}
    only_model, only_baseline = int((model & ~baseline).sum()), int((baseline & ~model).sum())
    p = float(binomtest(only_model, only_model + only_baseline).pvalue) if only_model + only_baseline else 1.0
    return {"mcnemar_p": p, "only_model_right": only_model, "only_baseline_right": only_baseline}
