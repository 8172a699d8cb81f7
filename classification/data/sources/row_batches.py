"""Rows of an input that is predicted, some at a time, with all of their own columns as they are written."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import pyarrow as pa

# n rows of a batch.

PART_ROWS = 8192
EXPLAINED_ROWS = 64  # the same where each row is explained, which takes about a second
PART_CHARACTERS = 16_000_000  # of all strings of a batch; a longer row is a batch of its own

Row = TypeVar("Row")


@dataclass(frozen=True)
class RowBatch(ABC):
    """Consecutive rows of the input.

    Args:
        number: of the batch, from 0; the same for the same input.
        first: number of its first row in the input, from 0.
        problems: position in the batch -> why the row cannot be read, with its line: `line 17 is not JSON (...)`. Its
            columns are null as far as they are not known.
    """

    number: int
    first: int
    problems: Mapping[int, str] = field(default_factory=dict)

    @abstractmethod
    def __len__(self) -> int:
        """n"""

    @abstractmethod
    def column(self, name: str) -> list[Any]:
        """The values of a column, [n]; None where a row lacks it.

        Of JSON, numbers are int or float. In a column that mixes kinds of values they are `NumberText`, and so strings.
        """

    @abstractmethod
    def records(self) -> Iterator[dict[str, Any]]:
        """The rows as dictionaries, for JSON and CSV. JSON numbers are `NumberText`, as they are written.

        A JSON row has its own keys only.
        """

    @abstractmethod
    def table(self) -> pa.Table:
        """The rows as a table with the schema of the stream, for Parquet and Arrow."""


@dataclass(frozen=True)
class ColumnBatch(RowBatch):
    """Rows of strings: of CSV, TSV and text.

    Args:
        cells: of each row, [n][columns]; None where a row has no such cell.
    """

    names: tuple[str, ...] = ()
    cells: Sequence[Sequence[str | None]] = ()

    def __len__(self) -> int:
        return len(self.cells)

    def column(self, name: str) -> list[Any]:
        place = self.names.index(name)
        return [row[place] for row in self.cells]

    def records(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.names, row, strict=True)) for row in self.cells)

    def table(self) -> pa.Table:
        arrays = [pa.array(self.column(name), pa.string()) for name in self.names]
        return pa.table(arrays, names=list(self.names))


@dataclass(frozen=True)
class TableBatch(RowBatch):
    """Rows of Parquet, Arrow and data sets."""

    rows: pa.Table = field(default_factory=lambda: pa.table({}))

    def __len__(self) -> int:
        return self.rows.num_rows

    def column(self, name: str) -> list[Any]:
        return self.rows.column(name).to_pylist()

    def records(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows.to_pylist())

    def table(self) -> pa.Table:
        return self.rows


def most_rows(part_rows: int | None) -> int:
    """Of a part: `PART_ROWS`, or fewer where somebody asks for it."""
    return min(part_rows or PART_ROWS, PART_ROWS)


def cut(rows: Iterable[Row], characters: Callable[[Row], int], part_rows: int | None = None) -> Iterator[list[Row]]:
    """The rows in lists of at most `most_rows` and `PART_CHARACTERS` characters; a longer row is alone."""
    part: list[Row] = []
    size, most = 0, most_rows(part_rows)
    for row in rows:
        more = characters(row)
        if part and (len(part) == most or size + more > PART_CHARACTERS):
            yield part
            part, size = [], 0
        part.append(row)
        size += more
    if part:
        yield part


class RowStream(Protocol):
    """An input that was looked through once: its kind and its columns are known, its rows are read again in batches.

    Attributes:
        place: how errors name it. kind: `csv`, `tsv`, `jsonl`, `json` (an array), `parquet`, `arrow` or `text`.
        columns: names in their order. num_rows: rows in all. num_bad: rows that cannot be read.
        delimiter: of CSV and TSV, else "".
        identity: a hash of the content: equal inputs have equal ones, wherever they are stored.

    A context manager: `close` removes the copy of stdin.
    """

    place: str
    kind: str
    columns: tuple[str, ...]
    num_rows: int
    num_bad: int
    delimiter: str
    identity: str

    @property
    def schema(self) -> pa.Schema:
        """Of `RowBatch.table`; for CSV all strings, for JSON the common type of each column, else text."""

    def batches(self) -> Iterator[RowBatch]:
        """All rows in order, in batches of at most `PART_ROWS` rows and about `PART_CHARACTERS` characters.

        Raises:
            UsageError: the input has changed since it was looked through, or its disk fails.
        """

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


@dataclass(frozen=True)
class InputSource:
    """What `predict.py` reads.

    Args:
        path: a file, a folder, a Hub name, or `-` for stdin.
        kind: of the content where the name does not tell it; None to find it.
        keep_bad_rows: whether a row that cannot be read becomes a problem; else it is an error with its line.
        part_rows: of a batch at most; None for the usual number.
        config_name, split, revision, token, cache_dir: of a Hub data set.
    """

    path: str
    kind: str | None = None
    keep_bad_rows: bool = False
    part_rows: int | None = None
    config_name: str | None = None
    split: str | None = None
    revision: str | None = None
    token: str | None = field(default=None, repr=False)
    cache_dir: str | None = None
