"""The labels of the data and those of a trained classifier: kept by meaning, or said to be others."""

from __future__ import annotations

import logging
import re

import pytest
from datasets import Dataset, DatasetDict
from transformers import BertConfig

from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task, task_from_config
from classification.data.trained_labels import continue_task, explain_new_head, name_as_in_data
from classification.errors import UsageError

SETS = [["a"], ["b", "a"], []]
NUMBERS = [1.5, 2.0, 4.5]


def trained(*names, **fields) -> BertConfig:
    """The config of a classifier as it is read from a folder."""
    standard = {"name_or_path": "folder", "architectures": ["BertForSequenceClassification"]}
    return BertConfig(id2label=dict(enumerate(names)), **standard | fields)


@pytest.fixture(autouse=True)
def log(caplog):
    caplog.set_level(logging.INFO, logger="classification")
    return caplog


# ----------------------------------------------------------------------------------------------------------- training


@pytest.mark.parametrize(
    ("values", "config", "names", "line"),
    [
        (["neg", "pos"], trained("pos", "neg"), ("pos", "neg"), "in the order of the trained model: pos, neg"),
        (["neg", "pos"], trained("Pos", "Neg"), ("pos", "neg"), "'pos' is 'Pos', 'neg' is 'Neg'"),
        ([0, 1], trained("LABEL_0", "LABEL_1"), ("0", "1"), "'0' is 'LABEL_0', '1' is 'LABEL_1'"),
        (["0.0", "1.0"], trained("LABEL_0", "LABEL_1"), ("0", "1"), "'0' is 'LABEL_0'"),
        (["neg", "pos"], trained("neg", "pos"), ("neg", "pos"), ""),
        (["neg", "pos"], trained("pos", "neg", architectures=None), ("pos", "neg"), "in the order of"),
        (SETS, trained("b", "a", problem_type="multi_label_classification"), ("b", "a"), "in the order of"),
    ],
)
def test_training_goes_on_in_the_order_of_the_model_and_says_what_differs(values, config, names, line, log):
    task = continue_task(infer_task(values), config)
    assert task.keeps_head and task.names == names
    assert line in log.text and bool(log.records) == bool(line)
    first = names[0] if not isinstance(values[0], list) else [names[0]]
    assert task.decode(task.encode(first)) == infer_task(values).decode(infer_task(values).encode(first))


@pytest.mark.parametrize(
    ("values", "config", "reason"),
    [
        (["neg", "pos"], trained("spam", "ham"), r"has other classes \(spam, ham\)"),
        (["neg", "pos"], trained("LABEL_0", "LABEL_1"), "write the labels as 0 to 1, or name the classes in id2label"),
        ([1, 2], trained("LABEL_0", "LABEL_1"), "which of 1, 2 they mean is not known"),
        (["neg", "pos"], trained("neg", "pos", "neutral"), "has other classes"),
        (["a", "b"], trained("a", "b", problem_type="multi_label_classification"), "another task .*multi-label"),
        (SETS, trained("a", "b"), "another task .*single-label"),
        (NUMBERS, trained("a", "b"), "another task .*single-label"),
        (["a", "b"], trained("score"), "another task .*regression"),
        (["a", "b"], trained("a", "a"), "does not name every class from 0 to 1 once"),
    ],
)
def test_a_head_of_other_meaning_is_not_kept_and_the_reason_is_known(values, config, reason):
    task = continue_task(infer_task(values), config)
    assert not task.keeps_head and task == infer_task(values)
    assert re.search(reason, explain_new_head(task, config))


@pytest.mark.parametrize(
    "config",
    [
        None,
        BertConfig(id2label={0: "pos", 1: "neg"}),  # of a model that is made here
        trained("pos", "neg", architectures=["BertForMaskedLM"]),
        trained("pos", "neg", architectures=["BertModel"]),
    ],
)
def test_the_names_of_a_config_without_a_classifier_order_nothing(config):
    task = continue_task(infer_task(["neg", "pos"]), config)
    assert task.names == ("neg", "pos") and not task.keeps_head


def test_declared_ids_are_those_of_a_model_that_only_counts(log):
    """A `ClassLabel` says which id each name has."""
    declared = ("pos", "neg")
    task = infer_task(["neg", "pos"], LabelHints(class_names=declared))
    followed = continue_task(task, trained("LABEL_0", "LABEL_1"), declared)
    assert followed.keeps_head and followed.names == declared and "'pos' is 'LABEL_0'" in log.text
    assert continue_task(task, trained("neg", "pos"), declared).names == ("neg", "pos")  # names count more than ids
    assert not continue_task(task, trained("spam", "ham"), declared).keeps_head


