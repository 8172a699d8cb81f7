"""New columns of an output: their order, their names, and empty values where a row has no answer."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_refused

from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task
from classification.inference.answer_columns import AnswerChoice
from classification.inference.answers import decide

THREE = infer_task(["x", "y", "z"])
SEVERAL = infer_task([["x"], ["y"], []])
NUMBER = infer_task([1.5, 2.5], LabelHints(do_regression=True))


def columns(choice: AnswerChoice, task, logits, answered=None, errors=None) -> dict:
    rows = np.array(logits, dtype=np.float32)
    answered = np.arange(len(rows)) if answered is None else np.array(answered)
    count = len(rows) + len(errors or {})
    decided = decide(rows, task, choice.abstain_below)
    made = choice.columns(decided, answered, errors or {}, np.zeros(len(rows), dtype=bool), count)
    assert [column.name for column in made] == list(choice.names(task))
    assert {len(column.python_values()) for column in made} == {count}
    return {column.name: column.python_values() for column in made}


def test_all_columns_are_in_their_order():
    choice = AnswerChoice(abstain_below=0.5, prefix="m_", has_errors=True)
    assert choice.names(THREE) == (
        "m_prediction", "m_prob_x", "m_prob_y", "m_prob_z", "m_confidence", "m_truncated", "m_error"
    )  # fmt: skip
    assert AnswerChoice(explains=True, nested=True).names(THREE) == (
        "prediction", "probabilities", "truncated", "explanation"
    )  # fmt: skip
    assert AnswerChoice().names(NUMBER) == ("prediction", "truncated")


def test_a_row_without_an_answer_is_empty():
    found = columns(AnswerChoice(has_errors=True), THREE, [[0, 2, 0], [3, 0, 0]], [0, 2], {1: "null or blank text"})
    assert found["prediction"] == ["y", None, "x"] and found["prob_x"][1] is None
    assert found["truncated"] == [False, None, False] and found["error"] == [None, "null or blank text", None]


def test_a_batch_of_bad_rows_only_has_columns_too():
    empty = np.zeros((0, 3))
    found = columns(AnswerChoice(has_errors=True, top_k=2), THREE, empty, np.zeros(0, dtype=int), {0: "a", 1: "b"})
    assert found["prediction"] == [None, None] == found["label_1"] == found["prob_2"]


def test_the_most_probable_labels_have_columns_of_their_own():
    found = columns(AnswerChoice(top_k=2), THREE, [[0, 2, 1]])
    assert (found["label_1"], found["label_2"]) == (["y"], ["z"]) and found["prob_1"][0] > found["prob_2"][0]
    assert "prob_x" not in found
    assert len(columns(AnswerChoice(top_k=9), THREE, [[0, 2, 1]])) == 2 + 2 * 3


def test_json_has_one_object_of_probabilities():
    found = columns(AnswerChoice(nested=True), THREE, [[0, 0, 0]])
    assert found["probabilities"] == [pytest.approx({"x": 1 / 3, "y": 1 / 3, "z": 1 / 3})]
    found = columns(AnswerChoice(nested=True, top_k=1), THREE, [[0, 0, 9]])
    assert found["probabilities"][0][0]["label"] == "z"


def test_several_labels_are_a_list_and_a_number_is_a_number():
    assert columns(AnswerChoice(), SEVERAL, [[3, 3], [-3, -3]])["prediction"] == [["x", "y"], []]
    found = columns(AnswerChoice(), NUMBER, [[0.0], [1.0]])
    assert found["prediction"] == [pytest.approx(2.0), pytest.approx(2.5)]


def test_abstention_leaves_the_prediction_empty_and_the_probabilities_there():
    found = columns(AnswerChoice(abstain_below=0.9), THREE, [[0, 0.1, 0], [0, 9, 0]])
    assert found["prediction"] == [None, "y"] and found["prob_y"][0] > 0.3 and found["confidence"][0] < 0.9


def test_a_probability_has_its_own_digits():
    found = columns(AnswerChoice(nested=True), infer_task(["a", "b"]), [[0.0, 2.1972246]])
    assert len(str(found["probabilities"][0]["a"])) < 12


def test_a_number_has_no_probabilities_to_choose_from():
    assert_refused(["--top_k 2", "Leave the flag out"], AnswerChoice(top_k=2).check, NUMBER)
    assert_refused(["--abstain_below 0.5"], AnswerChoice(abstain_below=0.5).check, NUMBER)
    AnswerChoice(top_k=2, abstain_below=0.5).check(SEVERAL)
