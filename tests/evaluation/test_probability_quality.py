"""Calibration error, Brier score and log loss are those of their definitions, and honest on the rows of the fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from sklearn.metrics import brier_score_loss, log_loss

from classification.data.multi_label import MultiLabel
from classification.data.single_label import SingleLabel
from classification.data.tasks import infer_task
from classification.evaluation import probability_quality
from classification.evaluation.calibration import cross_fitted, describe_rows, fit_temperatures
from classification.evaluation.predictions import Predictions
from classification.evaluation.probability_quality import (
    brier_score,
    calibration_line,
    expected_calibration_error,
    lines_about_test,
    quality,
    score_probabilities,
)

THREE = SingleLabel(("a", "b", "c"))
LABELS = MultiLabel(("a", "b", "c"), thresholds=(0.5,) * 3)


def made(seed: int, rows: int = 400, task=THREE) -> Predictions:
    """Logits that are twice as large as they should be."""
    generator = np.random.default_rng(seed)
    true = generator.normal(size=(rows, 3)) * 2
    if task is THREE:
        given = (true + generator.gumbel(size=true.shape)).argmax(axis=1).tolist()
    else:
        given = (true + generator.logistic(size=true.shape) > 0).astype(float).tolist()
    texts = {"text": [f"{seed} {i}" for i in range(rows)], "label": given}
    count = np.ones(rows, int)
    return Predictions(Dataset.from_dict(texts), (2 * true).astype(np.float32), count, count)


def calibrated_on(validation: Predictions, task=THREE):
    found, _, _ = fit_temperatures(validation.logits, np.array(validation.label_ids), task)
    return replace(found, fitted_on=describe_rows(validation.rows))


def slow_ece(probabilities, came_true) -> float:
    total = 0.0
    for i in range(15):
        low, high = i / 15, (i + 1) / 15
        inside = (probabilities > low) & (probabilities <= high) if i else probabilities <= high
        if inside.any():
            total += inside.mean() * abs(probabilities[inside].mean() - came_true[inside].mean())
    return total


@pytest.mark.parametrize("seed", range(5))
def test_the_calibration_error_is_that_of_fifteen_bins(seed):
    generator = np.random.default_rng(seed)
    probabilities = generator.random(1000)
    came_true = generator.random(1000) < probabilities**2
    assert expected_calibration_error(probabilities, came_true) == pytest.approx(slow_ece(probabilities, came_true))


@pytest.mark.parametrize(
    ("probabilities", "came_true", "error"),
    [([1.0, 1.0], [1, 0], 0.5), ([0.0, 0.0], [0, 0], 0.0), ([0.9, 0.1], [1, 0], 0.1), ([0.8], [1], 0.2), ([], [], 0.0)],
)
def test_the_calibration_error_of_known_cases(probabilities, came_true, error):
    found = expected_calibration_error(np.array(probabilities, float), np.array(came_true, bool))
    assert found == pytest.approx(error)


def test_the_calibration_error_of_classes_is_that_of_the_most_probable_class():
    predictions = made(1)
    probabilities, truth = THREE.probabilities(predictions.logits), np.array(predictions.label_ids)
    expected = slow_ece(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth)
    assert quality(predictions.logits, truth, THREE)["ece"] == pytest.approx(expected)


def test_the_calibration_error_of_labels_is_that_of_all_labels_of_all_rows():
    predictions = made(1, task=LABELS)
    probabilities, truth = LABELS.probabilities(predictions.logits), np.array(predictions.label_ids)
    found = quality(predictions.logits, truth, LABELS)
    assert found["ece"] == pytest.approx(slow_ece(probabilities.ravel(), truth.ravel()))


def test_brier_score_and_log_loss_are_those_of_scikit_learn():
    predictions = made(2)
    probabilities, truth = THREE.probabilities(predictions.logits), np.array(predictions.label_ids)
    theirs = brier_score_loss(truth, probabilities, labels=[0, 1, 2], scale_by_half=False)
    assert brier_score(probabilities, truth, THREE) == pytest.approx(theirs)
    assert quality(predictions.logits, truth, THREE)["loss"] == pytest.approx(log_loss(truth, probabilities))
    predictions = made(2, task=LABELS)
    probabilities, truth = LABELS.probabilities(predictions.logits), np.array(predictions.label_ids)
    assert brier_score(probabilities, truth, LABELS) == pytest.approx(
        brier_score_loss(truth.ravel(), probabilities.ravel())
    )


def test_only_the_raw_figures_of_an_uncalibrated_model_are_reported():
    assert set(score_probabilities(made(3), THREE)) == {"ece", "brier"}
    assert calibration_line({"ece": 0.1, "loss": 0.2}, "test") == []


@pytest.mark.parametrize("task", [THREE, LABELS])
def test_calibration_lowers_every_figure_of_test(task):
    scores = score_probabilities(test := made(5, task=task), calibrated_on(made(4, task=task), task))
    raw = quality(test.logits, np.array(test.label_ids), task)
    assert scores["ece_calibrated"] < scores["ece"] == raw["ece"]
    assert scores["brier_calibrated"] < scores["brier"] == raw["brier"]
    assert scores["loss_calibrated"] < raw["loss"]


def test_the_figures_of_the_rows_of_the_fit_are_cross_fitted_and_those_of_others_are_not():
    validation, test = made(6, rows=60), made(7, rows=60)
    task = calibrated_on(validation)
    for predictions, logits in (
        (validation, cross_fitted(validation.logits, np.array(validation.label_ids), THREE)),
        (test, test.logits.astype(float) / task.temperatures[0]),
    ):
        expected = quality(logits, np.array(predictions.label_ids), THREE)
        assert score_probabilities(predictions, task)["loss_calibrated"] == expected["loss"]


def test_rows_that_are_scored_several_times_are_cross_fitted_once(monkeypatch):
    fits = []
    monkeypatch.setattr(probability_quality, "cross_fitted", lambda *given: fits.append(given) or cross_fitted(*given))
    validation, test = made(6, rows=60), made(7, rows=60)
    task = calibrated_on(validation)
    for scored in (validation, test, validation):
        score_probabilities(scored, task, validation)
    assert len(fits) == 1


def test_the_decision_rule_does_not_change_the_figures():
    costly = replace(THREE, costs=((0.0, 1.0, 9.0), (1.0, 0.0, 9.0), (5.0, 5.0, 0.0)))
    assert score_probabilities(made(8), costly) == score_probabilities(made(8), THREE)


def test_rows_without_a_label_are_left_out():
    full = made(9, rows=50)
    labels = [None if i % 3 == 0 else label for i, label in enumerate(full.label_ids)]
    rows = full.rows.remove_columns("label").add_column("label", labels)
    kept = [i for i in range(50) if i % 3]
    part = Predictions(full.rows.select(kept), full.logits[kept], full.tokens[kept], full.full_tokens[kept])
    assert score_probabilities(replace(full, rows=rows), THREE) == score_probabilities(part, THREE)


def test_nothing_is_reported_where_nothing_can_be():
    numbers = infer_task([0.5, 1.5, 2.0])
    predictions = made(10, rows=5)
    assert score_probabilities(replace(predictions, logits=predictions.logits[:, :1]), numbers) == {}
    assert score_probabilities(replace(predictions, rows=predictions.rows.remove_columns("label")), THREE) == {}
    broken = np.full_like(predictions.logits, np.nan)
    assert score_probabilities(replace(predictions, logits=broken), THREE) == {}
    assert "abstention" not in score_probabilities(made(11), THREE, replace(predictions, logits=broken))


def test_the_lines_about_test_have_both_figures_and_the_confidence():
    validation, test = made(12), made(13)
    task = calibrated_on(validation)
    scores = {"loss": 0.5} | score_probabilities(test, task, validation)
    first, second = lines_about_test(scores, task)
    assert f"log loss 0.5000 -> {scores['loss_calibrated']:.4f}" in first.text
    assert f"(ECE) {scores['ece']:.4f} -> {scores['ece_calibrated']:.4f}" in first.text
    entry = scores["abstention"][0]
    assert f"answers {entry['coverage']:.0%} of test rows, {entry['accuracy']:.1%} right" in second.text
