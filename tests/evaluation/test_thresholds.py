"""Tuned thresholds give the highest F1 there is on these rows."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from sklearn.metrics import f1_score

from classification.data.tasks import infer_task
from classification.evaluation.metrics import score
from classification.evaluation.thresholds import best_threshold, tune_thresholds

TASK = infer_task([["a"], ["b"], ["c"], []])
draw = np.random.default_rng(0)
TRUTH = (draw.random((100, 3)) < [0.6, 0.3, 0.05]).astype(np.float32)


def test_the_best_threshold_is_the_one_an_exhaustive_search_finds():
    for seed in range(20):
        own = np.random.default_rng(seed)
        truth = own.random(60) < 0.3
        scores = np.round(np.clip(own.normal(0.3 + 0.2 * truth, 0.2), 0, 1), 2)  # with ties
        guesses = scores >= np.linspace(0, 1.01, 203)[:, None]  # [cuts, N]
        hits = (guesses & truth).sum(axis=1)
        every_f1 = 2 * hits / (guesses.sum(axis=1) + truth.sum())
        assert f1_score(truth, scores >= best_threshold(scores, truth)) == pytest.approx(every_f1.max())


def test_a_threshold_without_a_positive_row_is_one_half():
    assert best_threshold(np.array([0.1, 0.9]), np.array([False, False])) == 0.5


def test_one_threshold_raises_micro_f1_and_one_per_label_macro_f1():
    probabilities = 1 / (1 + np.exp(-(draw.normal(size=(100, 3)) + 2 * TRUTH - 2)))
    (shared, shared_lines), (own, own_lines) = (
        tune_thresholds(scope, probabilities, TRUTH, TASK) for scope in ("global", "per_label")
    )
    assert len(set(shared.thresholds)) == 1 and len(set(own.thresholds)) == 3
    logits = np.log(probabilities / (1 - probabilities))
    plain, best = score(logits, TRUTH, TASK), score(logits, TRUTH, shared)
    assert best["f1_micro"] > plain["f1_micro"]
    assert score(logits, TRUTH, own)["f1_macro"] >= best["f1_macro"] > plain["f1_macro"]
    assert [line.topic for line in shared_lines] == ["thresholds"] and "for every label" in shared_lines[0].text
    assert f"a {own.thresholds[0]:.3f}, b {own.thresholds[1]:.3f}" in own_lines[0].text


def test_a_threshold_of_few_positive_rows_is_a_guess():
    probabilities = draw.random((100, 3))
    lines = tune_thresholds("per_label", probabilities, TRUTH, TASK)[1]
    count = int(TRUTH[:, 2].sum())
    assert lines[-1].level == logging.WARNING and f"few validation rows have label c ({count})" in lines[-1].text
    assert all(line.level == logging.INFO for line in tune_thresholds("global", probabilities, TRUTH, TASK)[1])


def test_the_margin_is_zero_at_a_threshold():
    task = TASK.with_thresholds({"a": 0.2, "b": 0.5, "c": 1.0})
    logits = np.array([[np.log(0.25), 9.0, 0.0], [9.0, 0.5, 0.0]], dtype=np.float32)
    assert task.margin(logits) == pytest.approx([0, 0.5], abs=1e-6)
