"""From label values to a task, and from values to ids and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from transformers import BertConfig

from classification.data.label_hints import LabelHints
from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.data.tasks import infer_task, task_from_config
from classification.errors import UsageError

SETS = [["joy"], ["fear", "joy"], [], ["anger"], ["joy", "anger"]]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([0, 2, 1], ("0", "1", "2")),
        (["0", "10", "2", "1"], ("0", "1", "2", "10")),  # as strings, 10 would come before 2
        ([5, -1, 3], ("-1", "3", "5")),
        (["1.0", "0.0"], ("0", "1")),  # how pandas writes whole numbers beside a missing one
        (["007", "1"], ("007", "1")),
        ([True, False], ("False", "True")),
        (["1", "x"], ("1", "x")),
    ],
)
def test_names_and_ids_follow_from_the_values(values, names):
    task = infer_task(values)
    assert task.names == names
    assert [task.encode(value) for value in values] == [names.index(task.names[task.encode(v)]) for v in values]
    assert [task.decode(task.encode(value)) for value in values] == [task.names[task.encode(v)] for v in values]
    assert task.label2id == {name: i for i, name in enumerate(names)}


def test_ids_of_whole_numbers_are_the_numbers():
    task = infer_task(list(range(12)))
    assert [task.encode(str(i)) for i in range(12)] == list(range(12))


def test_class_names_keep_their_order():
    assert infer_task(["neg", "pos"], LabelHints(class_names=("pos", "neg"))).encode("neg") == 1


def test_minus_one_is_missing_unless_train_has_it():
    assert infer_task([0, 1]).encode(-1) is None
    assert infer_task([-1, 1]).encode(-1) == 0


def test_minus_one_is_missing_in_lists_too():
    task = infer_task(SETS)
    assert task.encode("-1") is None and task.encode(["-1"]) is None and task.encode(-1) is None
    assert infer_task([["-1", "2"], ["2"]]).encode(["-1"]) == [1.0, 0.0]


@pytest.mark.parametrize("blank", [None, "", "  ", float("nan")])
def test_blank_labels_are_missing(blank):
    assert infer_task(["a", "b", blank]).encode(blank) is None


def test_regression_standardises_and_inverts():
    task = infer_task(["1", "2", "6"], LabelHints(do_regression=True))
    encoded = [task.encode(value) for value in (1, 2, 6)]
    assert isinstance(task, Regression)
    assert sum(encoded) == pytest.approx(0) and sum(x * x for x in encoded) == pytest.approx(3)
    assert list(task.in_units(np.array(encoded))) == pytest.approx([1, 2, 6])
    assert [task.decode(label_id) for label_id in encoded] == ["1", "2", "6"]


@pytest.mark.parametrize("values", [["a", "b"], [["a", "b"], ["a"]]])
def test_a_label_that_train_lacks_is_an_error(values):
    with pytest.raises(KeyError):
        infer_task(values).encode("c")


@pytest.mark.parametrize(
    ("values", "do_regression", "kind"),
    [
        (["1.5", "2", "0"], None, Regression),
        ([1.5, 2.0, 0.0], None, Regression),
        (["1.0", "2.0", "0.0"], None, SingleLabel),  # how pandas writes whole numbers
        (["1.5", "2.5"], False, SingleLabel),
        (["1", "2"], True, Regression),
        (["1.5", "two"], None, SingleLabel),
        (SETS, None, MultiLabel),
    ],
)
def test_the_values_decide_the_kind_of_task(values, do_regression, kind):
    task = infer_task(values, LabelHints(do_regression=do_regression))
    assert type(task) is kind
    assert task.problem_type == kind.problem_type


def test_a_word_among_numbers_is_refused_unless_numbers_are_classes():
    values = [f"{i}.5" for i in range(30)] + ["n/a"]
    with pytest.raises(UsageError, match="Nearly all labels are numbers.*n/a.*--do_regression false"):
        infer_task(values)
    assert infer_task(values, LabelHints(do_regression=False)).num_labels == 31


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (["spam", "spam"], ["one class", "'spam'", "--label_column_name"]),
        ([], ["one class", "none at all"]),
        ([["a"], ["a"]], ["same labels", "a", "--label_delimiter"]),
        ([["a"], []], ["one label ('a')", "--label_column_name"]),
    ],
)
def test_labels_with_nothing_to_learn_are_refused(values, words):
    with pytest.raises(UsageError) as refused:
        infer_task(values)
    assert all(word in str(refused.value) for word in words)


def test_the_config_saves_the_whole_task():
    config = BertConfig()
    for task in (
        infer_task(SETS).with_thresholds({"joy": 0.25}),
        infer_task([1.5, 4.0]),
        infer_task(["b", "a"]),
    ):
        task.write_to(config)
        assert task_from_config(BertConfig.from_dict(json.loads(config.to_json_string()))) == task
    assert not {"thresholds", "label_mean", "label_std"} & set(config.to_dict())  # of the tasks before


SINGLE, SEVERAL, NUMBERS = infer_task(["a", "b", "c"]), infer_task([["a", "b"], ["c"]]), infer_task([0.5, 1.5, 4.0])


def test_counts_are_rows_per_name_and_numbers_have_none():
    assert SINGLE.counts([0, None, 2, 2]) == {"a": 1, "b": 0, "c": 2}
    assert SEVERAL.counts([[1.0, 1.0, 0.0], None, [1.0, 0.0, 0.0]]) == {"a": 2, "b": 1, "c": 0}
    assert SEVERAL.counts([]) == {"a": 0, "b": 0, "c": 0}
    assert NUMBERS.counts([0.1, 0.2]) == {}


def test_indicators_are_one_column_per_name():
    assert SINGLE.indicators(np.array([2, 0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert SEVERAL.indicators(np.array([[1.0, 1.0, 0.0]])).tolist() == [[1, 1, 0]]
    assert NUMBERS.indicators(np.array([0.5, -1.0])).tolist() == [[0.5], [-1.0]]


def test_strata_are_classes_label_columns_or_constant():
    assert SINGLE.strata(np.array([2, 0])).tolist() == [2, 0]
    assert SEVERAL.strata(np.array([[1.0, 0.0, 1.0]])).shape == (1, 3)
    assert NUMBERS.strata(np.array([0.5, -1.0])).tolist() == [0, 0]


def test_the_only_class_is_named_and_numbers_have_none():
    assert SINGLE.only_class([1, 1]) == "b" and SINGLE.only_class([1, 2]) is None
    assert SEVERAL.only_class([[1.0, 0.0, 0.0]] * 2) == '["a"]'
    assert NUMBERS.only_class([0.5, 0.5]) is None


def test_labels_of_one_text_conflict_if_they_differ():
    assert SINGLE.conflict([0, 1]) and not SINGLE.conflict([1, 1])
    assert SEVERAL.conflict([(1.0, 0.0), (0.0, 1.0)]) and not SEVERAL.conflict([(1.0, 0.0)] * 2)
    assert NUMBERS.conflict([0.0, 0.6]) and not NUMBERS.conflict([0.0, 0.4])  # more than half a standard deviation


@pytest.mark.parametrize(
    ("task", "flag", "value"),
    [
        (NUMBERS, "thresholds", 0.4), (NUMBERS, "costs", "c.csv"), (SEVERAL, "sampler", "balanced"),
        (SEVERAL, "costs", "c"), (NUMBERS, "label_smoothing_factor", 0.1), (NUMBERS, "class_weights", "balanced"),
        (NUMBERS, "loss", "focal"),
    ],
)  # fmt: skip
def test_flags_that_the_task_does_not_support_are_refused(task, flag, value):
    with pytest.raises(UsageError, match=f"--{flag} {value}: not supported for this task .*Leave the flag out"):
        task.check_support({flag: value})
    supported = {SINGLE: "class_weights", SEVERAL: "thresholds", NUMBERS: "max_steps"}[task]
    task.check_support({supported: "x"})
