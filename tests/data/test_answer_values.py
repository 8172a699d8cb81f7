"""The part of a task that gives its decisions to others."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import List, Value

from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task

ONE, SEVERAL = infer_task(["a", "b"]), infer_task([["a"], ["b"], []])
NUMBER = infer_task([1.0, 3.0], LabelHints(do_regression=True))


@pytest.mark.parametrize(
    ("task", "decision", "value", "feature"),
    [
        (ONE, 1, "b", Value("int64")),
        (ONE, np.int64(0), "a", Value("int64")),
        (SEVERAL, [0.0, 1.0], ("b",), List(Value("float32"))),
        (SEVERAL, np.array([False, False]), (), List(Value("float32"))),
        (NUMBER, np.float64(1.0), 3.0, Value("float64")),
    ],
)
def test_a_decision_has_a_value_for_python_and_a_column_for_data_sets(task, decision, value, feature):
    assert task.answer_value(decision) == value and type(task.answer_value(decision)) is type(value)
    assert task.label_feature == feature


def test_an_answer_is_as_sure_as_its_class_or_its_least_sure_decision():
    chances = np.array([[0.2, 0.8], [0.7, 0.3]])
    assert ONE.confidences(chances, np.array([0, 0])).tolist() == [0.2, 0.7]
    decided = np.array([[False, True], [False, False]])
    assert SEVERAL.confidences(chances, decided) == pytest.approx([0.8, 0.3])
