"""JSON files: values keep their types and their text, in every layout; what is broken is named with its line."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from stream_parity import stream_refusal, streamed

from classification.data.sources import json_document, json_files
from classification.data.sources.class_features import in_memory
from classification.data.sources.data_files import DataFile
from classification.data.sources.json_files import read_json
from classification.errors import UsageError


def read(tmp_path, content: str | bytes, name: str = "a.jsonl") -> list[dict]:
    """The rows as training reads them; a stream has the same ones."""
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    file = DataFile(tmp_path / name, f"--train_file {name}")
    rows = read_json([file]).to_pylist()
    assert (streamed(file) if rows else []) == rows
    return rows


def lines(*rows: str) -> str:
    return "".join(row + "\n" for row in rows)


# --------------------------------------------------------------------------------------------------------------- values


def test_strings_stay_strings_where_they_look_like_dates_numbers_or_nothing(tmp_path):
    values = [
        "2020-06-01T10:00:00Z",
        "2021-03-01",
        "2021-03-01 10:00",
        "007",
        "1e5",
        "NA",
        "null",
        "None",
        "True",
        "",
        "1",
    ]
    rows = [{"id": value, "labels": [value], "more": {"date": value}} for value in values]
    assert read(tmp_path, lines(*map(json.dumps, rows))) == rows
    assert read(tmp_path, json.dumps(rows, indent=1), "a.json") == rows


VALUES = {  # values of a column as they are in the file -> as they are read
    "integers above 2**53": (["9007199254740993", "1"], [9007199254740993, 1]),
    "integers above 2**64": (["123456789012345678901234567890", "1"], ["123456789012345678901234567890", "1"]),
    "integers and fractions": (["1", "2.5"], [1.0, 2.5]),
    "large integers and fractions": (["9007199254740993", "2.50"], ["9007199254740993", "2.50"]),
    "booleans": (["true", "false", "null"], [True, False, None]),
    "strings and numbers": (['"x"', "1", "1e5", "1.50", "true", "null"], ["x", "1", "1e5", "1.50", "true", None]),
    "booleans and numbers": (["true", "1"], ["true", "1"]),
    "NaN is missing": (["NaN", "1.5"], [None, 1.5]),
    "NaN beside strings": (['"a"', "NaN"], ["a", None]),
    "infinity": (["Infinity", "-Infinity"], [float("inf"), float("-inf")]),
    "objects": (['{"id": 1}', '{"name": "neg"}'], [{"id": 1, "name": None}, {"id": None, "name": "neg"}]),
    "objects of mixed values": (['{"a": 1}', '{"a": "x"}'], [{"a": "1"}, {"a": "x"}]),
    "lists": (['["a"]', "[]", "null"], [["a"], [], None]),
    "lists of mixed values": (['["a", 1.0]', "[2]"], [["a", "1.0"], ["2"]]),
    "lists of objects": (['[{"name": "neg"}]', "[]"], [[{"name": "neg"}], []]),
    "lists and strings": (['["ä", 1.0]', '"b"'], ['["ä", 1.0]', "b"]),
    "objects and strings": (['{"a": 1.0}', '"b"'], ['{"a": 1.0}', "b"]),
    "other planes": (['"\\ud83d\\ude00"', '"é"'], ["😀", "é"]),
    "tabs in strings": (['"a\tb"'], ["a\tb"]),
}


@pytest.mark.parametrize("size", [10_000, 1])
@pytest.mark.parametrize("case", VALUES)
def test_values_keep_their_type_or_their_text(case, size, tmp_path, monkeypatch):
    """In one batch and in batches of one row."""
    monkeypatch.setattr(json_files, "BATCH_ROWS", size)
    written, expected = VALUES[case]
    assert [row["v"] for row in read(tmp_path, lines(*(f'{{"v": {value}}}' for value in written)))] == expected


def test_objects_are_dictionaries_in_a_data_set(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"label": {"id": 1, "name": "neg"}}\n')
    data = in_memory(read_json([DataFile(tmp_path / "a.jsonl", "a")]))
    assert data["label"][:] == [{"id": 1, "name": "neg"}]


def test_a_field_that_rows_lack_is_null(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "BATCH_ROWS", 2)
    rows = read(tmp_path, lines('{"a": 1}', "{}", '{"b": "x"}', '{"a": 2, "c": [1]}'))
    assert rows == [{"a": a, "b": b, "c": c} for a, b, c in
                    [(1, None, None), (None, None, None), (None, "x", None), (2, None, [1])]]  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- layouts

ROWS = [{"text": "a", "label": 1}, {"text": "b", "label": 0}]
LAYOUTS = {
    "lines": lines(*map(json.dumps, ROWS)),
    "lines with blank ones": "\n \n" + "\n\n".join(map(json.dumps, ROWS)) + "\n\n",
    "Windows line ends": "\r\n".join(map(json.dumps, ROWS)),
    "an array": json.dumps(ROWS),
    "an indented array": "\n" + json.dumps(ROWS, indent=2) + "\n\n",
    "indented objects": lines(*(json.dumps(row, indent=2) for row in ROWS)),
    "objects without line ends": "".join(map(json.dumps, ROWS)),
    "an object with a list 'data'": json.dumps({"version": 2, "data": ROWS}),
    "the same, indented": json.dumps({"version": 2, "data": ROWS}, indent=2),
    "an object with one list": json.dumps({"rows": ROWS}),
    "one object per column": pd.DataFrame(ROWS).to_json(),
    "one list per column": json.dumps({"text": ["a", "b"], "label": [1, 0]}),
    "a byte order mark": "\ufeff" + json.dumps(ROWS),
    "UTF-16": lines(*map(json.dumps, ROWS)).encode("utf-16"),
}


@pytest.mark.parametrize("chunk", [1 << 20, 7])
@pytest.mark.parametrize("case", LAYOUTS)
def test_every_layout_gives_the_same_rows(case, chunk, tmp_path, monkeypatch):
    """Also where each value is longer than what is read at a time."""
    monkeypatch.setattr(json_document, "CHUNK", chunk)
    assert read(tmp_path, LAYOUTS[case]) == ROWS


def test_one_row_is_one_row(tmp_path):
    row = {"text": "a", "labels": ["x", "y"], "people": [{"name": "b"}]}
    assert read(tmp_path, json.dumps(row)) == [row]
    assert read(tmp_path, json.dumps({"text": "a", "labels": []})) == [{"text": "a", "labels": []}]


def test_many_files_are_one_table_with_one_type_per_column(tmp_path):
    for name, value in (("a", "1"), ("b", '"x"')):
        (tmp_path / f"{name}.jsonl").write_text(f'{{"label": {value}}}\n')
    table = read_json([DataFile(tmp_path / f"{name}.jsonl", name) for name in "ab"])
    assert table.to_pylist() == [{"label": "1"}, {"label": "x"}]


@pytest.mark.parametrize("content", ["[]", " [ ]\n", "", "\n\n", "\ufeff", '{"data": []}'])
def test_a_file_without_rows_gives_none(content, tmp_path):
    assert read(tmp_path, content) == []


# --------------------------------------------------------------------------------------------------------------- errors

BROKEN = {
    "a line": ('{"text": "a"}\n{"text": \n', "line 2 is not JSON"),
    "the first line": ('{"text": "a" "b"}\n{"text": "b"}\n', "line 1 is not JSON"),
    "a line of a list": ('{"text": "a"}\n["b"]\n', "line 2 is not an object"),
    "lists": ('["a", "b"]\n["c"]\n', "line 1 is not an object"),
    "an array of lists": ('[\n["a"]]', "line 2 is not an object"),
    "numbers": ("1\n2\n", "line 1 is not an object"),
    "null": ('{"text": "a"}\n\nnull\n', "line 3 is not an object"),
    "an array that ends early": ('[{"text": "a"},\n{"text": "b"}\n', "line 3 is not JSON"),
    "a value that ends early": ('[{"text": "a"},\n\n{"text": "b', "line 3 is not JSON"),
    "a missing comma": ('[{"text": "a"}\n{"text": "b"}]', "line 2 is not JSON (a comma"),
    "text after the array": ('[{"text": "a"}]\nx', "line 2 is not JSON (text follows"),
    "commas after lines": ('{"text": "a"},\n{"text": "b"},\n', "line 1 is not JSON"),
    "single quotes": ("{'text': 'a'}\n", "line 1 is not JSON"),
    "a repeated key": ('{"a": 1}\n{"a": 1, "b": 2, "a": 3}\n', "line 2: the key 'a' occurs twice"),
    "a repeated key deep inside": ('[{"a": {"b": 1, "b": 2}}]', "line 1: the key 'b' occurs twice"),
    "half a character": ('{"a": "x"}\n{"a": "half \\ud83d"}\n', "line 2 has \\ud83d, which is half"),
    "a deep nest": ('{"a": ' + "[" * 100_000, "line 1: the values are nested too deeply"),
    "CSV": ("text,label\na,b\n", "a CSV file must end in .csv"),
    "another encoding": ('{"text": "é"}\n'.encode("latin-1"), "line 1 is not valid UTF-8"),
}


@pytest.mark.parametrize("chunk", [1 << 20, 7])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_json_is_refused_with_its_line(case, chunk, tmp_path, monkeypatch):
    monkeypatch.setattr(json_document, "CHUNK", chunk)
    content, words = BROKEN[case]
    with pytest.raises(UsageError) as refused:
        read(tmp_path, content)
    assert str(refused.value).startswith("--train_file a.jsonl: ") and words in str(refused.value)
    assert stream_refusal(DataFile(tmp_path / "a.jsonl", "--train_file a.jsonl")) == str(refused.value)


def test_a_long_array_is_read_in_time_that_grows_with_its_length(tmp_path):
    rows = [{"text": "é" * 50, "id": i} for i in range(20_000)]
    assert read(tmp_path, json.dumps(rows, ensure_ascii=False), "a.json") == rows
