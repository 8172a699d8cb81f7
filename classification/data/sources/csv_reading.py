"""A CSV or TSV file as one dialect reads it: its header, its odd rows, and what its quotation marks and spaces show."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pyarrow as pa

from classification.data.sources.csv_facts import TableFacts

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
LINE_END = re.compile("\r\n|\r|\n")
SPANS = 1000  # records over several lines that are remembered


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


class OddRow(list[str | None]):
    """A row that cannot be read: the cells that are known, as many as the header has, and why."""

    def __init__(self, cells: list[str], width: int, problem: str, delimiter: str):
        rest = [delimiter.join(cells[width - 1 :])] if len(cells) > width else []
        known: list[str | None] = [*cells[: width - len(rest)], *rest]
        super().__init__(known + [None] * (width - len(known)))
        self.problem = problem


class BrokenRow(list[str]):
    """In the place of a row whose quotation marks are broken."""

    def __init__(self, problem: str):
        super().__init__()
        self.problem = problem


@dataclass
class Reading:
    """A file as one dialect reads it.

    Args:
        odd_share: the share of rows that may be odd, where odd rows are read as such and bytes that are not UTF-8 are
            replaced; None where one odd row is an error.
        header: the fields of the first line that is not blank.
        facts: about all rows, where the reading is valid; table: the rows, where it is asked for.
        rows: all rows, those with a wrong number of fields included.
        error: line and message of the first row that breaks the dialect or has a wrong number of fields.
        breaks_quotes: whether the row of `error` has a quotation mark that is not closed, or text after one.
        num_bad: rows that do not fit or have bytes that are not UTF-8; first_problem: of the first one.
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
    odd_share: float | None = None
    header: list[str] = field(default_factory=list)
    facts: TableFacts | None = None
    table: pa.Table | None = None
    rows: int = 0
    error: tuple[int, str] | None = None
    breaks_quotes: bool = False
    num_bad: int = 0
    first_problem: str | None = None
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
    def keeps_odd_rows(self) -> bool:
        return self.odd_share is not None

    @property
    def is_valid(self) -> bool:
        return self.error is None and bool(self.header) and self.ragged <= (self.odd_share or 0) * self.rows

    def take(self, row: list[str], line: int, lines: int) -> list[str] | OddRow:
        """Count a row that begins in `line`, and note what is special about it.

        Returns:
            The row itself, or an `OddRow` where it does not fit.
        """
        self.rows += 1
        if isinstance(row, BrokenRow):
            self.ragged += 1
            return OddRow([], len(self.header), f"line {line}: {row.problem}", "")
        if self.dialect.quoted:
            self.note_spaces(row)
        else:
            self.note_quotes(row)
        if len(row) != len(self.header):
            return self.note_odd_row(row, line)
        if lines > 1:
            self.note_span(row, line)
        return row

    def note_odd_row(self, row: list[str], line: int) -> OddRow:
        """A row with a wrong number of fields."""
        width = len(self.header)
        self.ragged += 1
        self.wider += len(row) == width + 1
        self.padding += len(row) == width + 1 and not row[-1].strip()
        problem = f"{len(row)} {'field' if len(row) == 1 else 'fields'} where the header has {width}"
        if self.error is None and not self.keeps_odd_rows:
            self.is_short = len(row) < width
            if len(row) == 1:
                self.row_delimiter = next((mark for mark in DELIMITERS if row[0].count(mark) == width - 1), None)
            self.error = (line, problem)
        return OddRow(row, width, f"line {line} has {problem}", self.dialect.delimiter)

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
            if len(self.spans) < (SPANS if width > 1 else 1):  # without another column no value shows what is a row
                self.spans.append((start, lines))

    def note_spaces(self, row: list[str]) -> None:
        """The fields of a row in which a quotation mark follows spaces."""
        for column, cell in enumerate(row):
            if cell[:1] == " " and cell.lstrip(" ")[:1] == '"':
                self.spaced_by_column[column] = self.spaced_by_column.get(column, 0) + 1
