"""Every form of labels is read into one, and the way back is the same: names, lists, columns of 0 and 1, numbers."""

from __future__ import annotations

import json

import pytest
from conftest import splits_of
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from classification.data.columns import Columns
from classification.data.label_columns import encode_labels
from classification.data.labels import LabelSpace
from classification.errors import UsageError
from data_utils import load_splits

SETS = [["joy"], ["fear", "joy"], [], ["anger"], ["joy", "anger"]]
NAMES = ("anger", "fear", "joy")
HOT = [[0, 0, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 0, 1]]


def texts(count: int) -> list[str]:
    return [f"text {i}" for i in range(count)]


def read(columns: dict, settings: dict, features: Features | None = None):
    """The label space and the encoded labels of a train split with these columns."""
    raw = Dataset.from_dict({"text": texts(len(next(iter(columns.values())))), **columns}, features=features)
    splits, names = load_splits(DatasetDict(train=raw), Columns(**settings))
    delimiter = settings.get("label_delimiter")
    labels = LabelSpace.from_train(splits["train"]["label"], class_names=names, delimiter=delimiter)
    return labels, encode_labels(splits, labels)["train"]["label"][:]


def class_labels() -> Features:
    return Features({"text": Value("string"), "label": List(ClassLabel(names=list(NAMES)))})


