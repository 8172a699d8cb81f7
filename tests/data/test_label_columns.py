"""Every form of labels is read into one, and written labels can be read again."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal

import pyarrow as pa
import pytest
from corpus import make_rows, splits_of
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from classification.data.bad_rows import BadRows
from classification.data.columns import Columns, standardise_columns
from classification.data.label_columns import encode_labels
from classification.data.label_hints import LabelHints
from classification.data.multi_label import MultiLabel
from classification.data.tasks import infer_task
from classification.errors import UsageError

SETS = [["joy"], ["fear", "joy"], [], ["anger"], ["joy", "anger"]]
NAMES = ("anger", "fear", "joy")
VECTORS = [[0, 0, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0], [1, 0, 1]]


def texts(count: int) -> list[str]:
    return [f"text {i}" for i in range(count)]


def read(columns: dict, settings: dict, features: Features | None = None):
    """The task and the encoded labels of a train split with these columns."""
    raw = Dataset.from_dict({"text": texts(len(next(iter(columns.values())))), **columns}, features=features)
    splits, names, _ = standardise_columns(DatasetDict(train=raw), Columns(**settings))
    hints = LabelHints(class_names=names, delimiter=settings.get("label_delimiter"))
    task = infer_task(splits["train"]["label"], hints)
    return task, encode_labels(splits, task)["train"]["label"][:]


def class_labels() -> Features:
    return Features({"text": Value("string"), "label": List(ClassLabel(names=list(NAMES)))})


FORMS = {
    "lists of names": ({"label": SETS}, {}, None),
    "lists of ClassLabel ids": ({"label": [[NAMES.index(n) for n in names] for names in SETS]}, {}, class_labels()),
    "JSON arrays in cells": ({"labels": [json.dumps(names) for names in SETS]}, {}, None),
    "one column with a delimiter": ({"label": ["|".join(names) for names in SETS]}, {"label_delimiter": "|"}, None),
    "spaces around the delimiter": ({"label": [" ; ".join(names) for names in SETS]}, {"label_delimiter": ";"}, None),
    "one 0/1 column per label": (
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
    task, encoded = read(*FORMS[form])
    assert isinstance(task, MultiLabel) and task.names == NAMES
    assert encoded == VECTORS


def test_ids_in_lists_sort_as_numbers():
    task, encoded = read({"label": [[10], [2, 10], []]}, {})
    assert task.names == ("2", "10") and encoded == [[0, 1], [1, 1], [0, 0]]


def test_columns_of_0_and_1_keep_their_order():
    task, _ = read({"b": ["1", "0"], "a": ["1", "1"]}, {"labels": ("b", "a")})
    assert task.names == ("b", "a")


@pytest.mark.parametrize("delimiter", ["|", None])
def test_several_labels_are_written_as_they_are_read(delimiter):
    """The labels in predictions.csv can be read as labels again."""
    task = infer_task(SETS, LabelHints(delimiter=delimiter))
    cells = [task.decode(task.encode(names)) for names in SETS]
    again, encoded = read({"label": cells}, {"label_delimiter": delimiter})
    assert again == task and encoded == VECTORS
    assert task.decode(None) == ""


def test_a_row_may_have_no_labels_but_not_a_missing_label():
    raw = {"text": texts(3), "label": [["a"], [], None]}
    with pytest.raises(UsageError, match="1 row of train has no label: ids train-2"):
        standardise_columns(DatasetDict(train=Dataset.from_dict(raw)), Columns())
    blank = {"text": texts(3), "a": ["1", "0", ""], "b": ["0", "0", ""]}
    with pytest.raises(UsageError, match="1 row of train has no label: ids train-2"):
        standardise_columns(DatasetDict(train=Dataset.from_dict(blank)), Columns(labels=("a", "b")))


@pytest.mark.parametrize("columns", [{}, {"label": ["", ""]}])
def test_a_test_split_without_labels_is_predicted_only(columns):
    train = {"text": texts(3), "label": ["a|b", "a", ""]}
    raw = DatasetDict(train=Dataset.from_dict(train), test=Dataset.from_dict({"text": texts(2), **columns}))
    splits, *_ = standardise_columns(raw, Columns(label="label", label_delimiter="|"))
    task = infer_task(splits["train"]["label"], LabelHints(delimiter="|"))
    assert "label" not in encode_labels(splits, task)["test"].column_names


def test_a_test_split_without_its_0_and_1_columns_is_predicted_only():
    train = {"text": texts(2), "a": [1, 0], "b": [1, 1]}
    raw = DatasetDict(train=Dataset.from_dict(train), test=Dataset.from_dict({"text": texts(2)}))
    splits, names, _ = standardise_columns(raw, Columns(labels=("a", "b")))
    assert names == ("a", "b") and "label" not in splits["test"].column_names


def test_rows_labelled_minus_one_are_refused_or_dropped():
    rows = [{"id": str(i), "text": f"text {i}", "label": i % 2 if i < 6 else -1} for i in range(8)]
    splits, task = splits_of(rows[:6], validation=rows[4:]), infer_task([0, 1])
    with pytest.raises(UsageError, match=r"2 rows of validation have no label \(-1\): ids 6, 7.*--on_bad_row drop"):
        encode_labels(splits, task)
    bad_rows = BadRows("drop")
    assert encode_labels(splits, task, bad_rows)["validation"]["id"][:] == ["4", "5"]
    assert [(finding.kind, finding.ids) for finding in bad_rows.findings] == [("no_label", ("6", "7"))]
    with pytest.raises(UsageError, match="No rows of validation are left"):
        encode_labels(splits_of(rows[:6], validation=rows[6:]), task, BadRows("drop"))


REFUSED = {
    "vectors without names": ({"label": [[1, 0, 0], [1, 0, 1]]}, {}, ["vectors of 0 and 1", "--label_column_names"]),
    "lists as Python writes them": (
        {"label": ["['a']", "['a', 'b']"]},
        {},
        ["id train-0 of train", "not a JSON array", '["joy"'],
    ),
    "one broken list": (
        {"label": ['["a"]', '["b"', '["a", "b"]', "[]"]},
        {},
        ["id train-1 of train", "not a JSON array"],
    ),
    "lists inside lists": ({"label": [[["a"]], [["b"]]]}, {}, ["id train-0 of train", "a list inside a list"]),
    "bytes that are no text": ({"label": [b"a", b"\xff"]}, {}, ["id train-1 of train", "not UTF-8"]),
    "a column named twice": ({"a": [1, 0], "b": [0, 1]}, {"labels": ("a", " a")}, ["'a' is named twice"]),
    "one label only": ({"spam": [1, 0]}, {"labels": ("spam",)}, ["only one label", "--label_column_name"]),
    "one name in all lists": ({"label": [["a"], []]}, {}, ["only one label ('a')", "--label_column_name"]),
    "a delimiter for numbers": ({"label": [1, 2]}, {"label_delimiter": "|"}, ["--label_delimiter '|'", "numbers"]),
    "a delimiter for lists": ({"label": [["a"], ["b"]]}, {"label_delimiter": "|"}, ["--label_delimiter '|'", "lists"]),
    "a 0/1 column of words": (
        {"a": ["1", "0"], "b": ["yes", "1"]},
        {"labels": ("a", "b")},
        ["id train-0 of train", "'yes'"],
    ),
    "a column that is not there": ({"a": [1, 0]}, {"labels": ("a", "b")}, ["--label_column_names b", "the columns"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_ambiguous_labels_are_refused(case):
    columns, settings, words = REFUSED[case]
    with pytest.raises(UsageError) as refused:
        read(columns, settings)
    for word in words:
        assert word in str(refused.value)


def test_a_class_label_outside_the_declared_classes_is_refused():
    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "yes"])})
    data = Dataset.from_dict({"text": texts(3), "label": [0, 1, 1]}, features=features)
    data = data.remove_columns("label").add_column("label", [0, 7, -1])
    data = data.cast_column("label", Value("int64"))
    data.info.features["label"] = ClassLabel(names=["no", "yes"])
    with pytest.raises(
        UsageError, match="--label_column_name label: 1 labels in train are out of range .*7.*2 classes"
    ):
        standardise_columns(DatasetDict(train=data), Columns())


def test_labels_that_train_lacks_are_refused():
    rows = make_rows(40) + [{"id": "x", "text": "the odd one", "label": "rare"}]
    with pytest.raises(UsageError, match=r"test has labels.*'rare' x 1 \(ids x\)"):
        encode_labels(splits_of(rows[:2], test=rows), infer_task(["negative", "positive"]))


def test_a_name_that_train_lacks_is_refused_in_a_list_too():
    rows = [{"id": "a", "text": "x", "label": ["joy", "fear"]}, {"id": "b", "text": "y", "label": ["joy"]}]
    odd = [{"id": "c", "text": "z", "label": ["joy", "faer"]}]
    with pytest.raises(UsageError, match=r"test has labels.*'faer' x 1 \(ids c\).*Did you mean 'fear'"):
        encode_labels(splits_of(rows, test=odd), infer_task([row["label"] for row in rows]))


BOOLEANS = [
    ([True, False] * 2, ["true", "FALSE"], ["True", "False"]),
    (["true", "false"] * 2, [True, False], ["True", "False"]),
    (["true", "false", "half-true"], ["True", "FALSE"], ["true", "false"]),  # words among others keep their spelling
]


@pytest.mark.parametrize(("train", "test", "names"), BOOLEANS)
def test_true_and_false_are_the_same_class_in_every_spelling(train, test, names):
    raw = {"text": texts(len(train)), "label": train}
    splits = DatasetDict(train=Dataset.from_dict(raw), test=Dataset.from_dict({"text": texts(2), "label": test}))
    splits, *_ = standardise_columns(splits, Columns())
    task = infer_task(splits["train"]["label"])
    assert [task.decode(label_id) for label_id in encode_labels(splits, task)["test"]["label"]] == names


VALUES = {  # Arrow values -> names of the classes
    "dates": (pa.array([datetime.date(2021, 3, 1), datetime.date(2022, 4, 1)]), ("2021-03-01", "2022-04-01")),
    "decimals": (pa.array([Decimal("1.0"), Decimal("2.0")]), ("1", "2")),
    "bytes": (pa.array(["é".encode(), b"a"]), ("a", "é")),
    "categories": (pa.array(["x", "y"]).dictionary_encode(), ("x", "y")),
    "whole floats": (pa.array([0.0, 1.0], pa.float32()), ("0", "1")),
    "64 bits": (pa.array([2**64 - 1, 1], pa.uint64()), ("1", "18446744073709551615")),
    "booleans": (pa.array([True, False]), ("False", "True")),
    "string views": (pa.array(["a", "b"], pa.string_view()), ("a", "b")),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_of_every_type_have_names(kind):
    column, names = VALUES[kind]
    data = Dataset(pa.table({"text": texts(2), "label": column}))
    splits, *_ = standardise_columns(DatasetDict(train=data), Columns())
    assert infer_task(splits["train"]["label"]).names == names


def test_a_null_in_a_list_is_no_label_and_is_counted(caplog):
    caplog.set_level("INFO")
    _, encoded = read({"label": [["a", None], ["b"], [None], ["a", "b"]]}, {})
    assert encoded == [[1, 0], [0, 1], [0, 0], [1, 1]]
    assert "null inside a list is no label (2 of 4 rows of train, for example id train-0)" in caplog.text


def test_a_list_among_single_names_is_no_name():
    with pytest.raises(UsageError, match='row with the id train-2 of train has the list .*"a".*list in every row'):
        read({"label": ["a", "b", '["a"]', "b", "a"]}, {})
    assert read({"label": ["[a]", "b", "b", "c", "c"]}, {})[0].names == ("[a]", "b", "c")


@pytest.mark.parametrize(
    ("labels", "note"),
    [
        (["1.0", "0.0", "1.0"], "'0.0' is read as the whole number 0"),
        (["1", "0", "1"], None),
        (["1.0", "a", "1.0"], None),
        (["1.0", "1.5", "2"], None),
        ([1.0, 0.0, 1.0], None),
    ],
)
def test_whole_numbers_that_are_written_otherwise_are_reported(labels, note, caplog):
    caplog.set_level("INFO")
    read({"label": labels}, {})
    assert ("is read as the whole number" in caplog.text) == bool(note) and (note or "") in caplog.text
