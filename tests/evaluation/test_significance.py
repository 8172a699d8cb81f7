"""A difference within noise is called that, a real one is found, and the baseline may win."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn.metrics import f1_score, root_mean_squared_error

from classification.data.labels import LabelSpace
from classification.data.tasks import infer_task
from classification.evaluation.metrics import score
from classification.evaluation.resampling import paired_bootstrap
from classification.evaluation.significance import STATISTICS, compare, mcnemar

TWO = infer_task(["no", "yes"])
THREE = infer_task([["a", "b"], ["c"], []])
NUMBER = infer_task([1.5, 2.5, 5.5])


def logits_with(hits: np.ndarray, label_ids: np.ndarray) -> np.ndarray:
    """Logits [N, 2] that are right where `hits` says so."""
    return np.eye(2)[np.where(hits, label_ids, 1 - label_ids)]


@pytest.mark.parametrize(
    ("both", "ours", "theirs", "verdict"),
    [
        (80, 10, 8, "within noise"),
        (60, 35, 5, "the model wins"),
        (60, 5, 35, "the baseline wins"),
        (90, 0, 0, "within noise"),
    ],
)
def test_verdicts_follow_from_the_rows_that_one_alone_gets_right(both, ours, theirs, verdict):
    kinds = np.repeat([3, 1, 2, 0], [both, ours, theirs, 100 - both - ours - theirs])
    label_ids = np.arange(100) % 2
    result = compare(logits_with(kinds & 1 > 0, label_ids), logits_with(kinds & 2 > 0, label_ids), label_ids, TWO)
    assert result["verdict"] == verdict
    assert result["only_model_right"] == ours and result["only_baseline_right"] == theirs
    assert result["difference"] == pytest.approx((ours - theirs) / 100)
    assert result["low"] <= result["difference"] <= result["high"]


def test_mcnemar_is_the_exact_binomial_test():
    """Of 10 rows that one alone gets right, 9 are the model's: p = 2 (C(10,0) + C(10,1)) / 2^10."""
    model, baseline = np.arange(20) < 9, np.arange(20) == 15
    assert mcnemar(model, baseline)["mcnemar_p"] == pytest.approx(2 * (1 + 10) / 2**10)


def test_the_interval_is_that_of_drawing_rows_one_by_one():
    hits = np.random.default_rng(3).random((400, 2)) < (0.8, 0.7)
    label_ids = np.zeros(400, dtype=int)
    ours = compare(*(logits_with(column, label_ids) for column in hits.T), label_ids, TWO)
    difference = hits[:, 0].astype(float) - hits[:, 1]
    theirs = bootstrap((difference,), np.mean, method="percentile", rng=np.random.default_rng(0)).confidence_interval
    assert (ours["low"], ours["high"]) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def total(logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> float:
    """The statistic of all rows at once."""
    statistic = STATISTICS[task.headline]
    summands = statistic.summands(task.decide(logits), label_ids, task)
    return statistic.value(summands.sum(axis=0, keepdims=True))[0]


def test_statistics_are_the_metrics_of_scikit_learn():
    draw = np.random.default_rng(0)
    several, truth = draw.normal(size=(50, 3)), (draw.random((50, 3)) < 0.4).astype(float)
    assert total(several, truth, THREE) == pytest.approx(f1_score(truth, several >= 0, average="micro"))
    values, targets = draw.normal(size=(50, 1)), draw.normal(size=50)
    expected = root_mean_squared_error(targets * NUMBER.std, values[:, 0] * NUMBER.std)
    assert total(values, targets, NUMBER) == pytest.approx(expected)


@pytest.mark.parametrize("task", [TWO, THREE, NUMBER], ids=lambda task: task.headline)
def test_every_kind_of_task_has_a_statistic(task):
    logits = np.random.default_rng(0).normal(size=(9, task.num_labels))
    label_ids = task.decide(logits)
    result = compare(logits, logits, label_ids, task)
    assert result["metric"] == task.headline and result["model"] == score(logits, label_ids, task)[task.headline]


def test_numbers_are_compared_by_rmse_and_less_is_better():
    draw = np.random.default_rng(0)
    targets = draw.normal(size=300)
    near, far = (targets[:, None] + scale * draw.normal(size=(300, 1)) for scale in (0.1, 1.0))
    assert compare(near, far, targets, NUMBER)["verdict"] == "the model wins"
    assert compare(far, near, targets, NUMBER)["verdict"] == "the baseline wins"
    assert compare(near, near, targets, NUMBER)["verdict"] == "within noise"
    assert compare(near, far, targets, NUMBER)["mcnemar_p"] is None


def test_several_labels_are_compared_by_micro_f1():
    draw = np.random.default_rng(0)
    truth = (draw.random((200, 3)) < 0.5).astype(float)
    good, bad = (np.where(draw.random((200, 3)) < wrong, -1, 1) * (2 * truth - 1) for wrong in (0.05, 0.3))
    result = compare(good, bad, truth, THREE)
    assert result["metric"] == "f1_micro" and result["verdict"] == "the model wins"


def test_many_kinds_of_rows_are_drawn_in_parts(monkeypatch):
    from classification.evaluation import resampling

    rows = np.random.default_rng(0).normal(size=(100, 2))
    whole = paired_bootstrap(rows, lambda sums: sums[:, 0] - sums[:, 1])
    monkeypatch.setattr(resampling, "COUNTS_AT_A_TIME", 500)
    assert paired_bootstrap(rows, lambda sums: sums[:, 0] - sums[:, 1]) == pytest.approx(whole)


def test_a_test_that_points_the_other_way_makes_no_winner():
    """Micro F1 for the model, rows that are right in all labels for the baseline: no plain answer."""
    truth = np.ones((200, 3))
    model = np.where(np.arange(3) == 0, -1.0, 1.0) * truth  # one label of each row is wrong
    baseline = np.where(np.arange(200)[:, None] < 100, 1.0, -1.0) * truth  # half of the rows are right, half all wrong
    result = compare(model, baseline, truth, THREE)
    assert result["difference"] > 0 and result["mcnemar_p"] < 1e-6 and result["only_baseline_right"] == 100
    assert result["verdict"] == "within noise"


def test_each_side_is_decided_by_its_own_thresholds():
    truth = np.tile([1.0, 0.0, 1.0], (50, 1))
    logits = np.tile([-0.5, -3.0, -0.5], (50, 1))
    low = THREE.with_thresholds(0.3)
    assert compare(logits, logits, truth, low, THREE)["verdict"] == "the model wins"


@pytest.mark.parametrize(
    ("task", "label_ids"),
    [
        (TWO, [1]), (TWO, [0, 0, 0]), (THREE, [[0.0, 0, 0]]), (THREE, [[0.0, 0, 0]] * 3), (NUMBER, [0.5]),
        (NUMBER, [0.5] * 3),
    ],
)  # fmt: skip
def test_few_or_equal_rows_are_within_noise(task, label_ids):
    """One row, one class, no labels: there is a figure for each side, and no winner."""
    draw = np.random.default_rng(0)
    logits = draw.normal(size=(2, len(label_ids), task.num_labels))
    result = compare(*logits, np.array(label_ids), task)
    assert all(np.isfinite(result[name]) for name in ("model", "baseline", "difference", "low", "high"))
    if len(label_ids) == 1 and result["mcnemar_p"] is not None:
        assert result["verdict"] == "within noise"