FORMS = {
    "lists of names": ({"label": SETS}, {}, None),
    "lists of ClassLabel ids": ({"label": [[NAMES.index(n) for n in names] for names in SETS]}, {}, class_labels()),
    "JSON arrays in cells": ({"labels": [json.dumps(names) for names in SETS]}, {}, None),
    "one column with a delimiter": ({"label": ["|".join(names) for names in SETS]}, {"label_delimiter": "|"}, None),
    "spaces around the delimiter": ({"label": [" ; ".join(names) for names in SETS]}, {"label_delimiter": ";"}, None),
    "one column of 0 and 1 a label": (
        {name: [int(name in names) for names in SETS] for name in NAMES}, {"labels": NAMES}, None,
    ),
    "columns of true and false": (
        {name: [str(name in names) for names in SETS] for name in NAMES}, {"labels": NAMES}, None,
    ),
    "columns of 0.0 and 1.0, as pandas writes them": (
        {name: [f"{name in names:.1f}" for names in SETS] for name in NAMES}, {"labels": NAMES}, None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_several_labels_is_read_alike(form):
    labels, encoded = read(*FORMS[form])
    assert labels.is_multi_label and labels.names == NAMES
    assert encoded == HOT


def test_ids_in_lists_sort_as_numbers():
    labels, encoded = read({"label": [[10], [2, 10], []]}, {})
    assert labels.names == ("2", "10") and encoded == [[0, 1], [1, 1], [0, 0]]


def test_columns_of_yes_and_no_keep_their_order():
    labels, _ = read({"b": ["1", "0"], "a": ["1", "1"]}, {"labels": ("b", "a")})
    assert labels.names == ("b", "a")


@pytest.mark.parametrize("delimiter", ["|", None])
def test_several_labels_are_written_as_they_are_read(delimiter):
    """What predictions.csv says can be read as labels again."""
    labels = LabelSpace.from_train(SETS, delimiter=delimiter)
    cells = [labels.decode(labels.encode(names)) for names in SETS]
    again, encoded = read({"label": cells}, {"label_delimiter": delimiter})
    assert again == labels and encoded == HOT
    assert labels.decode(None) == ""


def test_a_row_without_labels_is_legal_and_a_missing_one_is_not():
    raw = {"text": texts(3), "label": [["a"], [], None]}
    with pytest.raises(UsageError, match="1 rows of train have no label: ids train-2"):
        load_splits(DatasetDict(train=Dataset.from_dict(raw)), Columns())
    blank = {"text": texts(3), "a": ["1", "0", ""], "b": ["0", "0", ""]}
    with pytest.raises(UsageError, match="1 rows of train have no label: ids train-2"):
        load_splits(DatasetDict(train=Dataset.from_dict(blank)), Columns(labels=("a", "b")))


def test_a_test_split_without_labels_is_predicted_only():
    train = {"text": texts(3), "label": ["a|b", "a", ""]}
    for test in ({"text": texts(2)}, {"text": texts(2), "label": ["", ""]}):
        raw = DatasetDict(train=Dataset.from_dict(train), test=Dataset.from_dict(test))
        splits, _ = load_splits(raw, Columns(label="label", label_delimiter="|"))
        labels = LabelSpace.from_train(splits["train"]["label"], delimiter="|")
        assert "label" not in encode_labels(splits, labels)["test"].column_names


def test_minus_one_is_no_label_in_lists_too():
    labels = LabelSpace.from_train(SETS)
    assert labels.encode("-1") is None and labels.encode(["-1"]) is None and labels.encode(-1) is None
    assert LabelSpace.from_train([["-1", "2"], ["2"]]).encode(["-1"]) == [1.0, 0.0]


REFUSED = {
    "vectors without names": ({"label": [[1, 0, 0], [1, 0, 1]]}, {}, ["vectors of 0 and 1", "--label_column_names"]),
    "lists as Python writes them": ({"label": ["['a']", "['a', 'b']"]}, {}, ["row 0", "no JSON array", '["joy"']),
    "one broken list": ({"label": ['["a"]', '["b"', '["a", "b"]', "[]"]}, {}, ["row 1", "no JSON array"]),
    "one label only": ({"spam": [1, 0]}, {"labels": ("spam",)}, ["one label only", "--label_column_name"]),
    "one name in all lists": ({"label": [["a"], []]}, {}, ["one label only ('a')", "--label_column_name"]),
    "a delimiter for numbers": ({"label": [1, 2]}, {"label_delimiter": "|"}, ["--label_delimiter '|'", "numbers"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_labels_that_cannot_be_meant_are_refused(case):
    columns, settings, words = REFUSED[case]
    with pytest.raises(UsageError) as refused:
        read(columns, settings)
    for word in words:
        assert word in str(refused.value)


def test_a_word_among_numbers_is_refused_and_can_be_meant():
    values = [f"{i}.5" for i in range(30)] + ["n/a"]
    with pytest.raises(UsageError, match="Nearly all labels are numbers.*n/a.*--do_regression false"):
        LabelSpace.from_train(values)
    assert LabelSpace.from_train(values, do_regression=False).num_labels == 31


def test_a_name_that_train_lacks_is_refused_in_a_list_too():
    rows = [{"id": "a", "text": "x", "label": ["joy", "fear"]}, {"id": "b", "text": "y", "label": ["joy"]}]
    odd = [{"id": "c", "text": "z", "label": ["joy", "faer"]}]
    labels = LabelSpace.from_train([row["label"] for row in rows])
    with pytest.raises(UsageError, match=r"test has labels.*'faer' x 1 \(ids c\) Did you mean 'fear'"):
        encode_labels(splits_of(rows, test=odd), labels)


@pytest.mark.parametrize(
    ("values", "asked", "kind"),
    [
        (["1.5", "2", "0"], None, "regression"),
        ([1.5, 2.0, 0.0], None, "regression"),
        (["1.0", "2.0", "0.0"], None, "single_label_classification"),  # how pandas writes whole numbers
        (["1.5", "2.5"], False, "single_label_classification"),
        (["1", "2"], True, "regression"),
        (["1.5", "two"], None, "single_label_classification"),
    ],
)
def test_numbers_with_a_fraction_are_regression(values, asked, kind):
    assert LabelSpace.from_train(values, do_regression=asked).problem_type == kind


def test_the_config_carries_the_whole_decision():
    from transformers import BertConfig

    config = BertConfig()
    for labels in (
        LabelSpace.from_train(SETS).with_thresholds({"joy": 0.25}),
        LabelSpace.from_train([1.5, 4.0]),
        LabelSpace.from_train(["b", "a"]),
    ):
        labels.write_to(config)
        assert LabelSpace.from_config(BertConfig.from_dict(json.loads(config.to_json_string()))) == labels
    assert not {"thresholds", "label_mean", "label_std"} & set(config.to_dict())  # of the tasks before
