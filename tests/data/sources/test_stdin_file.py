"""Rows from a pipe: the kind is found and said, and the copy is removed also after an error."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tempfile
import threading

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from stream_parity import open_input, read_bad_rows, read_input, refuse_input

from classification.data.sources import stdin_file


@pytest.fixture
def pipe(monkeypatch, tmp_path):
    """A function that puts bytes into stdin. At the end no copy is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def feed(content: bytes) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        return "-"

    yield feed
    assert not list(tmp_path.glob("predict_input_*"))


def parquet_bytes() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a", "b"]}), sink)
    return sink.getvalue()


def arrow_bytes() -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("text", pa.string())])) as writer:
        writer.write_table(pa.table({"text": ["a", "b"]}))
    return sink.getvalue().to_pybytes()


KINDS = {
    "text": (b"a\nb\n", "text"),
    "text in brackets": (b"[a]\n{b}\n", "text"),
    "lines of JSON": (b'\n{"text": "a"}\n{"text": "b"}\n', "jsonl"),
    "indented objects": (b'{\n "text": "a"\n}\n{\n "text": "b"\n}\n', "jsonl"),
    "an array": (b'[\n {"text": "a"}, {"text": "b"}]', "json"),
    "packed lines": (gzip.compress(b'{"text": "a"}\n{"text": "b"}\n'), "jsonl"),
    "packed text": (gzip.compress(b"a\nb\n"), "text"),
    "UTF-16": ("a\nb\n".encode("utf-16"), "text"),
    "Parquet": (parquet_bytes(), "parquet"),
    "Arrow": (arrow_bytes(), "arrow"),
}


@pytest.mark.parametrize("case", KINDS)
def test_the_kind_is_found_by_the_first_bytes_and_said_in_one_line(case, pipe, caplog):
    content, kind = KINDS[case]
    caplog.set_level("INFO")
    with open_input(pipe(content)) as stream:
        assert stream.kind == kind and stream.num_rows == 2 and stream.place == "INPUT -"
        rows = [row["text"] for batch in stream.batches() for row in batch.records()]
    assert rows == (["[a]", "{b}"] if "brackets" in case else ["a", "b"])
    assert [record.message for record in caplog.records if f"INPUT -: read as {kind}" in record.message]


@pytest.mark.parametrize(("kind", "content"), [("csv", b"text,n\na,1\n"), ("tsv", b"text\tn\na\t1\n"),
                                               ("text", b"{"), ("jsonl", b'{"text": "a", "n": "1"}')])  # fmt: skip
def test_a_kind_that_is_given_is_used(kind, content, pipe):
    rows = read_input(pipe(content), kind=kind)
    assert rows == ([{"text": "{"}] if kind == "text" else [{"text": "a", "n": "1"}])


REFUSED = {
    "nothing": (b"", None, "nothing came in"),
    "a PDF document": (b"%PDF-1.4\n", None, "is a PDF document"),
    "other bytes": (bytes(range(256)) * 9, None, "is binary"),
    "JSON as CSV": (b'{"text": "a"}\n', "csv", "Pass --input_format jsonl"),
    "CSV as JSON": (b"text\na\n", "jsonl", "pass --input_format csv"),
    "text as Parquet": (b"text\na\n", "parquet", "cannot be read as parquet"),
    "Parquet as text": (parquet_bytes(), "text", "Leave --input_format out"),
    "a cut archive": (gzip.compress(b"abc\n" * 9999)[:-9], None, "gzip file is broken"),
    "cut Parquet": (parquet_bytes()[:-9], None, "cannot be read as parquet"),
    "a broken line": (b'{"text": "a"}\n{\n', None, "line 2 is not JSON"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_names_stdin_and_leaves_no_copy(case, pipe):
    content, kind, words = REFUSED[case]
    assert words in refuse_input(pipe(content), kind=kind)


def test_an_error_while_rows_are_used_leaves_no_copy(pipe):
    with pytest.raises(KeyboardInterrupt), open_input(pipe(b"a\nb\n")) as stream:
        for _ in stream.batches():
            raise KeyboardInterrupt


def test_bad_rows_of_a_pipe_are_kept(pipe):
    rows, problems = read_bad_rows(pipe(b'{"text": \n{"text": "b"}\n'))
    assert rows == [{}, {"text": "b"}] and list(problems) == [0]


def test_a_closed_stdin_and_a_full_disk_are_explained(pipe, monkeypatch):
    pipe(b"a\n")
    monkeypatch.setattr(
        stdin_file.shutil, "copyfileobj", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    assert "No space left). Name a folder with room in the variable TMPDIR" in refuse_input("-")
    monkeypatch.setattr(sys, "stdin", None)
    assert "stdin is closed" in refuse_input("-")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_named_pipe_can_be_read_only_once_and_is_copied(pipe, tmp_path):
    path = tmp_path / "fifo.csv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("a\nb\n",))
    writer.start()
    assert read_input(path) == [{"text": "a"}, {"text": "b"}]
    writer.join()
