"""The objects of a JSON or JSON lines file, one by one, in whichever of the usual layouts they come."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

from classification.data.sources import json_document
from classification.data.sources.data_files import DataFile
from classification.data.sources.input_lines import InputLines, describe_bytes
from classification.data.sources.json_decoder import (
    BadRow,
    Decoder,
    describe_broken,
    half_character,
    is_json,
    repaired_value,
)
from classification.data.sources.json_document import FIX, Document
from classification.errors import UsageError
from classification.messages.shown_texts import column_title

logger = logging.getLogger(__name__)

ROW_LIST = "data"  # the usual key of the rows where a file is one object
REMEDY = "Write one object {...} per line."
LOOK_AHEAD = 100  # lines in which an object shows that a file with a broken first line is JSON lines
EXTRA = "Extra data"  # what the library says where a second value follows


def read_objects(file: DataFile, *, numbers_as_text: bool = False) -> Iterator[dict[str, Any]]:
    """The rows of a file: JSON lines, objects one after another, one array, or one object that holds the rows.

    Raises:
        UsageError: broken JSON, a value that is no object, or a key that repeats; names the line.
    """
    return JsonReading(file, numbers_as_text=numbers_as_text).rows()


@dataclass
class JsonReading:
    """How a file is read.

    Args:
        keep_bad_rows: whether a row that cannot be read comes as a `BadRow`, where the rows beside it can be told from
            it; else it is an error.
        announces: whether an unusual layout is logged.

    Attributes:
        layout: `lines` (or objects one after another), `array` or `object`; known once a row was read.
    """

    file: DataFile
    numbers_as_text: bool = False
    keep_bad_rows: bool = False
    announces: bool = True
    layout: str = ""

    def rows(self) -> Iterator[dict[str, Any]]:
        """See `read_objects`."""
        decoder = Decoder(numbers_as_text=self.numbers_as_text)
        with self.file.text(lenient=self.keep_bad_rows) as handle:
            number, line = 1, handle.readline(json_document.CHUNK)
            while line and not line.strip("\ufeff \t\r\n"):
                number += ends_line(line)
                line = handle.readline(json_document.CHUNK)
            line = line.lstrip("\ufeff")
            if line.lstrip().startswith("["):
                self.layout = "array"
                yield from self.array(Document(self.file, handle, line, number, decoder))
            elif line.lstrip().startswith("{") or (line and self.keep_bad_rows):
                line = line if ends_line(line) else line + handle.readline()
                yield from self.lines(handle, line, number, decoder)
            elif line:
                raise self.no_json(line, number)

    def no_json(self, line: str, number: int) -> UsageError:
        """The error for a file whose first line does not begin as JSON does."""
        remedy = f"for a CSV file pass {self.file.format_flag} csv" if self.file.format_flag else ""
        what = f"JSON; {remedy or 'a CSV file must end in .csv'}"
        return self.file.error(
            f"line {number} is not {'an object with named fields' if is_json(line) else what}. {REMEDY}"
        )

    def lines(self, handle: io.TextIOWrapper, line: str, number: int, decoder: Decoder) -> Iterator[dict[str, Any]]:
        """The objects of JSON lines; of the whole text, where the first line alone is no object."""
        self.layout = "lines"
        source = InputLines(handle, number - 1)
        following: list[str] = []
        try:
            value = decoder.decode(source.accept(line).rstrip())
        except json.JSONDecodeError as error:
            is_followed = error.msg.startswith(EXTRA) and line[error.pos :].lstrip().startswith("{")
            if self.keep_bad_rows and not is_followed:
                following = lines_to_object(handle)
            if not following or not is_object_line(following[-1]):
                if not line.lstrip().startswith("{"):
                    raise self.no_json(line, number) from error
                text = line + "".join(following)
                yield from self.sequence(Document(self.file, handle, text, number, decoder))
                return
            first: dict[str, Any] = BadRow(source.take_problem() or describe_broken(error, number))
        except (ValueError, RecursionError) as error:
            first = self.bad(source.take_problem() or describe_broken(error, number), FIX)
        else:
            first = self.checked(value, line, number, source.take_problem())
        others = chain(map(source.accept, following), source)
        yield from self.first_and_others(first, self.objects(others, source, decoder))

    def objects(self, lines: Iterator[str], source: InputLines, decoder: Decoder) -> Iterator[dict[str, Any]]:
        """The objects of the lines that are not blank."""
        for line in lines:
            problem = source.take_problem()
            if not line.strip():
                continue
            try:
                row = decoder.decode(line.rstrip())
            except (ValueError, RecursionError) as error:
                yield self.bad(problem or describe_broken(error, source.number), FIX)
                continue
            yield self.checked(row, line, source.number, problem)

    def array(self, document: Document) -> Iterator[dict[str, Any]]:
        """The objects of one array, which is read in parts."""
        document.peek()
        document.place += 1
        needs_comma = False
        while (character := document.peek()) != "]":
            if needs_comma:
                if character != ",":
                    raise broken_array(document, "a comma or ] is missing after a value")
                document.place += 1
                document.peek()
            value, text, line = document.value()
            yield self.checked(value, text, line)
            needs_comma = True
        document.place += 1
        if document.peek():
            raise broken_array(document, "text follows the end of the array")

    def sequence(self, document: Document) -> Iterator[dict[str, Any]]:
        """Objects one after another, each over any number of lines."""

        def values() -> Iterator[dict[str, Any]]:
            while document.peek():
                yield self.checked(*document.value())

        yield from self.first_and_others(next(rows := values()), rows)

    def first_and_others(self, first: dict[str, Any], others: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """All rows; where there is only one object, the rows that it holds."""
        second = next(others, None)
        if second is None and not isinstance(first, BadRow):
            self.layout = "object"
            yield from rows_of_object(self.file, first, logging.INFO if self.announces else logging.DEBUG)
            return
        yield first
        if second is not None:
            yield second
            yield from others

    def checked(self, row: Any, text: str, line: int, problem: str | None = None) -> dict[str, Any]:
        """A value as a row; it is bad where it is no object, or has half of a character in two parts.

        Args:
            text: that the value was read from. problem: what is wrong with its bytes, where that is known.
        """
        if not isinstance(row, dict):
            return self.bad(f"line {line} is not an object with named fields", REMEDY)
        if self.keep_bad_rows and not problem and not text.isascii():
            problem = describe_bytes(text, line)
            problem = problem and problem.partition(" (")[0]  # the text may begin inside the line
        if problem:
            return BadRow(problem, repaired_value(row))
        if "\\u" in text and (half := half_character(row)):
            return self.bad(f"line {line} has {half}, which is half of a character", "Remove it.", row)
        return row

    def bad(self, problem: str, remedy: str, known: dict[str, Any] | None = None) -> BadRow:
        if not self.keep_bad_rows:
            raise self.file.row_error(f"{problem}. {remedy}")
        return BadRow(problem, repaired_value(known or {}))


def ends_line(line: str) -> bool:
    return line.endswith(("\n", "\r"))


def lines_to_object(handle: io.TextIOWrapper) -> list[str]:
    """The next lines, up to the first that is an object by itself."""
    lines: list[str] = []
    while len(lines) < LOOK_AHEAD and (line := handle.readline()):
        lines.append(line)
        if is_object_line(line):
            break
    return lines


def is_object_line(line: str) -> bool:
    """Whether a line is an object that is no part of an indented one."""
    return line.startswith("{") and is_json(line)


def broken_array(document: Document, problem: str) -> UsageError:
    return document.file.error(f"line {document.line_at(document.place)} is not JSON ({problem}). {FIX}")


def rows_of_object(file: DataFile, value: dict[str, Any], level: int) -> Iterator[dict[str, Any]]:
    """The rows of a file that is one object: its list `data` or its only list of objects, its columns, or itself."""
    columns = list(value.values())
    usual = file.row_list or ROW_LIST
    lists = [key for key, rows in value.items() if is_object_list(rows) and (key == usual or len(value) == 1)]
    if lists:
        logger.log(level, "data         %s: the rows are its list '%s'", file.place, column_title(lists[0]))
        yield from value[lists[0]]
    elif columns and all(is_numbered(column) and column.keys() == columns[0].keys() for column in columns):
        logger.log(level, "data         %s: one object per column, as pandas writes it", file.place)
        for row in columns[0]:
            yield {name: column[row] for name, column in value.items()}
    elif columns and all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        logger.log(level, "data         %s: one list per column", file.place)
        for cells in zip(*columns, strict=True):
            yield dict(zip(value, cells, strict=True))
    else:
        yield value


def is_object_list(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)


def is_numbered(column: Any) -> bool:
    """Whether a value is an object whose keys are numbers, as those of a column that pandas wrote."""
    return isinstance(column, dict) and all(key.isdecimal() for key in column)
