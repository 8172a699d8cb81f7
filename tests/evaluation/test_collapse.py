"""A collapsed model is recognised for every kind of task, and a healthy one or a tiny split never is."""

from __future__ import annotations

import numpy as np
import pytest

from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task
from classification.evaluation.collapse import collapse_warning, find_collapse, random_precisions
from classification.evaluation.split_metrics import score_labelled

TWO = infer_task(["a", "b"])
THREE = infer_task(["a", "b", "c"])
SEVERAL = infer_task([["a"], ["b"], ["c"], []])
NAMES = [f"l{i:02d}" for i in range(28)]
MANY = infer_task([[name] for name in NAMES])
NUMBER = infer_task([1.5, 2.5, 5.5])


def draw(seed: int = 0):
    return np.random.default_rng(seed)


def one_class(rows: int, classes: int, favourite: int = 0) -> np.ndarray:
    """Logits that differ from row to row and always choose `favourite`."""
    logits = draw().normal(size=(rows, classes))
    logits[:, favourite] = logits.max(axis=1) + 0.1
    return logits


# ----------------------------------------------------------------------------------------------- one prediction for all


@pytest.mark.parametrize(("rows", "collapsed"), [(1, False), (2, False), (4, False), (6, False), (8, True), (24, True)])
def test_few_rows_may_have_one_prediction_by_chance(rows, collapsed):
    label_ids = np.arange(rows) % 2
    assert bool(find_collapse(one_class(rows, 2), label_ids, TWO)) == collapsed


@pytest.mark.parametrize(("others", "collapsed"), [(0, False), (1, False), (3, False), (6, True), (50, True)])
def test_a_rare_class_must_be_missed_several_times(others, collapsed):
    label_ids = np.zeros(100, dtype=int)
    label_ids[:others] = 1
    assert bool(find_collapse(one_class(100, 2), label_ids, TWO)) == collapsed


def test_the_class_and_the_rows_that_differ_are_named():
    reason = find_collapse(one_class(30, 3, favourite=2), np.arange(30) % 3, THREE)
    assert reason == "it predicts c for all 30 rows, and 20 of them have another label"


def test_a_class_that_the_labels_lack_is_a_collapse_too():
    assert find_collapse(one_class(12, 3, favourite=2), np.arange(12) % 2, THREE)


def test_labels_of_one_class_allow_one_prediction():
    assert find_collapse(one_class(50, 2), np.ones(50, dtype=int), TWO) is None


def test_no_label_for_any_row_is_a_collapse():
    """The ranking is perfect, so that only the threshold is wrong."""
    truth = (draw().random((60, 3)) < 0.3).astype(float)
    reason = find_collapse(truth - 5, truth, SEVERAL)
    assert reason.startswith("it predicts no label for any of the 60 rows, and ") and "random" not in reason
    assert find_collapse(truth - 5, np.zeros((60, 3)), SEVERAL) is None
    delimited = infer_task([["a"], ["b"], ["c"], []], LabelHints(delimiter="|"))
    assert "no label" in find_collapse(truth - 5, truth, delimited)


def test_numbers_that_are_all_equal_are_a_collapse():
    numbers = draw().normal(size=20)
    reason = find_collapse(np.full((20, 1), 0.25) + draw().normal(size=(20, 1)) * 1e-4, numbers, NUMBER)
    assert reason.startswith("it predicts 3.") and reason.endswith("for all 20 rows, and 20 of them have another value")
    assert find_collapse(numbers[:, None] * 0.1, numbers, NUMBER) is None
    assert find_collapse(np.full((1, 1), 0.25), numbers[:1], NUMBER) is None
    assert find_collapse(np.full((20, 1), 0.25), np.full(20, 0.5), NUMBER) is None


# ------------------------------------------------------------------------------------------------- a ranking by chance


def rare_labels(rows: int) -> np.ndarray:
    """28 labels with shares from 0.2% to 30%."""
    shares = np.geomspace(0.002, 0.3, 28)
    return (draw(1).random((rows, 28)) < shares).astype(float)


def test_a_ranking_by_chance_is_a_collapse_even_where_predictions_differ():
    truth = rare_labels(2000)
    logits = draw(2).normal(size=truth.shape)
    assert "is that of a random order (the labels have a base rate of 0.0" in find_collapse(logits, truth, MANY)


@pytest.mark.parametrize("signal", [0.5, 1.0, 4.0])
def test_a_weak_model_is_no_collapse(signal):
    truth = rare_labels(2000)
    logits = signal * truth + draw(2).normal(size=truth.shape)
    assert find_collapse(logits, truth, MANY) is None


def test_both_reasons_are_given():
    truth = rare_labels(2000)
    reason = find_collapse(draw(2).normal(size=truth.shape) * 0.01 - 3, truth, MANY)
    assert "no label" in reason and "random order" in reason


@pytest.mark.parametrize("rows", [1, 2, 5, 20, 40])
def test_few_rows_cannot_show_a_ranking(rows):
    for seed in range(20):
        label_ids = draw(seed).integers(0, 2, rows)
        logits = draw(seed + 100).normal(size=(rows, 2))
        reason = find_collapse(logits, label_ids, TWO)
        assert reason is None or "random order" not in reason


def test_false_alarms_over_healthy_models_are_absent():
    """Accuracies from 0.65 to 0.95, 10 to 2,000 rows, balanced and rare classes."""
    alarms = []
    for seed in range(60):
        rows, share = int(draw(seed).integers(10, 2000)), draw(seed + 1).uniform(0.1, 0.5)
        label_ids = (draw(seed + 2).random(rows) < share).astype(int)
        signal = draw(seed + 3).uniform(0.8, 3.0) * (2 * label_ids - 1)
        logits = np.stack([np.zeros(rows), signal + draw(seed + 4).normal(size=rows)], axis=1)
        alarms.append(find_collapse(logits, label_ids, TWO))
    assert not list(filter(None, alarms))


def test_random_orders_have_the_base_rate():
    truth = (draw().random((3000, 4)) < 0.2).astype(float)
    assert random_precisions(truth).mean() == pytest.approx(truth.mean(), abs=0.01)


# ----------------------------------------------------------------------------------------------------- what is reported


def test_a_collapse_is_among_the_metrics_and_a_healthy_model_has_no_such_key():
    label_ids = (np.arange(24) % 2).tolist()
    assert "for all 24 rows" in score_labelled(one_class(24, 2), label_ids, TWO)["collapsed"]
    assert "collapsed" not in score_labelled(np.eye(2)[label_ids], label_ids, TWO)


@pytest.mark.parametrize(
    ("task", "zero", "flags", "absent"),
    [
        (
            TWO,
            False,
            ["--num_train_epochs", "--learning_rate", "--class_weights"],
            ["--tune_thresholds", "--head_init"],
        ),
        (SEVERAL, True, ["--class_weights", "--tune_thresholds", "--head_init prior"], []),
        (NUMBER, False, ["--num_train_epochs", "--learning_rate"], ["--class_weights", "--tune_thresholds"]),
    ],
)
def test_the_remedies_are_those_that_the_task_supports(task, zero, flags, absent):
    text = collapse_warning("test", "why", task, head_at_zero=zero).text
    assert text.startswith("The model has collapsed on test: why. Train again with ")
    assert all(flag in text for flag in flags) and not any(flag in text for flag in absent)
