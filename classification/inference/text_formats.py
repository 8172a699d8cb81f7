"""Outputs that are text: CSV, TSV, JSON lines, and one JSON array."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, TextIO

from classification.data.formula_cells import guarded_names
from classification.data.sources.row_batches import RowBatch
from classification.inference.answer_columns import AnswerColumn, AnswerColumns
from classification.inference.format_protocol import OutputFormat
from classification.inference.value_texts import csv_text, json_text


class CsvFormat(OutputFormat):
    """UTF-8, a header, and line ends of one character."""

    def write_part(self, handle: BinaryIO, batch: RowBatch, answers: AnswerColumns) -> None:
        new = [column_cells(column) for column in answers.columns]
        own = self.layout.own
        rows = ([csv_text(row.get(name)) for name in own] for row in self.rows(batch, answers))
        self.write_rows(handle, ([*cells, *more] for cells, *more in zip(rows, *new, strict=True)))

    def write_rows(self, handle: BinaryIO, rows: Iterable[list[str]]) -> None:
        text = io.StringIO(newline="")
        write_cells(text, map(guarded_names, rows) if self.layout.safe else rows, self.layout.delimiter)
        handle.write(text.getvalue().encode())

    @contextmanager
    def joined(self, handle: BinaryIO) -> Iterator[Callable[[BinaryIO], None]]:
        names = [csv_text(name) for name in (*self.layout.own, *self.layout.new)]
        self.write_rows(handle, [names])
        yield lambda part: shutil.copyfileobj(part, handle)


class JsonLinesFormat(OutputFormat):
    """One object per line."""

    between = "\n"
    end = "\n"

    def write_part(self, handle: BinaryIO, batch: RowBatch, answers: AnswerColumns) -> None:
        names = answers.names
        new = [column.python_values() for column in answers.columns]
        more = zip(*new, strict=True)
        rows = zip(self.rows(batch, answers), more, strict=True)
        lines = [json_text({**row, **dict(zip(names, values, strict=True))}) for row, values in rows]
        handle.write((self.between.join(lines) + (self.end if lines else "")).encode())

    @contextmanager
    def joined(self, handle: BinaryIO) -> Iterator[Callable[[BinaryIO], None]]:
        yield lambda part: shutil.copyfileobj(part, handle)


class JsonArrayFormat(JsonLinesFormat):
    """One array with one object per line."""

    between = ",\n"
    end = ""

    @contextmanager
    def joined(self, handle: BinaryIO) -> Iterator[Callable[[BinaryIO], None]]:
        handle.write(b"[")
        is_first = True

        def add(part: BinaryIO) -> None:
            nonlocal is_first
            beginning = part.read(1 << 16)
            if beginning:  # all rows of a part may have been left out
                handle.write((b"\n" if is_first else b",\n") + beginning)
                shutil.copyfileobj(part, handle)
                is_first = False

        yield add
        handle.write(b"\n]\n")


def write_cells(handle: TextIO, rows: Iterable[Sequence[str]], delimiter: str) -> None:
    """Write rows of CSV; a cell is in quotation marks only where it needs them."""
    usual = csv.writer(handle, delimiter=delimiter, lineterminator="\n")
    quoting = csv.writer(handle, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for cells in rows:
        # The library leaves a carriage return without quotation marks; readers would end the row there.
        (quoting if any("\r" in cell for cell in cells) else usual).writerow(cells)


def column_cells(column: AnswerColumn) -> Sequence[str]:
    """The cells of a new column."""
    if column.kind == "number" and column.digits is not None:
        return [number_cell(value, column.digits) for value in column.values]
    if column.kind == "object":
        return ["" if value is None else json_text(value) for value in column.python_values()]
    return [csv_text(value) for value in column.python_values()]


def number_cell(value: Any, digits: int) -> str:
    """A number is rounded once: its shortest digits may end in a 5 that its value does not have."""
    return "" if value is None or value != value else f"{float(value):.{digits}f}"
