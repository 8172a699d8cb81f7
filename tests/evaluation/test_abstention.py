"""The confidence that gives a precision is chosen on validation, by enough answers, and reported on other rows."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from classification.data.multi_label import MultiLabel
from classification.data.single_label import SingleLabel
from classification.evaluation.abstention import (
    Answers,
    abstention_lines,
    abstention_scores,
    describe_confidence,
    lowest_confidence,
)

TWO = SingleLabel(("a", "b"))
LABELS = MultiLabel(("a", "b", "c"), thresholds=(0.5, 0.7, 0.5))


def answers(confidence, right) -> Answers:
    """One answer per row."""
    count = len(confidence)
    confidence, right = np.array(confidence, float), np.array(right, bool)
    return Answers(confidence, right, np.arange(count), np.zeros(count, int), TWO)


def drawn(seed: int, rows: int = 3000) -> Answers:
    """Answers that are right as often as their confidence says."""
    generator = np.random.default_rng(seed)
    confidence = 0.5 + generator.random(rows) / 2
    return answers(confidence, generator.random(rows) < confidence)


def searched(given: Answers, precision: float, least: int) -> float | None:
    """By trying every confidence."""
    fits = []
    for value in np.unique(given.confidence):
        chosen = given.right[given.confidence >= value]
        if len(chosen) >= least and chosen.mean() >= precision - 1e-12:
            fits.append(value)
    return min(fits, default=None)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("precision", "least"), [(0.95, 20), (0.99, 100)])
def test_the_confidence_is_the_lowest_that_reaches_the_precision(seed, precision, least):
    given = drawn(seed)
    given = answers(np.round(given.confidence, 2 + seed), given.right)  # ties
    assert lowest_confidence(given, precision) == searched(given, precision, least)


def test_too_few_answers_do_not_show_a_precision():
    assert lowest_confidence(answers([0.9] * 19, [1] * 19), 0.95) is None
    assert lowest_confidence(answers([0.9] * 20, [1] * 20), 0.95) == 0.9
    assert lowest_confidence(answers([0.9] * 99, [1] * 99), 0.99) is None
    assert lowest_confidence(answers([0.9] * 100, [1] * 100), 0.99) == 0.9


def test_one_mistake_among_twenty_is_95_percent():
    assert lowest_confidence(answers(np.linspace(0.99, 0.6, 20), [1] * 19 + [0]), 0.95) == pytest.approx(0.6)


def test_a_mistake_at_the_top_does_not_hide_the_right_answers_below():
    confidence = np.linspace(0.99, 0.6, 100)
    assert lowest_confidence(answers(confidence, [0] + [1] * 99), 0.95) == pytest.approx(0.6)


def test_equal_confidences_are_answered_together():
    right = [1] * 20 + [0] * 20
    assert lowest_confidence(answers([0.8] * 40, right), 0.95) is None
    assert lowest_confidence(answers([0.9] * 20 + [0.8] * 20, right), 0.95) == 0.9


def test_a_model_that_is_never_right_often_enough_has_none():
    scores = abstention_scores(given := answers([0.9] * 200, [1, 0] * 100), given)
    assert [entry["confidence"] for entry in scores] == [None, None]
    assert scores[0] == {"precision": 0.95, "confidence": None, "coverage": None, "accuracy": None, "rows": 0}
    assert "no confidence is reached" in abstention_lines(scores, TWO)[0].text


def test_no_answers_at_all_have_none():
    empty = answers([], [])
    assert [entry["confidence"] for entry in abstention_scores(empty, empty)] == [None, None]


def test_test_rows_change_nothing_about_the_confidence():
    validation = drawn(1)
    for test in (drawn(2), drawn(3, rows=5), answers([0.51], [0])):
        scores = abstention_scores(validation, test)
        assert [entry["confidence"] for entry in scores] == [lowest_confidence(validation, p) for p in (0.95, 0.99)]
        for entry in scores:
            given = test.confidence >= entry["confidence"]
            assert entry["rows"] == given.sum() and entry["coverage"] == given.mean()
            assert entry["accuracy"] == (test.right[given].mean() if given.any() else None)


def test_on_validation_itself_the_figures_come_from_the_confidence_of_other_rows():
    """The best of many confidences looks better on the rows that it was chosen by than it is."""
    optimistic, honest = [], []
    for seed in range(60):
        given = drawn(seed, rows=120)
        confidence = lowest_confidence(given, 0.95)
        entry = abstention_scores(given, given)[0]
        if confidence is not None and entry["accuracy"] is not None:
            optimistic.append(given.right[given.confidence >= confidence].mean())
            honest.append(entry["accuracy"])
    assert min(optimistic) >= 0.95 and np.mean(honest) < np.mean(optimistic) - 0.005


def test_the_confidence_of_a_class_is_the_probability_of_the_class_that_is_decided():
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7]])
    made = Answers.of(probabilities, np.array([1, 1]), np.array([0, 1]), TWO)
    assert made.confidence.tolist() == [0.4, 0.7] and made.right.tolist() == [False, True]
    costly = replace(TWO, costs=((0.0, 1.0), (3.0, 0.0)))
    decided = costly.decide(np.log(probabilities))
    assert decided.tolist() == [1, 1]


def test_the_answers_with_several_labels_are_the_predicted_labels():
    probabilities = np.array([[0.9, 0.6, 0.1], [0.2, 0.8, 0.55]])
    truth = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    decided = LABELS.decide(np.log(probabilities) - np.log1p(-probabilities))
    made = Answers.of(probabilities, decided, truth, LABELS)
    assert made.confidence.tolist() == [0.9, 0.8, 0.55] and made.right.tolist() == [True, False, True]
    assert made.rows.tolist() == [0, 1, 1]
    assert LABELS.share_answered(made.right, truth) == pytest.approx(2 / 3)  # 2 of 3 labels are found


def test_the_lines_say_what_an_answer_is():
    entry = {"precision": 0.95, "confidence": 0.9312, "coverage": 0.712, "accuracy": 0.9461, "rows": 71}
    (line,) = abstention_lines([entry], TWO)
    assert line.text == (
        "at confidence >= 0.93 (95% right on validation) the model answers 71% of test rows, 94.6% right"
    )
    (line,) = abstention_lines([entry], LABELS)
    assert "the model finds 71% of the labels of test, 94.6% right" in line.text
    assert abstention_lines([], TWO) == []
    (line,) = abstention_lines([entry | {"accuracy": None, "coverage": 0.0, "rows": 0}], TWO)
    assert line.text.endswith("the model answers 0% of test rows, none right")


@pytest.mark.parametrize(
    ("confidence", "text"),
    [
        (0.9312, "0.93"),
        (0.939, "0.93"),
        (0.9951, "0.995"),
        (0.99987, "0.9998"),
        (0.999999, "0.999999"),
        (1.0, "1.000000"),
    ],
)
def test_a_confidence_near_one_has_enough_digits(confidence, text):
    assert describe_confidence(confidence) == text


def test_many_answers_take_less_than_a_second():
    generator = np.random.default_rng(0)
    confidence = generator.random(140_000)
    given = answers(confidence, generator.random(140_000) < confidence)
    start = time.process_time()
    abstention_scores(given, given)
    assert time.process_time() - start < 1
