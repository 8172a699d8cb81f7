"""What the checks of a CSV file need to know of its rows, gathered in constant memory; and its rows as a table."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 2000  # a string array holds at most 2 GiB
OTHER_DELIMITERS = ":^~#&\\\x01\x1f¦§，；、｜"  # of rare files, which are not read
SAMPLE = 10_000  # different values by which a column is judged
MIN_IDS = 5  # values per form in a column of ids
DIGITS = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]*\d[0-9a-fA-F]*(?![0-9A-Za-z])|\d+")  # decimal or hexadecimal
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?")


class ColumnFacts:
    """One column: which values it has while they are few, and else what the first ones look like.

    Attributes:
        like_name: cells that are equal to the name in the header. with_null: cells that contain null characters.
    """

    def __init__(self, name: str):
        self.name = name
        self.like_name = self.with_null = 0
        self.known: set[int] | None = set()  # hashes of the values; None once there are more than SAMPLE
        self.has_numbers = True  # and nothing else, as far as is known
        self.forms: set[str | None] = set()

    def add(self, cells: pa.Array) -> None:
        self.like_name += pc.sum(pc.equal(cells, self.name)).as_py() or 0
        self.with_null += pc.sum(pc.match_substring(cells, "\x00")).as_py() or 0
        if self.known is None:
            return
        for value in pc.unique(cells).to_pylist():
            if (key := hash(value)) not in self.known:
                if len(self.known) == SAMPLE:
                    self.known = None
                    return
                self.known.add(key)
                self.note_form(value)

    def note_form(self, value: str) -> None:
        self.has_numbers = self.has_numbers and NUMBER.fullmatch(value) is not None
        if None not in self.forms:
            self.forms.add(id_form(value))

    def value_test(self, rows: int) -> Callable[[str], bool] | None:
        """Whether a text can be a value of the column; None for a column of texts."""
        known, forms = self.known, self.forms
        if known is not None and len(known) <= max(2, rows / 2):
            return lambda cell: hash(cell) in known
        if self.has_numbers:
            return lambda cell: NUMBER.fullmatch(cell) is not None
        count = SAMPLE if known is None else len(known)
        is_ids = count > MIN_IDS and len(forms) <= count / MIN_IDS and None not in forms
        return (lambda cell: id_form(cell) in forms) if is_ids else None


class TableFacts:
    """All columns of a file.

    Attributes:
        repeats: rows that are equal to the header, as where files were joined.
        fewest: for each rare delimiter, how often it occurs in each cell of the only column, at least.
    """

    def __init__(self, header: list[str]):
        self.header = header
        self.columns = [ColumnFacts(name) for name in header]
        self.repeats = self.rows = 0
        marks = OTHER_DELIMITERS if len(header) == 1 else ""
        self.fewest: dict[str, int] = {mark: len(header[0]) for mark in marks if mark in header[0]}

    def add(self, columns: list[pa.Array]) -> None:
        self.rows += len(columns[0])
        for facts, cells in zip(self.columns, columns, strict=True):
            facts.add(cells)
        for mark, count in self.fewest.items():
            self.fewest[mark] = min(count, pc.min(pc.count_substring(columns[0], mark)).as_py())
        equal = pc.equal(columns[0], self.header[0])
        for cells, name in zip(columns[1:], self.header[1:], strict=True):
            equal = pc.and_(equal, pc.equal(cells, name))
        self.repeats += pc.sum(equal).as_py() or 0


class Batches:
    """Rows of strings become facts, and on request Arrow batches: Python lists take several times the memory."""

    def __init__(self, header: list[str], names: list[str], *, build: bool):
        self.schema = pa.schema([(name, pa.string()) for name in names])
        self.facts = TableFacts(header)
        self.build = build
        self.rows: list[list[str]] = []
        self.batches: list[pa.RecordBatch] = []

    def add(self, row: list[str]) -> None:
        self.rows.append(row)
        if len(self.rows) == BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            columns = [pa.array(column, pa.string()) for column in zip(*self.rows, strict=True)]
            self.facts.add(columns)
            if self.build:
                self.batches.append(pa.RecordBatch.from_arrays(columns, schema=self.schema))
            self.rows.clear()

    def table(self) -> pa.Table | None:
        return pa.Table.from_batches(self.batches, schema=self.schema) if self.build else None


def id_form(text: str) -> str | None:
    """The form of an id such as `u-17` or `3fa8c1`: what its digits and its hexadecimal parts stand between.

    >>> id_form("u-17"), id_form("3fa8c1-00"), id_form("hello"), id_form("a 1")
    ('u-0', '0-0', None, None)
    """
    is_id = DIGITS.search(text) and not any(character.isspace() for character in text)
    return DIGITS.sub("0", text) if is_id else None