def test_saved_thresholds_go_on_with_their_head():
    config = trained("b", "a", problem_type="multi_label_classification", thresholds={"a": 0.2, "b": 0.7})
    assert continue_task(infer_task(SETS), config).thresholds == (0.7, 0.2)
    config.id2label = {0: "x", 1: "y"}
    config.thresholds = {"x": 0.2, "y": 0.7}
    assert continue_task(infer_task(SETS), config).thresholds == (0.5, 0.5)


def test_a_regressor_in_units_gets_the_new_scale_and_a_standardised_one_keeps_its_own():
    task = infer_task(NUMBERS)
    in_units = trained("score", problem_type="regression", label_own_units=True, label_mean=9.0, label_std=3.0)
    assert continue_task(task, in_units) == task and continue_task(task, in_units).keeps_head
    standardised = trained("score", problem_type="regression", label_mean=9.0, label_std=3.0)
    followed = continue_task(task, standardised)
    assert followed.keeps_head and (followed.mean, followed.std) == (9.0, 3.0)


@pytest.mark.parametrize("scale", [{"label_mean": 3.0, "label_std": 500.0}, {"label_mean": 1e4, "label_std": 3.0}])
def test_a_regressor_of_numbers_of_another_size_is_not_kept(scale):
    config = trained("score", problem_type="regression", label_own_units=True, **scale)
    assert not continue_task(infer_task(NUMBERS), config).keeps_head
    assert "for numbers of another size" in explain_new_head(infer_task(NUMBERS), config)


# --------------------------------------------------------------------------------------------- evaluation, prediction


def scored(config, *columns, declared=None):
    splits = {str(i): Dataset.from_dict({"label": list(column)}) for i, column in enumerate(columns)}
    return name_as_in_data(task_from_config(config), DatasetDict(splits), declared, "folder")


@pytest.mark.parametrize(
    ("names", "values", "expected"),
    [
        (("LABEL_0", "LABEL_1"), ["0", "1"], ("0", "1")),
        (("LABEL_0", "LABEL_1"), [1, None, -1], ("0", "1")),  # a part of the classes; -1 is a missing label
        (("LABEL_0", "LABEL_1", "LABEL_2"), ["2.0"], ("0", "1", "2")),
        (("0", "1"), ["LABEL_1"], ("0", "LABEL_1")),
        (("Negative", "Positive"), ["positive"], ("Negative", "positive")),
        (("neg", "pos"), ["neg"], ("neg", "pos")),
    ],
)
def test_labels_are_scored_by_id_or_by_a_name_that_differs_in_case(names, values, expected, log):
    task = scored(trained(*names), values)
    assert task.names == expected and ("by the classes of the trained model" in log.text) == (expected != names)
    assert all(task.encode(value) in (None, *range(len(names))) for value in values)


def test_lists_of_labels_are_scored_by_id_too():
    config = trained("LABEL_0", "LABEL_1", problem_type="multi_label_classification")
    task = scored(config, [["1"], [], None], [["0", "1"]])
    assert task.encode(["1"]) == [0.0, 1.0]


def test_declared_ids_are_scored_by_id(log):
    task = scored(trained("LABEL_0", "LABEL_1"), ["neg", "pos"], declared=("neg", "pos"))
    assert task.names == ("neg", "pos") and "'neg' is 'LABEL_0'" in log.text


@pytest.mark.parametrize(
    ("names", "values", "words"),
    [
        (("LABEL_0", "LABEL_1"), ["neg", "pos"], ["LABEL_0, LABEL_1", "neg, pos", "0 to 1", "--remove_columns"]),
        (("neg", "pos"), [0, 1], ["neg, pos", "0, 1", "Write the labels as the model's classes"]),
        (("spam", "ham"), ["neg", "pos"], ["spam, ham", "neg, pos"]),
        (("US", "us"), ["Us"], ["US, us", "Us"]),
    ],
)  # fmt: skip
def test_labels_of_unknown_meaning_are_refused_with_a_remedy(names, values, words):
    with pytest.raises(UsageError, match="--model_name_or_path folder: .*which one is which is not known") as refused:
        scored(trained(*names), values)
    assert not [word for word in words if word not in str(refused.value)]


@pytest.mark.parametrize(
    ("names", "values", "unknown"),
    [
        (("LABEL_0", "LABEL_1"), [0, 1, 2], 2),
        (("LABEL_0", "LABEL_1"), [1, 2], 2),
        (("neg", "pos"), ["neg", "pos", "neutral"], "neutral"),
        (("neg", "pos"), ["neg", "Neg", "pos"], "Neg"),  # two spellings of one class
    ],
)
def test_a_label_beyond_those_of_the_model_stays_unknown(names, values, unknown):
    """`encode_labels` then names the label and its rows."""
    task = scored(trained(*names), values)
    with pytest.raises(KeyError):
        task.encode(unknown)


def test_a_regressor_reads_numbers_and_has_no_classes_to_match():
    config = trained("LABEL_0", problem_type="regression")
    assert scored(config, ["1.5", "x"]) == task_from_config(config)
