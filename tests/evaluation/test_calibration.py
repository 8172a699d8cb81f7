"""Temperature scaling finds the temperature of logits, and nothing that few or easy rows would mislead it to."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from classification.data.multi_label import MultiLabel
from classification.data.single_label import SingleLabel, log_softmax
from classification.data.tasks import infer_task
from classification.evaluation.calibration import (
    HIGHEST,
    LOWEST,
    are_rows,
    can_be_calibrated,
    cross_fitted,
    describe_rows,
    find_temperature,
    find_temperatures,
    fit_temperatures,
)

REPEATS = 12  # independent samples of 5,000 rows; the sampling error of one is up to 3% by itself


def classes(count: int) -> SingleLabel:
    return SingleLabel(tuple(f"c{i}" for i in range(count)))


def labels(count: int) -> MultiLabel:
    return MultiLabel(tuple(f"c{i}" for i in range(count)), thresholds=(0.5,) * count)


def drawn_classes(rows: int, count: int, temperature: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax at this temperature is the distribution that the labels were drawn from."""
    generator = np.random.default_rng(seed)
    true = generator.normal(size=(rows, count)) * 3
    noise = generator.gumbel(size=true.shape)
    return true * temperature, (true + noise).argmax(axis=1)


def drawn_labels(rows: int, temperatures, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    true = generator.normal(size=(rows, len(temperatures))) * 3 + shift
    return true * np.array(temperatures), (true + generator.logistic(size=true.shape) > 0).astype(float)


def log_loss(logits, truth, temperature) -> float:
    return float(-log_softmax(logits / temperature)[np.arange(len(truth)), truth].mean())


# --------------------------------------------------------------------------------------------------- known temperatures


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("count", [2, 3, 50])
def test_a_known_temperature_of_classes_is_found(count, temperature):
    found = [find_temperature(*drawn_classes(5000, count, temperature, seed)) for seed in range(REPEATS)]
    assert np.mean(found) == pytest.approx(temperature, rel=0.03)


def test_the_known_temperature_of_each_label_is_found():
    known = (0.5, 1.0, 2.0, 3.0)
    found = [find_temperatures(labels(4).choices(*drawn_labels(5000, known, seed)))[0] for seed in range(REPEATS)]
    assert np.mean(found, axis=0) == pytest.approx(np.array(known), rel=0.03)


@pytest.mark.parametrize("count", [2, 3, 50])
def test_with_many_rows_the_safeguards_move_the_minimum_of_the_log_loss_by_less_than_one_percent(count):
    logits, truth = drawn_classes(5000, count, 2.0, seed=1)
    temperature = find_temperature(logits, truth)
    best = min(np.linspace(0.97, 1.03, 61) * temperature, key=lambda value: log_loss(logits, truth, value))
    assert temperature == pytest.approx(best, rel=0.01)


def test_the_temperature_is_that_of_scikit_learn():
    logits, truth = drawn_classes(4000, 4, 2.0, seed=3)
    model = LogisticRegression()
    model.classes_, model.coef_, model.intercept_, model.n_features_in_ = np.arange(4), np.eye(4), np.zeros(4), 4
    theirs = CalibratedClassifierCV(FrozenEstimator(model), method="temperature", ensemble=False).fit(logits, truth)
    ours, _, _ = fit_temperatures(logits, truth, classes(4))
    assert ours.probabilities(logits) == pytest.approx(theirs.predict_proba(logits), abs=0.002)


# -------------------------------------------------------------------------------------------------------- safeguards


@pytest.mark.parametrize("rows", [2, 10, 100, 1000])
@pytest.mark.parametrize("margin", [1.0, 5.0, 30.0])
def test_rows_that_are_all_right_do_not_give_certainty(rows, margin):
    logits, truth = np.tile([0.0, margin], (rows, 1)), np.ones(rows, dtype=int)
    temperature = find_temperature(logits, truth)
    confidence = 1 / (1 + np.exp(-margin / temperature))
    assert temperature > LOWEST and confidence <= max((rows + 1.5) / (rows + 2), 1 / (1 + np.exp(-margin)))


def test_temperatures_have_limits():
    sure = np.tile([0.0, 100.0], (500, 1))
    assert find_temperature(sure, np.zeros(500, dtype=int)) == pytest.approx(HIGHEST, rel=1e-4)
    timid = np.tile([0.0, 0.01], (5000, 1))
    assert find_temperature(timid, np.ones(5000, dtype=int)) == pytest.approx(LOWEST, rel=1e-4)


@pytest.mark.parametrize("logits", [np.zeros((40, 3)), np.full((40, 3), 7.0), np.tile([1e-3, 0, -1e-3], (40, 1))])
def test_logits_without_information_leave_the_temperature_at_one(logits):
    assert find_temperature(logits, np.arange(40) % 3) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_few_rows_leave_the_temperature_near_one(seed):
    logits, truth = drawn_classes(8, 2, 1.0, seed)
    assert 1 / 3 < find_temperature(logits, truth) < 3


def test_one_row_is_enough_to_get_a_number():
    task, lines, record = fit_temperatures(np.array([[0.2, 0.1]]), np.array([0]), classes(2))
    assert 0.3 < task.temperatures[0] < 3 and record["rows"] == 1 and len(lines) == 2


def test_huge_logits_do_not_overflow():
    logits = np.array([[1e4, -1e4], [-1e4, 1e4], [3e4, 0.0], [0.0, 1.0]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        assert np.isfinite(find_temperature(logits.astype(np.float64), np.array([0, 1, 1, 0])))


# ------------------------------------------------------------------------------------------------------ several labels


def test_rare_labels_share_the_temperature_of_all_labels():
    logits, truth = drawn_labels(2000, (2.0, 2.0, 2.0), seed=5)
    truth[:, 1] = 0
    truth[:19, 1] = 1
    task, lines, record = fit_temperatures(logits, truth, labels(3))
    pooled = find_temperature(*(np.concatenate(part) for part in zip(*task.choices(logits, truth), strict=True)))
    assert task.temperatures[1] == pooled != task.temperatures[0]
    assert record["labels_with_shared_temperature"] == ["c1"]
    assert "fewer than 20 validation rows have or lack c1" in lines[-1].text
    truth[:20, 1] = 1
    task, lines, record = fit_temperatures(logits, truth, labels(3))
    assert task.temperatures[1] != pooled and not lines and "labels_with_shared_temperature" not in record


def test_a_label_that_nearly_every_row_has_is_rare_too():
    logits, truth = drawn_labels(500, (1.0, 1.0), seed=6)
    truth[:, 0] = 1
    assert fit_temperatures(logits, truth, labels(2))[2]["labels_with_shared_temperature"] == ["c0"]


# ------------------------------------------------------------------------------------------- records, warnings, folds


def test_the_record_names_the_rows_and_the_value():
    task, lines, record = fit_temperatures(*drawn_classes(300, 3, 2.0, seed=7), classes(3))
    assert lines == []
    assert record == {
        "what": "temperature", "split": "validation", "rows": 300, "value": task.temperatures[0],
        "method": "lowest log loss, kept near 1 where rows are few", "cross_fitted": False,
    }  # fmt: skip
    several, _, record = fit_temperatures(*drawn_labels(300, (1.0, 2.0), seed=7), labels(2))
    assert record["value"] == dict(zip(several.names, several.temperatures, strict=True))


def test_few_validation_rows_are_a_warning_with_the_number_and_the_remedy():
    _, lines, _ = fit_temperatures(*drawn_classes(99, 3, 2.0, seed=8), classes(3))
    assert "fitted on 99 validation rows" in lines[0].text and "--validation_fraction 0.2" in lines[0].text
    assert "--calibrate false" in lines[0].text
    assert fit_temperatures(*drawn_classes(100, 3, 2.0, seed=8), classes(3))[1] == []


def test_validation_rows_of_one_class_are_a_warning():
    logits, _ = drawn_classes(200, 2, 1.0, seed=9)
    _, lines, _ = fit_temperatures(logits, np.ones(200, dtype=int), classes(2))
    assert "rows of one class only (c1)" in lines[0].text


def test_a_cross_fitted_row_does_not_see_its_own_label():
    logits, truth = drawn_classes(60, 2, 1.5, seed=10)
    before = cross_fitted(logits, truth, classes(2))
    for row in range(10):
        other = truth.copy()
        other[row] = 1 - other[row]
        after = cross_fitted(logits, other, classes(2))
        assert (after[row] == before[row]).all() and (after != before).any()


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_few_rows_are_cross_fitted_as_far_as_possible(rows):
    logits, truth = drawn_classes(rows, 3, 1.0, seed=11)
    fitted = cross_fitted(logits, truth, classes(3))
    assert np.isfinite(fitted).all() and (rows > 1 or (fitted == logits).all())


def test_the_logits_of_an_uncalibrated_task_are_cross_fitted_like_those_of_a_calibrated_one():
    logits, truth = drawn_classes(50, 2, 1.5, seed=12)
    assert (
        cross_fitted(logits, truth, classes(2)) == cross_fitted(logits, truth, replace(classes(2), temperatures=(9.0,)))
    ).all()


def test_calibration_never_changes_the_predicted_class():
    logits, truth = drawn_classes(500, 5, 3.0, seed=13)
    logits[:50] = np.round(logits[:50])  # ties
    task, _, _ = fit_temperatures(logits, truth, classes(5))
    assert (task.decide(logits) == classes(5).decide(logits)).all()


def test_calibration_never_changes_the_labels_at_the_default_threshold():
    logits, truth = drawn_labels(500, (0.4, 3.0), seed=14)
    logits[:50] = np.round(logits[:50])
    task, _, _ = fit_temperatures(logits, truth, labels(2))
    assert (task.decide(logits) == labels(2).decide(logits)).all()


def test_the_margin_of_a_calibrated_label_is_in_raw_logits():
    """Rounding errors are those of raw logits, and the margin is compared with them."""
    plain = labels(2)
    halved = replace(plain, temperatures=(2.0, 0.5))
    logits = np.array([[0.3, 4.0], [-2.0, 0.2]])
    assert halved.margin(logits) == pytest.approx(plain.margin(logits))
    tuned = replace(halved, thresholds=(0.9, 0.5))
    assert tuned.margin(np.array([[2 * np.log(9) + 0.1, 3.0]])) == pytest.approx([0.1])


def test_rows_are_recognised_by_their_texts_and_labels():
    rows = Dataset.from_dict({"id": ["1", "2"], "text": ["a", "b"], "label": [0, 1]})
    described = describe_rows(rows)
    assert described.startswith("2 rows (") and are_rows(rows, described)
    assert not are_rows(rows.select([0]), described) and not are_rows(rows, "")
    assert not are_rows(Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}), described)


@pytest.mark.parametrize("values", [["good", "bad"], [["a"], ["b"], []]])
def test_the_fit_takes_far_less_than_a_second(values):
    task = infer_task(values)
    logits, truth = drawn_classes(25_000, 2, 2.0, seed=15)
    start = time.process_time()
    fit_temperatures(logits, truth if task.is_exclusive else np.eye(2)[truth], task)
    assert time.process_time() - start < 1


class Stubborn(SingleLabel):
    """A new kind of task that knows nothing of temperatures."""

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        return np.exp(log_softmax(logits))


def test_a_kind_of_task_that_ignores_temperatures_is_not_calibrated():
    assert can_be_calibrated(classes(3)) and can_be_calibrated(labels(3))
    assert not can_be_calibrated(Stubborn(("a", "b"))) and not can_be_calibrated(infer_task([0.5, 1.5]))
