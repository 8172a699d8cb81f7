"""An export is compared with its model on every row, and refused with the figure and the row that differs most."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from helpers import assert_refused
from made_classifiers import tiny_classifier
from made_exports import CLASSES, NUMBERS, SEVERAL, zoo_task

from classification.export.check_rows import CheckRows
from classification.export.export_parity import (
    check_parity,
    compare,
    describe_doubts,
    is_one_answer,
    rounded_down,
    same_answers,
)

TEXTS = [f"{word} film" for word in ("good", "bad", "dull", "lovely", "poor", "fine", "great", "awful")] * 25
ROWS = CheckRows(list(range(1, 201)), TEXTS, None, None, "test.csv")


def shifted(classifier, change):
    """The same classifier with other logits."""

    class Engine:
        name = "shifted"

        def logits(self, encoded):
            return change(classifier.engine.logits(encoded))

    return replace(classifier, engine=Engine())


def parity(change, task=None, labels=None):
    model = tiny_classifier(task or zoo_task(CLASSES))
    return compare(model, shifted(model, change), replace(ROWS, labels=labels))


def other_class(logits, rows=2):
    """The logits with the order of the classes reversed in the first rows of each piece."""
    return np.concatenate([logits[:rows, ::-1], logits[rows:]])


def test_equal_logits_are_accepted():
    found = parity(lambda logits: logits)
    check_parity(found, ROWS, "fp32", None)
    assert (found.agreement, found.difference, found.rows) == (1.0, 0.0, 200)


def test_rows_that_say_little_about_other_texts_are_warned_about():
    few = parity(lambda logits: logits)
    assert (few.rows, few.different) == (200, 8)
    model = tiny_classifier(zoo_task(CLASSES))
    answers = {answer.label for answer in model(TEXTS)}
    assert few.is_one_answer is (len(answers) == 1)
    many = replace(few, different=100, is_one_answer=False, answers=("praise", "praise"))
    assert describe_doubts(many) == []
    (line,) = describe_doubts(replace(many, different=1))
    assert "only 1 different text," in line.text and "--check_file" in line.text
    (line,) = describe_doubts(replace(many, is_one_answer=True))
    assert "all rows with praise" in line.text and "--check_file" in line.text


def test_one_answer_is_one_class_or_one_set_of_labels_and_never_a_number():
    several = zoo_task(SEVERAL)
    assert is_one_answer(several, np.array([[1.0, -1.0], [2.0, -3.0]]))
    assert not is_one_answer(several, np.array([[1.0, -1.0], [2.0, 3.0]]))
    assert is_one_answer(zoo_task(CLASSES), np.array([[1.0, 0, 0], [2.0, 1, 1]]))
    assert not is_one_answer(zoo_task(NUMBERS), np.ones((2, 1)))


def test_logits_that_differ_by_more_than_rounding_are_refused_in_fp32_only():
    found = parity(lambda logits: logits + np.float32(0.01))
    assert found.agreement == 1
    assert_refused(["--variant fp32", "0.01", "of test.csv"], check_parity, found, ROWS, "fp32", None)
    check_parity(found, ROWS, "fp16", None)
    check_parity(found, ROWS, "fp32", 1.0)  # the remedy


def test_one_other_answer_is_too_many_in_fp32_and_few_are_not_in_int8():
    found = parity(lambda logits: other_class(logits, 1))
    assert found.agreeing == 199
    assert_refused(["199 of 200 rows (99.5%)", "100.0%"], check_parity, found, ROWS, "fp32", None)
    check_parity(found, ROWS, "int8", None)


def test_int8_is_refused_below_99_percent_and_the_remedy_accepts_it():
    found = parity(lambda logits: other_class(logits, 3))
    assert_refused(["197 of 200", "99.0% must", "--min_agreement 0.985"], check_parity, found, ROWS, "int8", None)
    check_parity(found, ROWS, "int8", 0.985)


@pytest.mark.parametrize(
    ("agreeing", "rows", "shown"),
    [(1979, 2000, "98.9%"), (1980, 2000, "99.0%"), (9999, 10000, "99.9%"), (5, 5, "100.0%")],
)
def test_a_share_that_is_too_low_does_not_look_like_one_that_is_enough(agreeing, rows, shown):
    found = replace(parity(lambda logits: logits), agreeing=agreeing, rows=rows)
    assert found.percent == shown


def test_the_row_that_is_named_has_another_answer():
    """Row 10 differs by more, and has the same answer."""
    model = tiny_classifier(zoo_task(CLASSES))
    logits = model.outputs(TEXTS).logits
    other = logits.copy()
    other[149] = np.roll(other[149], 1)
    other[9] = other[9] * 100
    found = compare_given(model, logits, other)
    assert found.worst == 149 and found.agreeing == 199
    assert_refused(["is 150 of test.csv", repr(TEXTS[149])], check_parity, found, ROWS, "fp32", None)


def compare_given(model, logits, other):
    from classification.export import export_parity

    before = export_parity.answer_by_turns
    export_parity.answer_by_turns = lambda classifiers, encoded: ((logits, other), [1.0, 1.0])
    try:
        return compare(model, model, ROWS)
    finally:
        export_parity.answer_by_turns = before


def test_a_logit_that_is_no_number_is_another_answer():
    model = tiny_classifier(zoo_task(CLASSES))
    logits = model.outputs(TEXTS).logits
    other = logits.copy()
    other[5, 1] = np.nan
    found = compare_given(model, logits, other)
    assert found.agreeing == 199 and found.worst == 5 and found.difference == np.inf
    assert_refused(["no number by the export"], check_parity, found, ROWS, "fp32", None)


def test_of_several_labels_the_whole_set_must_agree():
    task = replace(zoo_task(SEVERAL), thresholds=(0.3, 0.6))
    expected, found = np.array([[1.0, 1.0], [1.0, -1.0]]), np.array([[1.0, -3.0], [1.0, -1.1]])
    assert same_answers(task, expected, found).tolist() == [False, True]


def test_numbers_agree_within_a_twentieth_of_the_standard_deviation():
    expected, found = np.array([[1.0], [1.0]]), np.array([[1.04], [1.06]])
    assert same_answers(zoo_task(NUMBERS), expected, found).tolist() == [True, False]


def test_rows_with_labels_have_the_headline_metric_of_both():
    labels = [0] * 200
    found = parity(lambda logits: logits[:, ::-1].copy(), labels=labels)
    assert found.metric == "accuracy" and found.scores[0] != found.scores[1]


def test_no_agreement_at_all_suggests_no_share():
    model = tiny_classifier(zoo_task(CLASSES))
    logits = model.outputs(TEXTS).logits
    found = compare_given(model, logits, np.full_like(logits, np.nan))
    with pytest.raises(Exception, match="0 of 200") as refused:
        check_parity(found, ROWS, "int8", None)
    assert "--min_agreement" not in str(refused.value)


@pytest.mark.parametrize(("share", "text"), [(0.98999, "0.989"), (1.0, "1"), (1 / 500, "0.002"), (1 / 9000, "1e-6")])
def test_the_suggested_share_is_never_more_than_the_measured_one(share, text):
    assert rounded_down(share) == text and float(text) <= share
