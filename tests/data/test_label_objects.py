"""Labels that are objects are read by a field, or refused with the fields and a flag that works."""

from __future__ import annotations

import json
import re

import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, load_dataset

from classification.data.columns import Columns, standardise_columns
from classification.data.label_columns import encode_labels
from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task
from classification.errors import UsageError

ONE = [{"id": 0, "name": "neg"}, {"id": 1, "name": "pos"}, {"id": 0, "name": "neg"}, {"id": 1, "name": "pos"}]
SEVERAL = [
    [{"name": "neg", "color": "f"}, {"name": "ui", "color": "0"}],
    [{"name": "pos", "color": "f"}],
    [],
    [{"name": "neg", "color": "f"}],
]
FLAGS = [{"joy": 1, "fear": 0}, {"joy": 1, "fear": 1}, {"joy": 0, "fear": 1}, {"joy": 0, "fear": 0}]
READERS = ("parquet", "jsonl", "csv")


def read(labels: list, reader: str, folder, label: str | None = None):
    """The task, and the decoded labels of a train split as this reader gives it."""
    path = str(folder / f"a.{reader}")
    if reader == "csv":  # cells hold JSON
        labels = [value if isinstance(value, str) else json.dumps(value) for value in labels]
    rows = [{"text": f"text {i}", "label": value} for i, value in enumerate(labels)]
    if reader == "jsonl":
        (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    else:
        data = Dataset(pa.Table.from_pylist(rows))
        data.to_parquet(path) if reader == "parquet" else data.to_csv(path, index=False)
    kind = {"jsonl": "json"}.get(reader, reader)
    raw = DatasetDict(train=load_dataset(kind, data_files=path, split="train"))
    splits, names, _ = standardise_columns(raw, Columns(label=label))
    task = infer_task(splits["train"]["label"], LabelHints(class_names=names))
    return task, [task.decode(label_id) for label_id in encode_labels(splits, task)["train"]["label"]]


@pytest.mark.parametrize("reader", READERS)
def test_the_name_of_one_object_is_the_label(reader, tmp_path, caplog):
    caplog.set_level("INFO")
    task, decoded = read(ONE, reader, tmp_path)
    assert task.names == ("neg", "pos") and decoded == ["neg", "pos", "neg", "pos"]
    assert "'label' has objects, of which the field 'name' is the label (fields: id, name)" in caplog.text


@pytest.mark.parametrize("reader", READERS)
def test_the_names_of_a_list_of_objects_are_the_labels(reader, tmp_path):
    task, decoded = read(SEVERAL, reader, tmp_path)
    assert task.names == ("neg", "pos", "ui") and decoded == ['["neg", "ui"]', '["pos"]', "[]", '["neg"]']


@pytest.mark.parametrize("reader", READERS)
def test_an_object_of_0_and_1_has_a_label_for_each_1(reader, tmp_path):
    task, decoded = read(FLAGS, reader, tmp_path)
    assert task.names == ("joy", "fear") and decoded == ['["joy"]', '["joy", "fear"]', '["fear"]', "[]"]
    again, booleans = read([{k: bool(v) for k, v in row.items()} for row in FLAGS], reader, tmp_path)
    assert again == task and booleans == decoded


def test_a_label_that_an_object_of_0_and_1_lacks_is_0(tmp_path):
    task, decoded = read([{"joy": 1}, {"fear": 1, "joy": 1}, {}, {"fear": 1}], "jsonl", tmp_path)
    assert decoded == ['["joy"]', '["joy", "fear"]', "[]", '["fear"]'] and task.names == ("joy", "fear")


UNCLEAR = {
    "two names": [{"name": "neg", "label": "0"}, {"name": "pos", "label": "1"}] * 2,
    "no text": [{"id": 0, "rank": 3}, {"id": 1, "rank": 7}] * 2,
    "one number": [{"label": 3, "score": 0.5}, {"label": 4, "score": 0.75}] * 2,
    "other names": [{"colour": "red"}, {"colour": "blue"}] * 2,
    "objects inside": [{"tag": {"key": "neg"}}, {"tag": {"key": "pos"}}] * 2,
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("case", UNCLEAR)
def test_unclear_objects_are_refused_and_the_named_field_works(case, reader, tmp_path):
    label = None
    for _ in range(2 if case == "objects inside" else 1):
        with pytest.raises(UsageError, match="the labels of train are objects with the fields") as refused:
            read(UNCLEAR[case], reader, tmp_path, label)
        label = re.search(r"Name the field that is the label: --label_column_name '(.*)'", str(refused.value))[1]
    task, decoded = read(UNCLEAR[case], reader, tmp_path, label)
    assert task.num_labels == 2 and decoded == decoded[:2] * 2 and not any("{" in name for name in task.names)


@pytest.mark.parametrize("reader", READERS)
def test_a_field_of_a_list_of_objects_can_be_named(reader, tmp_path):
    task, _ = read(SEVERAL, reader, tmp_path, "label.color")
    assert task.names == ("0", "f")


@pytest.mark.parametrize("reader", READERS)
def test_a_field_that_is_not_there_is_refused_with_the_fields(reader, tmp_path):
    with pytest.raises(UsageError, match="--label_column_name label.nmae: .* id, name. Did you mean 'label.name'"):
        read(ONE, reader, tmp_path, "label.nmae")


def test_a_column_with_a_dot_in_its_name_comes_before_a_field():
    raw = Dataset.from_dict({"text": ["a", "b"], "label.name": ["x", "y"], "label": ONE[:2]})
    splits, *_ = standardise_columns(DatasetDict(train=raw), Columns(label="label.name"))
    assert splits["train"]["label"][:] == ["x", "y"]


def test_an_object_among_names_is_read_too(tmp_path):
    for reader in ("jsonl", "csv"):
        task, decoded = read(["neg", "pos", {"name": "pos"}, "neg"], reader, tmp_path)
        assert task.names == ("neg", "pos") and decoded == ["neg", "pos", "pos", "neg"]


@pytest.mark.parametrize("cell", ["{'name': 'neg'}", "[{'name': 'neg'}]", '{"name": neg}'])
def test_objects_that_are_not_json_are_refused_by_the_id_of_their_row(cell):
    raw = Dataset.from_dict({"id": ["u1", "u2"], "text": ["a", "b"], "label": ["pos", cell]})
    with pytest.raises(UsageError, match="the row with the id u2 of train has .* not a JSON object"):
        standardise_columns(DatasetDict(train=raw), Columns())


def test_braces_alone_are_no_object():
    raw = Dataset.from_dict({"text": ["a", "b"], "label": ["{a}", "{b}"]})
    assert standardise_columns(DatasetDict(train=raw), Columns())[0]["train"]["label"][:] == ["{a}", "{b}"]


def test_an_object_without_its_name_has_no_label():
    raw = Dataset.from_dict({"text": ["a", "b"], "label": [{"id": 0, "name": "x"}, {"id": 1, "name": None}]})
    with pytest.raises(UsageError, match="1 row of train has no label: ids train-1"):
        standardise_columns(DatasetDict(train=raw), Columns())
