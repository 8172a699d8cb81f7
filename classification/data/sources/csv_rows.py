"""The rows of a CSV or TSV file under one dialect, in one pass: an Arrow table of strings, or the first thing wrong."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from classification.data.sources.data_files import DataFile

if TYPE_CHECKING:
    from _csv import Reader

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
BATCH_ROWS = 2000  # a string array holds at most 2 GiB
LINE_END = re.compile("\r\n|\r|\n")
SPANS = 1000  # records over several lines that are remembered
FIELD_LIMIT = min(sys.maxsize, 2**31 - 1)  # a C long has 32 bits on Windows


@dataclass(frozen=True)
class Dialect:
    """What separates fields, and how they are written.

    Args:
        quoted: whether quotation marks around a field belong to the file and not to the text.
        skip: lines before the header that are no part of the table.
        pads: whether each row ends in one delimiter more than the header.
        spaced: whether spaces after a delimiter are no part of the field.
    """

    delimiter: str = ","
    quoted: bool = True
    skip: int = 0
    pads: bool = False
    spaced: bool = False


@dataclass
class Reading:
    """A file as one dialect reads it.

    Args:
        header: the fields of the first line that is not blank.
        rows: all rows, those with a wrong number of fields included.
        error: line and message of the first row that breaks the dialect or has a wrong number of fields.
        ragged, wider, padding: rows with a wrong number of fields; with one too many; with a blank one too many.
        is_short: whether the row of `error` has too few fields.
        row_delimiter: what separates the fields of the row of `error`, where it is another delimiter than that of the
            header.
        blank: blank lines between rows.
        opened, reasoned: fields that begin with a quotation mark; those of them that a writer would have quoted.
        quoted_by_column: column -> its fields in quotation marks.
        spaced_by_column: column -> its fields in which a quotation mark follows spaces.
        spans: first line and cells of each record over several lines, where every line has the fields of a row; the
            first ones, of `num_spans`.
        end: the last line that is read.
        mixed_line_ends: whether some lines end in a carriage return alone, and others do not.
    """

    dialect: Dialect
    header: list[str] = field(default_factory=list)
    table: pa.Table | None = None
    rows: int = 0
    error: tuple[int, str] | None = None
    ragged: int = 0
    wider: int = 0
    padding: int = 0
    is_short: bool = False
    row_delimiter: str | None = None
    blank: int = 0
    opened: int = 0
    reasoned: int = 0
    quoted_by_column: dict[int, int] = field(default_factory=dict)
    spaced_by_column: dict[int, int] = field(default_factory=dict)
    spans: list[tuple[int, list[list[str]]]] = field(default_factory=list)
    num_spans: int = 0
    end: int = 0
    mixed_line_ends: bool = False

    @property
    def is_valid(self) -> bool:
        return self.error is None and bool(self.header)

    def note_odd_row(self, row: list[str], line: int) -> None:
        """A row with a wrong number of fields."""
        width = len(self.header)
        self.rows += 1
        self.ragged += 1
        self.wider += len(row) == width + 1
        self.padding += len(row) == width + 1 and not row[-1].strip()
        if self.error is None:
            self.is_short = len(row) < width
            if len(row) == 1:
                self.row_delimiter = next((mark for mark in DELIMITERS if row[0].count(mark) == width - 1), None)
        self.error = self.error or (
            line,
            f"{len(row)} {'field' if len(row) == 1 else 'fields'} where the header has {width}",
        )

    def note_quotes(self, row: list[str]) -> None:
        """The fields of a row that begin with a quotation mark, where that is read as part of the text."""
        for column, cell in enumerate(row):
            if cell[:1] == '"':
                self.opened += 1
                self.reasoned += '""' in cell[1:-1] or "," in cell
                self.quoted_by_column[column] = self.quoted_by_column.get(column, 0) + 1

    def note_span(self, row: list[str], start: int) -> None:
        """A record over several lines, which swallowed rows if every line has the fields of a row."""
        mark, width = self.dialect.delimiter, len(self.header)
        lines = [[line] if width == 1 else line.split(mark) for line in LINE_END.split(mark.join(row))]
        if all(len(cells) == width for cells in lines):
            self.num_spans += 1
            if len(self.spans) < SPANS:
                self.spans.append((start, lines))

    def note_spaces(self, row: list[str]) -> None:
        """The fields of a row in which a quotation mark follows spaces."""
        for column, cell in enumerate(row):
            if cell[:1] == " " and cell.lstrip(" ")[:1] == '"':
                self.spaced_by_column[column] = self.spaced_by_column.get(column, 0) + 1


class Batches:
    """Rows of strings, kept as Arrow batches: Python lists take several times the memory."""

    def __init__(self, names: list[str]):
        self.schema = pa.schema([(name, pa.string()) for name in names])
        self.rows: list[list[str]] = []
        self.batches: list[pa.RecordBatch] = []

    def add(self, row: list[str]) -> None:
        self.rows.append(row)
        if len(self.rows) == BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            columns = [pa.array(column, pa.string()) for column in zip(*self.rows, strict=True)]
            self.batches.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
            self.rows.clear()

    def table(self) -> pa.Table:
        self.flush()
        return pa.Table.from_batches(self.batches, schema=self.schema)


@contextmanager
def any_field_size() -> Iterator[None]:
    """Inside, fields may have any length. The csv module has one limit for the whole process."""
    limit = csv.field_size_limit(FIELD_LIMIT)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def read_rows(file: DataFile, dialect: Dialect, *, build: bool = True) -> Reading:
    """Read a whole file.

    Args:
        build: whether to keep the rows as a table; without it, they are only counted.

    Raises:
        UsageError: the file cannot be unpacked or decoded.
    """
    reading = Reading(dialect)
    with file.text() as handle, any_field_size():
        for _ in range(dialect.skip):
            handle.readline()
        rows = csv.reader(
            handle,
            delimiter=dialect.delimiter,
            quoting=csv.QUOTE_MINIMAL if dialect.quoted else csv.QUOTE_NONE,
            skipinitialspace=dialect.spaced,
            strict=True,
        )
        try:
            reading.header = read_header(rows)
            reading.note_spaces(reading.header)
            reading.end = rows.line_num
            batches = Batches(column_names(reading.header)) if build else None
            take_rows(rows, reading, batches)
            if batches and reading.is_valid:
                reading.table = batches.table()
        except csv.Error as error:
            reading.error = reading.error or (dialect.skip + reading.end + 1, describe_quotes(error))
        ends = handle.newlines
    reading.mixed_line_ends = isinstance(ends, tuple) and "\r" in ends
    return reading


def read_header(rows: Iterator[list[str]]) -> list[str]:
    """The first row that is not blank; empty where there is none."""
    for row in rows:
        if any(cell.strip("\ufeff \t") for cell in row):
            return [row[0].lstrip("\ufeff"), *row[1:]]
    return []


def column_names(header: list[str]) -> list[str]:
    """The names as they are written; a column without one is an index of pandas and gets the name that pandas gives."""
    return [name if name.strip() else f"Unnamed: {i}" for i, name in enumerate(header)]


def take_rows(rows: Reader, reading: Reading, batches: Batches | None) -> None:
    """All rows after the header; `batches` gets them up to the first with a wrong number of fields."""
    width, dialect, blank = len(reading.header), reading.dialect, 0
    end = reading.end
    for row in rows:
        start, end = end + 1, rows.line_num
        if dialect.pads and len(row) == width + 1 and not row[-1].strip():
            row.pop()
        if len(row) == width:
            reading.rows += 1
            if end > start:
                reading.note_span(row, dialect.skip + start)
            if batches is not None:
                batches.add(row)
        elif not row or (len(row) == 1 and not row[0].strip()):
            blank += 1
            continue
        else:
            reading.note_odd_row(row, dialect.skip + start)
            batches = None
        if dialect.quoted:
            reading.note_spaces(row)
        else:
            reading.note_quotes(row)
        if blank:
            reading.blank, blank = reading.blank + blank, 0
        reading.end = end


def describe_quotes(error: csv.Error) -> str:
    """What is wrong with the quotation marks of a row."""
    if "unexpected end" in str(error):
        return "the quotation mark that opens a field is never closed"
    if "expected after" in str(error):
        return "text follows a closing quotation mark"
    return str(error)
