"""A text column holds strings, bytes or numbers; anything else is refused by the id of its row."""

from __future__ import annotations

import datetime
import json

import pyarrow as pa
import pytest
from datasets import Dataset, load_dataset

from classification.data.columns import Columns, standardise_columns
from classification.data.text_values import read_text
from classification.errors import UsageError

IDS = pa.chunked_array([["u1", "u2", "u3"]])

TAKEN = {
    "strings": (pa.array(["x", None, " "]), ["x", None, " "]),
    "large strings": (pa.array(["x", "y", "z"], pa.large_string()), ["x", "y", "z"]),
    "string views": (pa.array(["x", "y", "z"], pa.string_view()), ["x", "y", "z"]),
    "categories": (pa.array(["x", "y", "x"]).dictionary_encode(), ["x", "y", "x"]),
    "bytes": (pa.array(["é".encode(), b"y", None]), ["é", "y", None]),
    "whole numbers": (pa.array([1, 2, None]), ["1", "2", None]),
    "fractions": (pa.array([1.5, 2.0, float("nan")]), ["1.5", "2.0", None]),
    "nothing": (pa.nulls(3), [None, None, None]),
}


@pytest.mark.parametrize("kind", TAKEN)
def test_strings_bytes_and_numbers_are_texts(kind):
    column, texts = TAKEN[kind]
    assert read_text(Dataset(pa.table({"text": column})), "text", "train", IDS).to_pylist() == texts


def test_numbers_as_texts_are_announced(caplog):
    caplog.set_level("INFO")
    read_text(Dataset.from_dict({"text": [1, 2, 3]}), "text", "test", IDS)
    assert "the column 'text' of test has numbers, which are read as text" in caplog.text


REFUSED = {
    "lists of tokens": ([None, ["a", "b"], ["c"]], ["id u2 of train has a list", "Write each text as one string"]),
    "objects": ([{"body": "x"}, {"body": "y"}, None], ["id u1", "an object", "--text_column_names 'text.body'"]),
    "booleans": ([None, None, True], ["id u3 of train has true or false", "Name a column of strings"]),
    "dates": ([datetime.date(2024, 1, 31)] * 3, ["id u1", "a date", "2024-01-31"]),
    "bytes that are not text": ([b"x", "é".encode(), b"\xff\xfe"], ["id u3", "bytes that are not UTF-8"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_values_are_refused_by_the_id_of_their_row(case):
    values, words = REFUSED[case]
    with pytest.raises(UsageError) as refused:
        read_text(Dataset(pa.table({"text": values})), "text", "train", IDS)
    assert not [word for word in ["--text_column_names text:", *words] if word not in str(refused.value)]


def test_a_json_file_may_mix_strings_and_numbers_but_nothing_else(tmp_path):
    def load(*texts):
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.jsonl"
        path.write_text("\n".join(json.dumps({"text": text, "label": i}) for i, text in enumerate(texts)))
        return load_dataset("json", data_files=str(path), split="train")

    assert read_text(load("x", 3, 1.5), "text", "train", IDS).to_pylist() == ["x", "3", "1.5"]
    with pytest.raises(UsageError, match="the row with the id u2 of train has a list"):
        read_text(load("x", ["y"]), "text", "train", IDS)


def test_the_field_that_the_message_names_is_read():
    data = Dataset.from_dict({"text": [{"body": "x", "n": 1}, {"body": "y", "n": 2}], "label": ["a", "b"]})
    splits, *_ = standardise_columns({"train": data}, Columns(text=("text.body",)))
    assert splits["train"]["text"][:] == ["x", "y"]
