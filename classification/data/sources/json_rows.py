"""The objects of a JSON or JSON lines file, one by one, in whichever of the usual layouts they come."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

from classification.data.sources.data_files import DataFile
from classification.errors import UsageError
from classification.shown_texts import column_title

logger = logging.getLogger(__name__)

CHUNK = 1 << 20  # characters that are read at a time from an array
ROW_LIST = "data"  # the usual key of the rows where a file is one object
REMEDY = "Write one object {...} per line."


class NumberText(str):
    """A JSON number as it is written."""

    __slots__ = ()


class Decoder(json.JSONDecoder):
    """JSON in which no key repeats. NaN is a missing value, as pandas writes it.

    Args:
        numbers_as_text: whether numbers become `NumberText`.
    """

    def __init__(self, *, numbers_as_text: bool = False):
        numbers = {"parse_int": NumberText, "parse_float": NumberText} if numbers_as_text else {}
        super().__init__(object_pairs_hook=unique_keys, parse_constant=read_constant, strict=False, **numbers)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {column_title(repeated)!r} occurs twice in one object")
    return row


def read_constant(name: str) -> float | None:
    return None if name == "NaN" else float(name)


def read_objects(file: DataFile, *, numbers_as_text: bool = False) -> Iterator[dict[str, Any]]:
    """The rows of a file: JSON lines, objects one after another, one array, or one object that holds the rows.

    Raises:
        UsageError: broken JSON, a value that is no object, or a key that repeats; names the line.
    """
    decoder = Decoder(numbers_as_text=numbers_as_text)
    with file.text() as handle:
        number, line = 1, handle.readline(CHUNK)
        while line and not line.strip("\ufeff \t\r\n"):
            number += ends_line(line)
            line = handle.readline(CHUNK)
        line = line.lstrip("\ufeff")
        if line.lstrip().startswith("["):
            yield from read_array(file, Document(file, handle, line, number, decoder))
        elif line.lstrip().startswith("{"):
            yield from read_lines(file, handle, line if ends_line(line) else line + handle.readline(), number, decoder)
        elif line:
            what = "an object with named fields" if is_json(line) else "JSON; a CSV file must end in .csv"
            raise file.error(f"line {number} is not {what}. {REMEDY}")


def ends_line(line: str) -> bool:
    return line.endswith(("\n", "\r"))


def read_lines(
    file: DataFile, handle: io.TextIOWrapper, line: str, number: int, decoder: Decoder
) -> Iterator[dict[str, Any]]:
    """The objects of JSON lines; of the whole text, where the first line alone is no object."""
    try:
        first = decoder.decode(line)
    except json.JSONDecodeError:
        yield from read_sequence(file, Document(file, handle, line + handle.read(), number, decoder))
        return
    except (ValueError, RecursionError) as error:
        raise file.error(describe_broken(error, number)) from error
    check_object(file, first, line, number)
    count = 1
    for line in handle:
        number += 1
        if not line.strip():
            continue
        if count == 1:
            yield first
        count += 1
        try:
            row = decoder.decode(line.rstrip())
        except (ValueError, RecursionError) as error:
            raise file.error(describe_broken(error, number)) from error
        check_object(file, row, line, number)
        yield row
    if count == 1:
        yield from rows_of_object(file, first)


def check_object(file: DataFile, row: Any, line: str, number: int) -> None:
    """Raise a UsageError for a value that is no object, or that has half of a character in two parts."""
    if not isinstance(row, dict):
        raise file.error(f"line {number} is not an object with named fields. {REMEDY}")
    if "\\u" in line:
        try:
            json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = ascii(error.object[error.start])[1:-1]
            raise file.error(f"line {number} has {half}, which is half of a character. Remove it.") from error


class Document:
    """JSON values in a text that is read in parts."""

    def __init__(self, file: DataFile, handle: io.TextIOWrapper, text: str, line: int, decoder: Decoder):
        self.file, self.handle, self.text, self.decoder = file, handle, text, decoder
        self.place = 0
        self.counted, self.lines = 0, line  # place up to which line ends are counted, and the line there

    def line_at(self, place: int) -> int:
        """The line of a place in the text that is not before the place of the last call."""
        self.lines += self.text.count("\n", self.counted, place)
        self.counted = max(place, self.counted)
        return self.lines

    def peek(self) -> str:
        """The next character that is not blank, an empty string at the end."""
        while True:
            while self.place < len(self.text) and self.text[self.place] in " \t\r\n":
                self.place += 1
            if self.place < len(self.text) or not self.read_more():
                return self.text[self.place : self.place + 1]

    def read_more(self) -> bool:
        """Read as much again as is kept, and drop what was used: a long value is not read a thousand times."""
        more = self.handle.read(max(CHUNK, len(self.text) - self.place))
        if more:
            self.line_at(self.place)
            self.text, self.place, self.counted = self.text[self.place :] + more, 0, 0
        return bool(more)

    def value(self) -> tuple[Any, str, int]:
        """The next value, its text and its line.

        Raises:
            UsageError: not JSON.
        """
        while True:
            self.peek()
            try:
                value, end = self.decoder.raw_decode(self.text, self.place)
            except json.JSONDecodeError as error:
                if self.read_more():
                    continue
                raise self.file.error(describe_broken(error, self.line_at(error.pos))) from error
            except (ValueError, RecursionError) as error:
                raise self.file.error(describe_broken(error, self.line_at(self.place))) from error
            if end == len(self.text) and self.read_more():
                continue  # a number may go on
            line = self.line_at(self.place)
            text, self.place = self.text[self.place : end], end
            return value, text, line


def describe_broken(error: Exception, number: int) -> str:
    """The line and the reason, where JSON cannot be read."""
    if isinstance(error, json.JSONDecodeError):
        return f"line {number} is not JSON ({error.msg} at column {error.colno}). Fix or remove it."
    reason = "the values are nested too deeply" if isinstance(error, RecursionError) else str(error)
    return f"line {number}: {reason}. Fix or remove it."


def read_array(file: DataFile, document: Document) -> Iterator[dict[str, Any]]:
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
        check_object(file, value, text, line)
        yield value
        needs_comma = True
    document.place += 1
    if document.peek():
        raise broken_array(document, "text follows the end of the array")


def broken_array(document: Document, problem: str) -> UsageError:
    return document.file.error(f"line {document.line_at(document.place)} is not JSON ({problem}). Fix or remove it.")


def read_sequence(file: DataFile, document: Document) -> Iterator[dict[str, Any]]:
    """Objects one after another, each over any number of lines."""
    first = None
    count = 0
    while document.peek():
        value, text, line = document.value()
        check_object(file, value, text, line)
        count += 1
        if count == 1:
            first = value
            continue
        if count == 2 and first is not None:
            yield first
        yield value
    if count == 1 and first is not None:
        yield from rows_of_object(file, first)


def rows_of_object(file: DataFile, value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of a file that is one object: its list `data` or its only list of objects, its columns, or itself."""
    columns = list(value.values())
    usual = file.row_list or ROW_LIST
    lists = [key for key, rows in value.items() if is_object_list(rows) and (key == usual or len(value) == 1)]
    if lists:
        logger.info("data         %s: the rows are its list '%s'", file.place, column_title(lists[0]))
        yield from value[lists[0]]
    elif columns and all(is_numbered(column) and column.keys() == columns[0].keys() for column in columns):
        logger.info("data         %s: one object per column, as pandas writes it", file.place)
        for row in columns[0]:
            yield {name: column[row] for name, column in value.items()}
    elif columns and all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        logger.info("data         %s: one list per column", file.place)
        for cells in zip(*columns, strict=True):
            yield dict(zip(value, cells, strict=True))
    else:
        yield value


def is_object_list(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, dict) for value in values)


def is_numbered(column: Any) -> bool:
    """Whether a value is an object whose keys are numbers, as those of a column that pandas wrote."""
    return isinstance(column, dict) and all(key.isdecimal() for key in column)


def is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
