"""Metrics are those of scikit-learn, for every kind of task and for rows that are hard to score."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn import metrics as sk

from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.evaluation.evaluate_metric import TaskMetric
from classification.evaluation.extra_metric import check_best_metric, load_metric
from classification.evaluation.metrics import FROM_PROBABILITIES, METRICS, metric_names, score

THREE = infer_task(["a", "b", "c"])
SEVERAL = infer_task([["a"], ["b"], ["c"], []])
NUMBER = infer_task([1.5, 2.5, 5.5])
TASKS = {"one class": THREE, "several labels": SEVERAL, "number": NUMBER}

draw = np.random.default_rng(0)
IDS = draw.integers(0, 3, 100)
LOGITS = draw.normal(size=(100, 3)).astype(np.float32)
TRUTH = (draw.random((100, 3)) < [0.6, 0.3, 0.05]).astype(np.float64)
SEVERAL_LOGITS = (draw.normal(size=(100, 3)) + TRUTH).astype(np.float32)
NUMBERS = draw.normal(size=100)
NUMBER_LOGITS = (NUMBERS[:, None] + draw.normal(size=(100, 1))).astype(np.float32)
ROWS = {"one class": (LOGITS, IDS), "several labels": (SEVERAL_LOGITS, TRUTH), "number": (NUMBER_LOGITS, NUMBERS)}


def test_metrics_of_one_class_are_those_of_scikit_learn():
    result, predicted = score(LOGITS, IDS, THREE), LOGITS.argmax(-1)
    assert result["accuracy"] == sk.accuracy_score(IDS, predicted)
    assert result["balanced_accuracy"] == sk.balanced_accuracy_score(IDS, predicted)
    for average in ("macro", "micro", "weighted"):
        assert result[f"f1_{average}"] == sk.f1_score(IDS, predicted, average=average)
    assert result["mcc"] == sk.matthews_corrcoef(IDS, predicted)
    assert result["loss"] == pytest.approx(sk.log_loss(IDS, THREE.probabilities(LOGITS)))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("logits", "ids", "task", "expected"),
    [
        (LOGITS[:1], IDS[:1], THREE, {"mcc": np.nan}),
        (LOGITS, np.zeros(100, int), THREE, {"mcc": np.nan}),
        (np.tile([1.0, 0.0, 0.0], (100, 1)), IDS, THREE, {"mcc": 0.0}),
        (np.tile([1.0, 0.0, 0.0], (100, 1)), np.zeros(100, int), THREE, {"mcc": np.nan, "accuracy": 1.0}),
        (SEVERAL_LOGITS, np.zeros((100, 3)), SEVERAL, {"average_precision": np.nan, "f1_macro": 0.0}),
        (np.full((9, 3), -1.0), np.zeros((9, 3)), SEVERAL, {"average_precision": np.nan, "f1_macro": np.nan}),
    ],
)
def test_rows_that_lack_classes_give_no_warning_of_a_library(logits, ids, task, expected):
    result = score(logits, ids, task)
    for name, value in expected.items():
        assert result[name] == pytest.approx(value, nan_ok=True), name


def test_metrics_of_several_labels_are_those_of_scikit_learn():
    result, predicted = score(SEVERAL_LOGITS, TRUTH, SEVERAL), SEVERAL_LOGITS >= 0
    for average in ("micro", "macro", "weighted"):
        assert result[f"f1_{average}"] == pytest.approx(sk.f1_score(TRUTH, predicted, average=average))
    both_empty = (~predicted.any(axis=1) & (TRUTH.sum(axis=1) == 0)).sum()
    assert both_empty
    samples = sk.f1_score(TRUTH, predicted, average="samples", zero_division=0) + both_empty / 100
    assert result["f1_samples"] == pytest.approx(samples)
    assert result["exact_match"] == (predicted == TRUTH).all(axis=1).mean()
    expected = sk.average_precision_score(TRUTH, SEVERAL_LOGITS, average="macro")
    assert result["average_precision"] == pytest.approx(expected)


def test_metrics_of_numbers_are_in_their_units():
    result = score(NUMBER_LOGITS, NUMBERS, NUMBER)
    predicted, given = (values * NUMBER.std + NUMBER.mean for values in (NUMBER_LOGITS[:, 0].astype(float), NUMBERS))
    assert result["mae"] == sk.mean_absolute_error(given, predicted)
    assert result["rmse"] == sk.root_mean_squared_error(given, predicted)
    assert result["pearson"] == pytest.approx(np.corrcoef(given, predicted)[0, 1])
    assert result["loss"] == pytest.approx((result["rmse"] / NUMBER.std) ** 2)  # in standardised units


def test_a_correlation_with_a_constant_is_undefined():
    result = score(np.zeros((5, 1), dtype=np.float32), NUMBERS[:5], NUMBER)
    assert np.isnan(result["pearson"]) and np.isnan(result["spearman"]) and result["rmse"] > 0


def test_a_label_that_neither_occurs_nor_is_predicted_is_left_out_of_macro_f1():
    logits = np.array([[5.0, -5.0, -5.0], [-5.0, 5.0, -5.0]], dtype=np.float32)
    result = score(logits, np.array([[1.0, 0, 0], [0, 1, 0]]), SEVERAL)
    assert result["f1_macro"] == result["average_precision"] == result["exact_match"] == 1


def test_rare_classes_count_in_balanced_accuracy_and_average_precision():
    """Always the majority: 90% accuracy, and worth nothing."""
    logits = np.tile([3.0, 0.0, -9.0], (100, 1)).astype(np.float32)
    result = score(logits, np.array([0] * 90 + [1] * 10), THREE)
    assert result["accuracy"] == 0.9 and result["balanced_accuracy"] == 0.5
    assert result["average_precision"] == pytest.approx((0.9 + 0.1) / 2)


@pytest.mark.parametrize("kind", TASKS)
def test_every_metric_of_a_diverged_model_is_nan(kind):
    logits, label_ids = ROWS[kind]
    result = score(np.where(np.arange(100)[:, None] == 7, np.nan, logits), label_ids, TASKS[kind])
    assert tuple(result) == metric_names(TASKS[kind]) and np.isnan(list(result.values())).all()


def test_the_objective_is_reported_where_it_is_not_the_loss():
    same = SimpleNamespace(equals_val_loss=True)
    other = SimpleNamespace(equals_val_loss=False, mean=lambda logits, label_ids: float(len(logits)))
    assert "objective" not in score(LOGITS, IDS, THREE, None, same)
    result = score(LOGITS, IDS, THREE, None, other)
    assert result["objective"] == 100 and result["loss"] == score(LOGITS, IDS, THREE)["loss"]
    assert tuple(result) == metric_names(THREE, None, other)


@pytest.mark.parametrize("kind", TASKS)
def test_what_is_named_is_what_is_reported(kind):
    logits, label_ids = ROWS[kind]
    extra = load_metric("r2" if kind == "number" else "jaccard_macro", TASKS[kind])
    result = score(logits, label_ids, TASKS[kind], extra)
    assert tuple(result) == metric_names(TASKS[kind], extra)
    assert {TASKS[kind].headline, *TASKS[kind].main_metrics} <= set(result)


def test_the_best_checkpoint_can_only_be_chosen_by_what_is_reported():
    plain = SimpleNamespace(equals_val_loss=True)
    for name in ("loss", "eval_accuracy", "mcc"):
        check_best_metric(name, THREE, None, plain)
    with pytest.raises(UsageError, match="--metric_for_best_model acuracy: .*Did you mean 'accuracy'.*--metric_name"):
        check_best_metric("acuracy", THREE, None, plain)
    with pytest.raises(UsageError, match="--metric_for_best_model objective: is not reported"):
        check_best_metric("objective", THREE, None, plain)


@pytest.mark.parametrize("kind", TASKS)
def test_the_evaluate_library_computes_the_same(kind):
    """`TaskMetric` is an `evaluate.Metric`; a run calls the functions themselves."""
    (logits, label_ids), task = ROWS[kind], TASKS[kind]
    result = score(logits, label_ids, task)
    computed = TaskMetric(task).compute(references=label_ids, predictions=task.decide(logits))
    assert computed == {name: result[name] for name in METRICS[task.metrics] if name not in FROM_PROBABILITIES}
