"""Answers as typed values: labels by the decision rule, probabilities, abstention, and a readable text."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import assert_refused

from classification.data.label_hints import LabelHints
from classification.data.rules.cost_tables import CostTable
from classification.data.tasks import infer_task
from classification.inference.answers import Answer, check_probabilities, decide, typed_answers

TWO = infer_task(["neg", "pos"])
SEVERAL = infer_task([["a"], ["b"], ["c"], []]).with_thresholds({"a": 0.2, "b": 0.5, "c": 0.9})
NUMBER = infer_task([1.5, 2.5, 6.5], LabelHints(do_regression=True))


def answers(task, *logits, below=None, tokens=5, full=5) -> list[Answer]:
    rows = np.array(logits, dtype=np.float32)
    return typed_answers(decide(rows, task, below), np.full(len(rows), tokens), np.full(len(rows), full))


def test_a_class_is_a_name_with_its_probability():
    answer = answers(TWO, [0.0, np.log(3)])[0]
    assert answer.label == "pos" and answer.probability == pytest.approx(0.75) == answer.confidence
    assert dict(answer.probabilities) == pytest.approx({"neg": 0.25, "pos": 0.75})
    assert not answer.abstained and not answer.truncated and answer.tokens == 5


def test_several_labels_are_a_tuple_and_as_sure_as_the_least_sure_decision():
    logits = [float(np.log(p / (1 - p))) for p in (0.3, 0.4, 0.8)]
    answer = answers(SEVERAL, logits)[0]
    assert answer.label == ("a",)  # 0.3 is above its threshold of 0.2, and 0.8 below that of 0.9
    assert answer.confidence == pytest.approx(0.2)  # of not predicting c
    assert answers(SEVERAL, [-9.0, -9.0, -9.0])[0].label == ()


def test_a_number_is_in_the_units_of_the_labels():
    answer = answers(NUMBER, [0.0], [1.0])[1]
    assert answer.label == pytest.approx(NUMBER.mean + NUMBER.std) and isinstance(answer.label, float)
    assert answer.probability is None and answer.confidence is None and not answer.probabilities
    assert answer.top(3) == []


def test_costs_decide_and_the_probability_is_that_of_the_decision():
    table = CostTable("--costs", {"neg": {"neg": 0.0, "pos": 1.0}, "pos": {"neg": 9.0, "pos": 0.0}})
    answer = answers(TWO.with_costs(table), [np.log(4), 0.0])[0]
    assert answer.label == "pos" and answer.probability == pytest.approx(0.2)


def test_temperatures_change_probabilities():
    from dataclasses import replace

    assert answers(replace(TWO, temperatures=(2.0,)), [0.0, 2 * np.log(3)])[0].probability == pytest.approx(0.75)


def test_an_unsure_answer_has_no_label_and_keeps_its_probabilities():
    sure, unsure = answers(TWO, [0.0, 3.0], [0.0, 0.1], below=0.9)
    assert sure.label == "pos" and not sure.abstained
    assert unsure.label is None and unsure.abstained and unsure.top(1)[0][0] == "pos"
    assert "abstained" in repr(unsure) and str(unsure).startswith("abstained")


def test_a_probability_at_the_limit_is_an_answer():
    assert not answers(TWO, [0.0, 0.0], below=0.5)[0].abstained


def test_the_most_probable_come_first_and_ties_in_the_order_of_the_model():
    task = infer_task(["a", "b", "c"])
    answer = answers(task, [1.0, 2.0, 1.0])[0]
    assert [name for name, _ in answer.top(2)] == ["b", "a"] and len(answer.top(99)) == 3 and answer.top(-1) == []


def test_an_answer_reads_well():
    assert repr(answers(TWO, [0.0, 3.0], full=9)[0]) == "Answer('pos', 0.9526, [pos 0.9526, neg 0.0474], truncated)"
    many = infer_task([f"c{i}" for i in range(9)])
    assert repr(answers(many, [0.0] * 9)[0]).endswith("c2 0.1111, 6 more])")
    assert repr(answers(NUMBER, [0.0])[0]) == "Answer(3.5)"
    assert str(answers(SEVERAL, [-9.0, -9.0, -9.0])[0]).startswith("no label (")


def test_answers_cannot_be_changed():
    answer = answers(TWO, [0.0, 3.0])[0]
    with pytest.raises(AttributeError):
        answer.label = "neg"
    with pytest.raises(TypeError):
        answer.probabilities["neg"] = 1.0


def test_no_rows_have_no_answers():
    for task in (TWO, SEVERAL, NUMBER):
        logits = np.zeros((0, task.num_labels), dtype=np.float32)
        assert typed_answers(decide(logits, task, None), np.zeros(0), np.zeros(0)) == []


def test_what_needs_probabilities_is_refused_for_numbers():
    check_probabilities(TWO, top_k=3, abstain_below=0.5)
    check_probabilities(NUMBER, top_k=None, abstain_below=None)
    assert_refused(["--top_k 3", "regression", "Leave the flag out"], lambda: check_probabilities(NUMBER, top_k=3))
