"""Files read as a stream, as `predict.py` reads them, to be compared with what training reads."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from classification.data.sources import row_batches
from classification.data.sources.csv_stream import CsvStream
from classification.data.sources.data_files import DataFile
from classification.data.sources.json_stream import JsonStream
from classification.data.sources.row_batches import InputSource, RowStream
from classification.data.sources.row_streams import open_rows
from classification.errors import UsageError


def open_stream(file: DataFile, *, keep_bad_rows: bool = False) -> CsvStream | JsonStream:
    kind = JsonStream if file.kind == "json" else CsvStream
    return kind([file], InputSource(str(file.path), keep_bad_rows=keep_bad_rows), file.place)


def streamed(file: DataFile) -> list[dict]:
    """The rows of a CSV, TSV or JSON file in parts of two rows, with bad rows kept and without. Nothing is logged."""
    with parts_of(2), silence():
        stream, keeping = open_stream(file), open_stream(file, keep_bad_rows=True)
        tables = [batch.table() for batch in stream.batches()]
        again = [batch.table() for batch in keeping.batches()]
    assert all(table.schema.equals(stream.schema) for table in tables)
    assert again == tables and keeping.num_bad == 0 and keeping.identity == stream.identity
    return [row for table in tables for row in table.to_pylist()]


def stream_refusal(file: DataFile) -> str:
    """How a stream refuses a file. Where bad rows are kept, it is refused too, or has such rows."""
    with silence():
        with pytest.raises(UsageError) as refused:
            open_stream(file)
        with suppress(UsageError):
            assert open_stream(file, keep_bad_rows=True).num_bad > 0
    return str(refused.value)


@contextmanager
def parts_of(rows: int, characters: int = row_batches.PART_CHARACTERS) -> Iterator[None]:
    """Inside, a part has at most so many rows and characters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_batches, "PART_ROWS", rows)
        patch.setattr(row_batches, "PART_CHARACTERS", characters)
        yield


@contextmanager
def silence() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def open_input(path: object, **source: object) -> RowStream:
    """An input of `predict.py`."""
    return open_rows(InputSource(str(path), **source))


def read_input(path: object, **source: object) -> list[dict]:
    """All rows of an input."""
    with open_input(path, **source) as stream:
        return [row for batch in stream.batches() for row in batch.records()]


def read_bad_rows(path: object, **source: object) -> tuple[list[dict], dict[int, str]]:
    """All rows of an input whose bad rows are kept, and number of the row -> why it is bad."""
    with parts_of(2), open_input(path, keep_bad_rows=True, **source) as stream:
        batches = list(stream.batches())
    assert all(batch.table().schema.equals(stream.schema) for batch in batches)
    problems = {batch.first + i: problem for batch in batches for i, problem in batch.problems.items()}
    assert len(problems) == stream.num_bad
    return [row for batch in batches for row in batch.records()], problems


def refuse_input(path: object, **source: object) -> str:
    """How an input is refused: in one line that names it."""
    with pytest.raises(UsageError) as refused:
        read_input(path, **source)
    assert "\n" not in str(refused.value)
    return str(refused.value)
