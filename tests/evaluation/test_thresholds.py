"""A cut by score has the highest F1 there is on these rows, or reaches a target with as little loss as possible."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from classification.evaluation.thresholds import best_threshold, reach_precision, reach_recall

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.3, 0.2])
TRUTH = np.array([1, 1, 0, 1, 1, 0, 0], bool)  # precision 1, 1, 2/3, 3/4, 4/5, 4/6, 4/7 from the highest score down


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    own = np.random.default_rng(seed)
    truth = own.random(60) < 0.3
    return np.round(np.clip(own.normal(0.3 + 0.2 * truth, 0.2), 0, 1), 2), truth  # with ties


def test_the_best_threshold_is_the_one_an_exhaustive_search_finds():
    for seed in range(20):
        scores, truth = drawn(seed)
        guesses = scores >= np.linspace(0, 1.01, 203)[:, None]  # [cuts, N]
        hits = (guesses & truth).sum(axis=1)
        every_f1 = 2 * hits / (guesses.sum(axis=1) + truth.sum())
        assert f1_score(truth, scores >= best_threshold(scores, truth)) == pytest.approx(every_f1.max())


def test_a_threshold_without_a_positive_row_is_one_half():
    assert best_threshold(np.array([0.1, 0.9]), np.array([False, False])) == 0.5


@pytest.mark.parametrize(
    ("target", "cut", "precision", "recall"),
    [(0.9, 0.75, 1, 0.5), (0.8, 0.35, 0.8, 1), (0.77, 0.35, 0.8, 1), (0.6, 0.25, 4 / 6, 1), (0.5, 0.1, 4 / 7, 1)],
)
def test_the_lowest_threshold_that_reaches_a_precision(target, cut, precision, recall):
    """At 0.8, the first two cuts reach it too, and the third does not."""
    found = reach_precision(SCORES, TRUTH, target, 0.0)
    assert (found.cut, found.precision, found.recall) == pytest.approx((cut, precision, recall))


@pytest.mark.parametrize(("target", "cut"), [(0.25, 0.85), (0.26, 0.75), (0.5, 0.75), (0.75, 0.5), (0.76, 0.35)])
def test_the_highest_threshold_that_reaches_a_recall(target, cut):
    assert reach_recall(SCORES, TRUTH, target, 0.0).cut == pytest.approx(cut)


def test_a_target_is_reached_by_the_decisions_on_drawn_rows():
    for seed in range(20):
        scores, truth = drawn(seed)
        precise, sensitive = reach_precision(scores, truth, 0.6, 0.0), reach_recall(scores, truth, 0.9, 0.0)
        recall = recall_score(truth, scores >= sensitive.cut)
        assert recall >= 0.9 and recall == pytest.approx(sensitive.recall)
        if precise.cut is not None:
            precision = precision_score(truth, scores >= precise.cut)
            assert precision >= 0.6 and precision == pytest.approx(precise.precision)


def test_a_target_that_rounding_puts_above_a_count_is_reached():
    """In floating point, 0.55 * 100 is 55.00000000000001."""
    scores, truth = np.linspace(0.01, 1, 100), np.arange(100) < 55
    assert reach_precision(scores, truth, 0.55, 0.0).cut == pytest.approx(0.005)
    assert reach_recall(scores, np.ones(100, bool), 0.55, 0.0).cut == pytest.approx(0.455)


def test_a_precision_that_is_never_reached_gives_the_best_there_is():
    found = reach_precision(np.array([0.9, 0.8, 0.7]), np.array([False, True, True]), 0.9, 0.0)
    assert found.cut is None and found.precision == pytest.approx(2 / 3) and found.rows == 3


@pytest.mark.parametrize("search", [reach_precision, reach_recall])
def test_a_label_that_no_row_has_reaches_nothing(search):
    found = search(np.array([0.9, 0.8]), np.array([False, False]), 0.5, 0.0)
    assert found.cut is None and found.positives == 0


def test_equal_scores_are_accepted_together():
    scores, truth = np.array([0.5, 0.5, 0.5, 0.2]), np.array([True, False, False, False])
    assert reach_precision(scores, truth, 0.9, 0.0).cut is None
    assert reach_precision(scores, truth, 0.3, 0.0).cut == pytest.approx(0.35)


def test_a_cut_between_neighbouring_numbers_accepts_the_upper_one_only():
    low = 0.3
    high = np.nextafter(low, 1)
    cut = reach_precision(np.array([high, low]), np.array([True, False]), 0.9, 0.0).cut
    assert low < cut <= high
