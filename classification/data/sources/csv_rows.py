"""The rows of a CSV or TSV file under one dialect: one after another, or all in an Arrow table of strings."""

from __future__ import annotations

import csv
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from classification.data.sources.csv_facts import Batches
from classification.data.sources.csv_reading import BrokenRow, Dialect, OddRow, Reading
from classification.data.sources.data_files import DataFile
from classification.data.sources.input_lines import InputLines

if TYPE_CHECKING:
    from _csv import Reader

FIELD_LIMIT = min(sys.maxsize, 2**31 - 1)  # a C long has 32 bits on Windows


class FieldLimit:
    """The csv module has one limit of the length of fields for the whole process."""

    lock = threading.Lock()
    users = 0
    usual = 0


@contextmanager
def any_field_size() -> Iterator[None]:
    """Inside, fields may have any length, also where several threads read files."""
    with FieldLimit.lock:
        if FieldLimit.users == 0:
            FieldLimit.usual = csv.field_size_limit(FIELD_LIMIT)
        FieldLimit.users += 1
    try:
        yield
    finally:
        with FieldLimit.lock:
            FieldLimit.users -= 1
            if FieldLimit.users == 0:
                csv.field_size_limit(FieldLimit.usual)


def read_rows(file: DataFile, dialect: Dialect, *, build: bool = True, odd_share: float | None = None) -> Reading:
    """Read a whole file.

    Args:
        build: whether to keep the rows as a table; without it, memory does not grow with them.
        odd_share: see `Reading`.

    Raises:
        UsageError: the file cannot be unpacked or decoded.
    """
    reading = Reading(dialect, odd_share)
    batches = None
    with any_field_size():
        for row in stream_rows(file, reading):
            if batches is None:
                batches = Batches(reading.header, column_names(reading.header), build=build)
            if isinstance(row, OddRow):
                reading.num_bad += 1
                reading.first_problem = reading.first_problem or row.problem
            elif reading.error is None:
                batches.add(row)
    if reading.is_valid:
        batches = batches or Batches(reading.header, column_names(reading.header), build=build)
        batches.flush()
        reading.facts, reading.table = batches.facts, batches.table()
    return reading


def stream_rows(file: DataFile, reading: Reading) -> Iterator[list[str] | OddRow]:
    """The rows under the dialect of `reading`, which is filled meanwhile. Needs `any_field_size`.

    Odd rows come where the reading keeps them. After an error, rows are counted and do not come any more.
    """
    dialect = reading.dialect
    with file.text(lenient=reading.keeps_odd_rows) as handle:
        for _ in range(dialect.skip):
            handle.readline()
        lines = InputLines(handle, dialect.skip)
        rows = csv.reader(
            lines if reading.keeps_odd_rows else handle,
            delimiter=dialect.delimiter,
            quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
            skipinitialspace=dialect.spaced,
            strict=True,
        )
        try:
            reading.header = read_header(rows)
            reading.note_spaces(reading.header)
            reading.end = rows.line_num
            if problem := lines.take_problem():
                raise file.error(f"{problem}, in the column names. Write the file anew as UTF-8.")
            yield from take_rows(rows, reading, lines)
        except csv.Error as error:
            reading.breaks_quotes = reading.error is None
            reading.error = reading.error or (dialect.skip + reading.end + 1, describe_quotes(error))
        ends = handle.newlines
    reading.mixed_line_ends = isinstance(ends, tuple) and "\r" in ends


def read_header(rows: Iterator[list[str]]) -> list[str]:
    """The first row that is not blank; empty where there is none."""
    for row in rows:
        if any(cell.strip("\ufeff \t") for cell in row):
            return [row[0].lstrip("\ufeff"), *row[1:]]
    return []


def column_names(header: list[str]) -> list[str]:
    """The names as they are written; a column without one is an index of pandas and gets the name that pandas gives."""
    return [name if name.strip() else f"Unnamed: {i}" for i, name in enumerate(header)]


def take_rows(rows: Reader, reading: Reading, lines: InputLines) -> Iterator[list[str] | OddRow]:
    """All rows after the header; see `stream_rows`."""
    width, dialect, blank = len(reading.header), reading.dialect, 0
    end = reading.end
    for row in parsed_rows(rows, lines) if reading.keeps_odd_rows else rows:
        start, end = end + 1, rows.line_num
        if dialect.pads and len(row) == width + 1 and not row[-1].strip():
            row.pop()
        if len(row) != width and is_blank(row):
            blank += 1
            continue
        reading.blank, blank = reading.blank + blank, 0
        reading.end = end
        taken = reading.take(row, dialect.skip + start, end - start + 1)
        if not reading.keeps_odd_rows:
            if taken is row:
                yield row
        elif (problem := lines.take_problem()) and taken is row:
            yield OddRow(row, width, problem, dialect.delimiter)
        else:
            yield taken


def is_blank(row: list[str]) -> bool:
    """Whether a row comes from a line without anything but spaces."""
    return not isinstance(row, BrokenRow) and (not row or (len(row) == 1 and not row[0].strip()))


def parsed_rows(rows: Reader, lines: InputLines) -> Iterator[list[str]]:
    """Rows; in the place of one whose quotation marks are broken, a `BrokenRow`.

    Raises:
        csv.Error: the broken row may go on in the next line, so that nobody knows where the next row begins.
    """
    end = rows.line_num
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if rows.line_num > end + 1 or lines.last.count('"') % 2:
                raise
            row = BrokenRow(describe_quotes(error))
        end = rows.line_num
        yield row


def describe_quotes(error: csv.Error) -> str:
    """What is wrong with the quotation marks of a row."""
    if "unexpected end" in str(error):
        return "the quotation mark that opens a field is never closed"
    if "expected after" in str(error):
        return "text follows a closing quotation mark"
    return str(error)
