"""A weight per class gives the macro F1 that scikit-learn counts, the highest of all with two classes."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from classification.data.single_label import log_softmax
from classification.evaluation.priorities import f1_sums, leads, reach_targets, tune_macro_f1
from classification.evaluation.thresholds import reach_precision, reach_recall


def drawn(seed: int, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities [N, C], in favour of class 0, and label ids [N]."""
    own = np.random.default_rng(seed)
    label_ids = own.integers(classes, size=rows)
    logits = own.normal(size=(rows, classes)) + 1.5 * np.eye(classes)[label_ids]
    logits[:, 0] += 1
    return log_softmax(logits), label_ids


def macro_f1(log_probabilities: np.ndarray, label_ids: np.ndarray, weights: np.ndarray) -> float:
    """As of scikit-learn, which takes a millisecond."""
    size = log_probabilities.shape[1]
    decisions = (log_probabilities + weights).argmax(axis=1)
    hits = np.bincount(decisions[decisions == label_ids], minlength=size)
    counts = np.bincount(decisions, minlength=size) + np.bincount(label_ids, minlength=size)
    return float((2 * hits / np.maximum(counts, 1)).mean())


def test_with_two_classes_no_threshold_is_better():
    for seed in range(10):
        log_probabilities, label_ids = drawn(seed, 60, 2)
        found = macro_f1(log_probabilities, label_ids, tune_macro_f1(log_probabilities, label_ids))
        every = [macro_f1(log_probabilities, label_ids, np.array([0, w])) for w in np.linspace(-6, 6, 1201)]
        assert found >= max(every) - 1e-12


def test_the_running_sums_are_the_f1_of_scikit_learn():
    log_probabilities, label_ids = drawn(3, 40, 4)
    lead, rivals = leads(log_probabilities, np.array([0, 0.3, 0, -0.2]), 2)
    order = np.argsort(-lead)
    sums = f1_sums(rivals[order], label_ids[order], 2, 4)
    for accepted in range(41):
        decisions = rivals.copy()
        decisions[order[:accepted]] = 2
        assert sums[accepted] == pytest.approx(4 * f1_score(label_ids, decisions, average="macro", labels=range(4)))


def test_with_more_classes_no_single_weight_can_be_improved():
    log_probabilities, label_ids = drawn(1, 200, 4)
    weights = tune_macro_f1(log_probabilities, label_ids)
    best = macro_f1(log_probabilities, label_ids, weights)
    assert best > macro_f1(log_probabilities, label_ids, np.zeros(4)) + 0.01
    for chosen in range(4):
        for change in np.linspace(-3, 3, 301):
            other = weights.copy()
            other[chosen] += change
            assert macro_f1(log_probabilities, label_ids, other) <= best + 1e-12


def test_weights_that_are_best_already_stay():
    log_probabilities = log_softmax(8 * np.eye(3)[[0, 1, 2, 0, 1, 2]])
    assert not tune_macro_f1(log_probabilities, np.array([0, 1, 2, 0, 1, 2])).any()


def test_a_class_without_a_row_keeps_its_weight():
    log_probabilities, label_ids = drawn(1, 100, 4)
    weights = tune_macro_f1(log_probabilities[label_ids != 2], label_ids[label_ids != 2])
    assert weights[2] == 0 and weights.any()
    assert not tune_macro_f1(log_probabilities, np.zeros(100, int)).any()  # one class only


@pytest.mark.parametrize("classes", [2, 5])
def test_a_class_reaches_its_precision_or_recall(classes):
    log_probabilities, label_ids = drawn(2, 400, classes)
    for search, score in ((reach_precision, precision_score), (reach_recall, recall_score)):
        weights, found = reach_targets(log_probabilities, label_ids, {1: 0.8}, search)
        decisions = (log_probabilities + weights).argmax(axis=1) == 1
        assert score(label_ids == 1, decisions) >= 0.8 and found[1].rows == decisions.sum()
        assert not np.delete(weights, 1).any()


def test_two_classes_reach_their_targets_together():
    log_probabilities, label_ids = drawn(2, 400, 5)
    weights, _ = reach_targets(log_probabilities, label_ids, {1: 0.8, 3: 0.7}, reach_precision)
    decisions = (log_probabilities + weights).argmax(axis=1)
    for chosen, target in ((1, 0.8), (3, 0.7)):
        assert precision_score(label_ids == chosen, decisions == chosen) >= target


def test_a_precision_that_is_never_reached_leaves_the_weight():
    log_probabilities, label_ids = drawn(2, 400, 3)
    lead, _ = leads(log_probabilities, np.zeros(3), 1)
    label_ids[lead.argmax()] = 0  # the row that is predicted as class 1 first
    weights, found = reach_targets(log_probabilities, label_ids, {1: 0.999}, reach_precision)
    assert found[1].cut is None and found[1].precision < 0.999 and not weights.any()
