"""JSON streams: a broken line costs itself alone, an array is read in parts, numbers stay as they are written."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet
import pytest
from stream_parity import open_input, parts_of, read_bad_rows, read_input, refuse_input

from classification.data.sources import json_document
from classification.data.sources.json_decoder import NumberText

GOOD = '{"text": "a", "n": 1.50}\n'
BAD = {  # bad line -> what is said about line 2, what is kept
    "broken": ('{"text": ', "line 2 is not JSON (Expecting value at column 9)", {}),
    "two objects": ('{"text": "a"} {"text": "b"}', "line 2 is not JSON (Extra data at column 15)", {}),
    "a list": ('["a"]', "line 2 is not an object with named fields", {}),
    "null": ("null", "line 2 is not an object with named fields", {}),
    "half a character": ('{"text": "x\\ud83d"}', "line 2 has \\ud83d, which is half of a character",
                         {"text": "x\ufffd"}),
    "a repeated key": ('{"text": "a", "text": "b"}', "line 2: the key 'text' occurs twice in one object", {}),
    "a deep nest": ('{"text": ' + "[" * 100_000, "line 2: the values are nested too deeply", {}),
    "another byte": (b'{"text": "x\xff", "n": 2.0}', "line 2 is not valid UTF-8 (byte 12 of the line)",
                     {"text": "x\ufffd", "n": "2.0"}),
    "broken, and another byte": (b'{"text": "\xff', "line 2 is not valid UTF-8 (byte 11 of the line)", {}),
}  # fmt: skip


def write(tmp_path, content: str | bytes, name: str = "a.jsonl"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return tmp_path / name


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_named_and_the_others_are_whole(case, tmp_path):
    line, problem, kept = BAD[case]
    line = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path, GOOD.encode() + line + b"\n" + GOOD.encode() * 2)
    rows, problems = read_bad_rows(path)
    good = {"text": "a", "n": "1.50"}
    assert rows == [good, kept, good, good] and problems == {1: problem}
    assert problem.split(" (")[0] in refuse_input(path)


@pytest.mark.parametrize("case", [case for case in BAD if case != "two objects"])
def test_the_first_line_may_be_the_bad_one(case, tmp_path):
    line, problem, kept = BAD[case]
    line = line if isinstance(line, bytes) else line.encode()
    if case == "a list":  # the file is taken for an array
        return
    rows, problems = read_bad_rows(write(tmp_path, b"\n" + line + b"\n" + GOOD.encode() * 2))
    assert rows[0] == kept and len(rows) == 3 and problems == {0: problem}


def test_objects_over_several_lines_are_no_broken_lines(tmp_path):
    rows = [{"labels": [{"name": "x"}, {"name": "y"}], "text": "a"}, {"labels": [], "text": "b"}]
    path = write(tmp_path, "\n".join(json.dumps(row, indent=1) for row in rows))
    assert read_bad_rows(path) == (rows, {})
    path = write(tmp_path, '{"labels": [\n {"name": "x"}\n ]\n}\n' * 2)
    assert read_bad_rows(path) == ([{"labels": [{"name": "x"}]}] * 2, {})


ARRAY = '[{"text": "a"},\n{"text": "x\\ud83d"},\n3,\n{"text": "b"}]'


def test_a_value_of_an_array_that_is_no_row_is_kept_as_a_bad_row(tmp_path):
    rows, problems = read_bad_rows(write(tmp_path, ARRAY, "a.json"))
    assert rows == [{"text": "a"}, {"text": "x\ufffd"}, {}, {"text": "b"}]
    assert problems == {1: "line 2 has \\ud83d, which is half of a character",
                        2: "line 3 is not an object with named fields"}  # fmt: skip
    rows, problems = read_bad_rows(write(tmp_path, b'[{"text": "a"},\n{"text": "\xff"}]', "a.json"))
    assert rows[1] == {"text": "\ufffd"} and problems == {1: "line 2 is not valid UTF-8"}


@pytest.mark.parametrize(
    ("content", "words"),
    [('[{"text": "a"},\n{"text": "b"', "line 2 is not JSON"), ('[{"text": "a"}\n{"text": "b"}]', "a comma or ]"),
     ('[{"text": "a"},\n{"text": "a" "b"},\n{"text": "c"}]', "line 2 is not JSON"),
     ('{"text": "a"\n', "line 2 is not JSON"), ("text,label\na,b\n", "pass --input_format csv"),
     ("x\ny\n", "line 1 is not JSON"), ("1\n2\n", "no row can be read; line 1 is not an object")],
)  # fmt: skip
def test_a_broken_array_and_what_is_no_json_are_refused_also_where_bad_rows_are_kept(content, words, tmp_path):
    assert words in refuse_input(write(tmp_path, content), keep_bad_rows=True)


def test_a_broken_array_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(json_document, "CHUNK", 1000)
    reads = []
    read = io.TextIOWrapper.read
    monkeypatch.setattr(json_document.Document, "read_more", lambda self: reads.append(1) or read_more(self))

    def read_more(document):
        more = read(document.handle, 1000)
        document.text, document.place, document.counted = document.text[document.place :] + more, 0, 0
        return bool(more)

    path = write(tmp_path, '[{"text": "a" "b"}, ' + '{"text": "c"}, ' * 10_000, "a.json")
    assert "is not JSON" in refuse_input(path) and len(reads) < 5


def test_numbers_and_nested_values_stay_as_they_are_written(tmp_path):
    line = '{"id": 12345678901234567890123, "x": 1.500, "y": 1e400, "z": -0.0, "in": {"deep": [1.10, null, true]}}\n'
    (row,) = read_input(write(tmp_path, line))
    assert (row["id"], row["x"], row["y"], row["z"]) == ("12345678901234567890123", "1.500", "1e400", "-0.0")
    assert isinstance(row["x"], NumberText) and row["in"] == {"deep": ["1.10", None, True]}


COLUMNS = {  # values -> type, values of `column`
    "numbers": (["1", "2.5"], pa.float64(), [1.0, 2.5]),
    "whole numbers": (["1", "null"], pa.int64(), [1, None]),
    "texts and numbers": (['"a"', "1.50"], pa.string(), ["a", "1.50"]),
    "texts and lists": (['"a"', '["b", 1.0]'], pa.string(), ["a", ["b", "1.0"]]),
    "large numbers and fractions": (["9007199254740993", "2.5"], pa.string(), ["9007199254740993", "2.5"]),
    "objects": (['{"a": 1}', '{"b": "x"}'], pa.struct([("a", pa.int64()), ("b", pa.string())]),
                [{"a": 1, "b": None}, {"a": None, "b": "x"}]),
    "objects without fields": (["{}", "{}"], pa.string(), [{}, {}]),
    "lists of objects without fields": (["[{}]", "[]"], pa.string(), [[{}], []]),
    "nothing": (["null", "null"], pa.null(), [None, None]),
}  # fmt: skip


@pytest.mark.parametrize("rows", [1, 8192])
@pytest.mark.parametrize("case", COLUMNS)
def test_a_column_has_one_type_that_parquet_can_hold(case, rows, tmp_path):
    values, kind, expected = COLUMNS[case]
    with parts_of(rows), open_input(write(tmp_path, "".join(f'{{"v": {value}}}\n' for value in values))) as stream:
        batches = list(stream.batches())
    assert stream.schema.field("v").type == kind
    assert [value for batch in batches for value in batch.column("v")] == expected
    pyarrow.parquet.write_table(pa.concat_tables(batch.table() for batch in batches), io.BytesIO())


def test_the_layout_decides_whether_the_kind_is_lines(tmp_path):
    for content, name, kind in [
        (GOOD * 2, "a.json", "jsonl"), ("[" + GOOD + "]", "a.jsonl", "json"), (GOOD, "b.jsonl", "jsonl"),
        (GOOD, "b.json", "json"), ('{"data": [' + GOOD + "]}", "c.json", "json"),
        (json.dumps({"text": "a"}, indent=1) * 2, "d.json", "jsonl"),
    ]:  # fmt: skip
        assert open_input(write(tmp_path, content, name)).kind == kind


def test_what_is_said_about_a_layout_is_said_once(tmp_path, caplog):
    caplog.set_level("INFO")
    read_input(write(tmp_path, json.dumps({"data": [{"text": 1}, {"text": 2.5}]})))
    assert caplog.text.count("the rows are its list 'data'") == 1
