"""Every format: own cells as they are, the answers behind them, one file out of any number of parts."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import assert_refused
from made_streams import NEW, ListStream, answer

from classification.data.sources.json_decoder import NumberText
from classification.errors import UsageError
from classification.inference.answer_columns import AnswerColumn, AnswerColumns
from classification.inference.output_formats import (
    FORMATS,
    check_names,
    choose_format,
    format_of,
    make_format,
)

HOSTILE = [
    'he said "no"', '"', '""', "two\nlines", "a\r\nb", "carriage\rreturn", "\r", "tab\there", ",", ";,;", "=1+1", "-5",
    "@x", "'quoted", "nul\0here", "emoji 👩‍👩‍👧 \U0001f600", "e\u0301", " lead and trail ", "",
    "\ufeffmark", "\u2028line", "null", "NaN", "[1, 2", '{"a": 1}', "\\n", "\x1b[31m", "كلمة", "\ud83d",
    "1e400", "007", "x" * 5000,
]  # fmt: skip


def whole(name: str, stream: ListStream, answers=answer, new=NEW, **more) -> bytes:
    """The output as `joined` makes it of the parts."""
    written = make_format(name, stream, new, **more)
    parts = []
    for batch, columns in answers(stream.batches()):
        parts.append(io.BytesIO())
        written.write_part(parts[-1], batch, columns)
    handle = io.BytesIO()
    with format_of(json.loads(json.dumps(asdict(written.layout)))).joined(handle) as add:
        for part in parts:
            part.seek(0)
            add(part)
    return handle.getvalue()


def rows_of(name: str, content: bytes, delimiter: str = ",") -> list[dict]:
    if name in ("csv", "tsv"):
        return list(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))
    if name == "jsonl":
        return [json.loads(line) for line in content.decode().split("\n") if line]
    if name == "json":
        return json.loads(content)
    if name == "parquet":
        return pq.read_table(io.BytesIO(content)).to_pylist()
    return pa.ipc.open_file(io.BytesIO(content)).read_all().to_pylist()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_hostile_cells_come_back_unchanged_and_in_order(name, size):
    texts = [text for text in HOSTILE if text != "\ud83d"]
    stream = ListStream([{"id": str(i), "text": text, "b,c": text} for i, text in enumerate(texts)], size=size)
    rows = rows_of(name, whole(name, stream), "\t" if name == "tsv" else ",")
    assert [row["text"] for row in rows] == texts == [row["b,c"] for row in rows]
    assert list(rows[0]) == ["id", "text", "b,c", *NEW]
    expected = [columns for _, columns in answer(stream.batches())]
    assert [row["prediction"] for row in rows] == [value for each in expected for value in each.columns[0].values]


@pytest.mark.parametrize(("name", "kept"), [("csv", "\ufffd"), ("jsonl", "\ud83d"), ("json", "\ud83d")])
def test_half_of_a_character_does_not_end_the_run(name, kept):
    stream = ListStream(
        [{"text": "a \ud83d"}, {"text": "good é"}], kind="jsonl", schema=pa.schema([("text", pa.string())])
    )
    content = whole(name, stream)
    assert [row["text"] for row in rows_of(name, content)] == [f"a {kept}", "good é"]
    assert "good é" in content.decode()


def test_csv_keeps_the_delimiter_of_the_input():
    stream = ListStream([{"text": "a,b", "n": "1"}], delimiter=";")
    assert whole("csv", stream).splitlines()[0] == b"text;n;prediction;prob_neg;prob_pos;truncated"
    assert whole("csv", stream).splitlines()[1].startswith(b"a,b;1;")
    assert whole("tsv", stream).splitlines()[1].startswith(b"a,b\t1\t")


@pytest.mark.parametrize("name", ["jsonl", "json"])
def test_json_numbers_are_written_as_they_are(name):
    row = {
        "text": "a",
        "n": NumberText("1.10"),
        "big": NumberText("1e400"),
        "deep": {"x": [NumberText("-0"), None, True]},
    }
    content = whole(name, ListStream([row], kind="jsonl", schema=pa.schema([]))).decode()
    assert '"n": 1.10, "big": 1e400, "deep": {"x": [-0, null, true]}' in content


def test_json_values_become_cells_of_csv_as_json():
    row = {"text": "a", "n": NumberText("1.10"), "list": ["é", NumberText("1.0")], "none": None, "flag": True}
    assert whole("csv", ListStream([row], kind="jsonl", schema=pa.schema([]))).decode().splitlines()[1].startswith(
        'a,1.10,"[""é"", 1.0]",,True,'
    )  # fmt: skip


def test_a_json_row_keeps_the_keys_that_it_has():
    stream = ListStream([{"text": "a", "x": "1"}, {"text": "b"}, {"text": "c", "x": None}], kind="jsonl")
    rows = rows_of("jsonl", whole("jsonl", stream))
    assert ["x" in row for row in rows] == [True, False, True] and rows[2]["x"] is None


def test_empty_text_and_null_differ_where_the_format_can_say_so():
    stream = ListStream([{"text": ""}, {"text": None}], kind="jsonl", schema=pa.schema([("text", pa.string())]))
    for name in ("jsonl", "json", "parquet", "arrow"):
        assert [row["text"] for row in rows_of(name, whole(name, stream))] == ["", None]
    assert [row["text"] for row in rows_of("csv", whole("csv", stream))] == ["", ""]


TYPED = {
    "text": ["a", None, "c"], "n": pa.array([1, None, 2**60]), "f": pa.array([0.1, None, float("nan")], pa.float32()),
    "inf": [1e300, float("inf"), float("-inf")], "when": [datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)] * 3,
    "d": pa.array([1, 1000, None], pa.date32()), "exact": [Decimal("1.10"), None, Decimal("2.00")],
    "deep": [{"a": [1, None]}, None, {"a": []}], "nano": pa.array([1, 1000, None], pa.timestamp("ns")),
    "kind": pa.array(["x", "y", "x"]).dictionary_encode(), "flag": [True, False, None],
}  # fmt: skip


def typed_stream(size: int = 2, **columns) -> ListStream:
    table = pa.table(TYPED | columns)

    class Typed(ListStream):
        def batches(self):
            for batch in super().batches():
                object.__setattr__(batch, "table", lambda first=batch.first: table.slice(first, size))
                yield batch

    return Typed(table.to_pylist(), kind="parquet", size=size, schema=table.schema)


def test_parquet_keeps_types_and_their_metadata():
    stream = typed_stream()
    stream.schema = stream.schema.with_metadata({"huggingface": "{}"})
    table = pq.read_table(io.BytesIO(whole("parquet", stream)))
    for name, column in pa.table(TYPED).to_pydict().items():
        assert str(table.column(name).to_pylist()) == str(column), name
    assert table.schema.field("prob_pos").type == pa.float32() and table.schema.field("kind").type == TYPED["kind"].type
    assert pq.ParquetFile(io.BytesIO(whole("parquet", stream))).num_row_groups == 2


def test_arrow_has_values_in_the_place_of_categories():
    table = pa.ipc.open_file(io.BytesIO(whole("arrow", typed_stream()))).read_all()
    assert table.schema.field("kind").type == pa.string() and table.column("kind").to_pylist() == ["x", "y", "x"]


def test_typed_values_become_exact_text():
    first, second, third = rows_of("csv", whole("csv", typed_stream()))
    assert (first["f"], first["when"], first["d"], first["exact"]) == (
        "0.1",
        "2020-01-02T03:04:05+00:00",
        "1970-01-02",
        "1.10",
    )
    assert first["deep"] == '{"a": [1, null]}' and first["nano"] == "1970-01-01 00:00:00.000000001"
    assert (third["n"], third["f"], third["flag"], second["deep"]) == (str(2**60), "", "", "")
    lines = whole("jsonl", typed_stream()).decode().splitlines()
    assert '"f": 0.1' in lines[0] and '"exact": 1.10' in lines[0] and '"n": 1152921504606846976, "f": null' in lines[2]
    assert '"inf": 1e999' in lines[1] and json.loads(lines[2])["inf"] == float("-inf")


def test_bytes_and_unions_are_refused_by_name_before_anything_is_predicted():
    stream = typed_stream(raw=pa.array([{"b": b"\xff"}] * 3))
    for name in ("csv", "tsv", "jsonl", "json"):
        assert_refused([f"--format {name}", "column raw", "--format parquet"], make_format, name, stream, NEW)
    assert rows_of("parquet", whole("parquet", stream))[0]["raw"] == {"b": b"\xff"}
    union = pa.UnionArray.from_sparse(pa.array([0, 0, 0], pa.int8()), [pa.array([1, 2, 3])])
    assert_refused(["column mix", "--format jsonl"], make_format, "parquet", typed_stream(mix=union), NEW)


def test_rows_without_an_answer_are_empty_and_dropped_rows_are_gone():
    def partly(batches):
        for batch, _ in answer(batches):
            columns = (AnswerColumn("prediction", ["x", None]), AnswerColumn("p", np.array([0.5, np.nan]), "number"))
            yield batch, AnswerColumns(columns)

    def second_only(batches):
        for batch, _ in answer(batches):
            kept = np.array([1] if batch.number else [], np.int64)
            columns = (
                AnswerColumn("prediction", ["x"] * len(kept)),
                AnswerColumn("p", np.full(len(kept), 0.5), "number"),
            )
            yield batch, AnswerColumns(columns, kept)

    stream, new = ListStream([{"text": text} for text in "abcd"]), ("prediction", "p")
    for name in FORMATS:
        delimiter = "\t" if name == "tsv" else ","
        rows = rows_of(name, whole(name, stream, partly, new), delimiter)
        empty = ("", "") if name in ("csv", "tsv") else (None, None)
        assert [(row["prediction"], row["p"]) for row in rows][1::2] == [empty] * 2
        assert [row["text"] for row in rows_of(name, whole(name, stream, second_only, new), delimiter)] == ["d"]


def test_objects_are_json_text_or_typed():
    def nested(batches):
        for batch in batches:
            values = [["neg", 'p"os'], None][: len(batch)]
            chances = [{"neg": float(np.float32(0.1)), "é": np.float32(0.9)}, None][: len(batch)]
            columns = (
                AnswerColumn("prediction", values, "object", pa.list_(pa.string())),
                AnswerColumn("p", chances, "object"),
            )
            yield batch, AnswerColumns(columns)

    stream, new = ListStream([{"text": "a"}, {"text": "b"}]), ("prediction", "p")
    assert rows_of("csv", whole("csv", stream, nested, new))[0]["prediction"] == '["neg", "p\\"os"]'
    first, second = rows_of("parquet", whole("parquet", stream, nested, new))
    assert first["prediction"] == ["neg", 'p"os'] and json.loads(first["p"])["é"] == 0.9 and second["p"] is None
    assert '"é": 0.9}' in whole("jsonl", stream, nested, new).decode()


def test_csv_has_six_digits_and_json_the_whole_float32():
    def third(batches):
        for batch in batches:
            exact = AnswerColumn("n", np.array([1 / 3]), "number", pa.float64(), digits=None)
            yield batch, AnswerColumns((AnswerColumn("p", np.array([1 / 3], np.float32), "number"), exact))

    stream = ListStream([{"text": "a"}])
    assert whole("csv", stream, third, ("p", "n")).splitlines()[1] == b"a,0.333333,0.3333333333333333"
    assert b'"p": 0.33333334, "n": 0.3333333333333333' in whole("jsonl", stream, third, ("p", "n"))


def test_formulas_are_guarded_on_request_and_numbers_are_not():
    stream = ListStream([{"=h": "=1+1", "text": "+49 30", "n": "-5"}])
    plain, safe = whole("csv", stream), whole("csv", stream, safe=True)
    assert b"=1+1,+49 30,-5" in plain
    assert safe.startswith(b"'=h,text,n,") and b"'=1+1,'+49 30,-5," in safe


def test_a_taken_name_is_refused_with_a_prefix_that_works():
    assert_refused(["(prediction)", "--output_prefix predicted_"], check_names, ["text", "prediction"], NEW, "")
    own = ["text", "p_prediction", "predicted_prediction"]
    new = [f"p_{name}" for name in NEW]
    with pytest.raises(UsageError) as refused:
        check_names(own, new, "p_")
    prefix = str(refused.value).split()[-1]
    check_names(own, [prefix + name for name in NEW], prefix)


def test_the_format_is_that_of_the_flag_the_name_or_the_input():
    assert choose_format("parquet", "a.csv", "json") == "parquet" and choose_format(None, "a.TSV", "json") == "tsv"
    assert choose_format(None, "-", "text") == "csv" and choose_format(None, "-", "parquet") == "parquet"


def test_an_array_of_no_rows_is_an_empty_array():
    written = make_format("json", ListStream([{"text": "a"}]), NEW)
    handle = io.BytesIO()
    with written.joined(handle) as add:
        add(io.BytesIO())
    assert json.loads(handle.getvalue()) == []


def test_a_pipe_takes_every_format():
    class Pipe(io.RawIOBase):
        def __init__(self):
            self.content = b""

        def writable(self):
            return True

        def write(self, content):
            self.content += bytes(content)
            return len(content)

        def seek(self, *arguments):
            raise io.UnsupportedOperation

        tell = seek

    stream = ListStream([{"text": text} for text in "abc"])
    for name in FORMATS:
        written, pipe = make_format(name, stream, NEW), Pipe()
        with written.joined(pipe) as add:
            for batch, columns in answer(stream.batches()):
                part = io.BytesIO()
                written.write_part(part, batch, columns)
                part.seek(0)
                add(part)
        assert pipe.content == whole(name, stream), name


def test_a_probability_is_rounded_once():
    """0.5137255 is the shortest text of a float32 that is a little larger."""

    def one(batches):
        for batch in batches:
            yield batch, AnswerColumns((AnswerColumn("p", np.array([0.5137255], np.float32), "number"),))

    assert whole("csv", ListStream([{"text": "a"}]), one, ("p",)).splitlines()[1] == b"a,0.513726"
