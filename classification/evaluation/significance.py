"""Whether two models differ by more than chance on the same rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest

from classification.data.labels import LabelSpace
from classification.evaluation import decisions

# N rows, K sums, R draws.

DRAWS = 2000
AT_A_TIME = 10_000_000  # counts that are drawn together
LEVEL = 0.05
NOISE, MODEL, BASELINE = "within noise", "the model wins", "the baseline wins"


def compare(
    model: np.ndarray,
    baseline: np.ndarray,
    label_ids: np.ndarray,
    labels: LabelSpace,
    labels_of_baseline: LabelSpace | None = None,
) -> dict:
    """How far a model is ahead of a baseline, with a 95% interval and McNemar's test.

    The figure is accuracy, micro F1 of several labels a row, or RMSE (in the labels' own units; less is better). A
    difference counts only if the interval leaves out zero and McNemar's test agrees, in the same direction (for
    regression there is none).

    Args:
        model, baseline: logits of the same rows, [N, C]; label_ids as `LabelSpace.encode` gives them.
        labels, labels_of_baseline: their thresholds may differ; None is `labels`.

    Returns:
        `metric`, `rows`, `model`, `baseline`, `difference`, `low`, `high`, `mcnemar_p`, `only_model_right`,
        `only_baseline_right`, `verdict`.
    """
    sides = ((model, labels), (baseline, labels_of_baseline or labels))
    parts = [row_parts(logits, label_ids, of) for logits, of in sides]
    name, figure = figure_of(labels)
    half = parts[0].shape[1]

    def difference(sums: np.ndarray) -> np.ndarray:
        return figure(sums[:, :half]) - figure(sums[:, half:])

    both = np.concatenate(parts, axis=1)
    low, high = paired_bootstrap(both, difference)
    better = -1 if labels.is_regression else 1
    result = {
        "metric": name,
        "rows": len(label_ids),
        "model": float(figure(parts[0].sum(axis=0, keepdims=True))[0]),
        "baseline": float(figure(parts[1].sum(axis=0, keepdims=True))[0]),
        "difference": float(difference(both.sum(axis=0, keepdims=True))[0]),
        "low": low,
        "high": high,
        **mcnemar(*(is_right(logits, label_ids, of) for logits, of in sides)),
    }
    ahead = better * result["difference"] > 0
    agrees = result["mcnemar_p"] is None or (
        result["mcnemar_p"] < LEVEL and ahead == (result["only_model_right"] > result["only_baseline_right"])
    )
    certain = agrees and (low > 0 or high < 0)
    return result | {"verdict": (MODEL if ahead else BASELINE) if certain else NOISE}


def row_parts(logits: np.ndarray, label_ids: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """What each row adds to the sums that the figure is made of, float64 [N, K], and a one for the row."""
    decided, ones = decisions.decide(logits, labels), np.ones(len(label_ids))
    if labels.is_regression:
        return np.stack([((decided - label_ids) * labels.std) ** 2, ones], axis=1)
    if not labels.is_multi_label:
        return np.stack([decided == label_ids, ones], axis=1).astype(np.float64)
    truth = label_ids.astype(bool)
    return np.stack([(decided & truth).sum(axis=1), (decided ^ truth).sum(axis=1)], axis=1).astype(np.float64)


def figure_of(labels: LabelSpace) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """The name of the figure, and how it is made of sums [R, K] -> [R]."""
    if labels.is_regression:
        return "rmse", lambda sums: np.sqrt(sums[:, 0] / sums[:, 1])
    if labels.is_multi_label:  # 2 TP / (2 TP + FP + FN)
        return "f1_micro", lambda sums: 2 * sums[:, 0] / np.maximum(2 * sums[:, 0] + sums[:, 1], 1)
    return "accuracy", lambda sums: sums[:, 0] / sums[:, 1]


def paired_bootstrap(of_rows: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """A 95% percentile interval of a statistic of sums over rows, [R, K] -> [R]; a row that is drawn counts for both
    models (Efron & Tibshirani 1993, An Introduction to the Bootstrap, chapter 13).

    Equal rows are drawn together: how often each kind of row comes up is multinomial.
    """
    kinds, counts = np.unique(of_rows, axis=0, return_counts=True)
    draw, shares = np.random.default_rng(0), counts / len(of_rows)
    values: list[float] = []
    while len(values) < DRAWS:
        some = min(DRAWS - len(values), max(1, AT_A_TIME // len(kinds)))
        values += statistic(draw.multinomial(len(of_rows), shares, size=some) @ kinds).tolist()
    low, high = np.percentile(values, [100 * LEVEL / 2, 100 - 100 * LEVEL / 2])
    return float(low), float(high)


def is_right(logits: np.ndarray, label_ids: np.ndarray, labels: LabelSpace) -> np.ndarray | None:
    """Whether each row is right, in all of its labels: bool [N]; None for numbers, which are never exactly right."""
    if labels.is_regression:
        return None
    right = decisions.decide(logits, labels) == label_ids
    return right.all(axis=1) if labels.is_multi_label else right


def mcnemar(model: np.ndarray | None, baseline: np.ndarray | None) -> dict:
    """The exact test of McNemar 1947: of the rows that one alone gets right, are about half the model's?"""
    if model is None or baseline is None:
        return {"mcnemar_p": None, "only_model_right": None, "only_baseline_right": None}
    ours, theirs = int((model & ~baseline).sum()), int((baseline & ~model).sum())
    p = float(binomtest(ours, ours + theirs).pvalue) if ours + theirs else 1.0
    return {"mcnemar_p": p, "only_model_right": ours, "only_baseline_right": theirs}
