"""What all streams of rows have in common: batches with numbers, files that must not change, and a clean end."""

from __future__ import annotations

import hashlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import pyarrow as pa

from classification.data.sources.csv_reading import OddRow
from classification.data.sources.csv_rows import any_field_size
from classification.data.sources.data_files import DataFile
from classification.data.sources.row_batches import ColumnBatch, RowBatch, cut
from classification.data.sources.text_encoding import describe_not_utf8
from classification.errors import UsageError, first_line

logger = logging.getLogger(__name__)

BYTES = "is not valid UTF-8"
CONVERT = "Convert the file"  # in a description of another encoding
NO_ROWS = "there are no rows. Give a file with at least one row."


class InputStream(ABC):
    """A `RowStream`: rows that are read again from the files that the first pass has looked through.

    Args:
        files: that are read again. num_bad: rows that cannot be read. For the others see `RowStream`.
    """

    def __init__(
        self, place: str, kind: str, files: Sequence[Path], columns: tuple[str, ...], num_rows: int, identity: str, *,
        delimiter: str = "", num_bad: int = 0,
    ):  # fmt: skip
        self.place, self.kind, self.delimiter = place, kind, delimiter
        self.columns, self.num_rows, self.num_bad = columns, num_rows, num_bad
        self.identity, self.files = identity, files
        self.state = state_of(files)
        self.part_rows: int | None = None  # see `InputSource`
        self.at_close: list[Callable[[], object]] = []

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """See `RowStream`."""

    @abstractmethod
    def parts(self) -> Iterator[Any]:
        """The rows of each batch, as the stream has them."""

    @abstractmethod
    def make_batch(self, part: Any, number: int, first: int) -> RowBatch: ...

    def batches(self) -> Iterator[RowBatch]:
        """See `RowStream`."""
        self.refuse_change()
        first = 0
        parts = enumerate(self.parts())
        try:
            for number, part in parts:
                batch = self.make_batch(part, number, first)
                first += len(batch)
                yield batch
        except OSError as error:
            raise unreadable(self.place, error) from error
        self.refuse_change()
        if first != self.num_rows:
            raise self.changed(f"it had {self.num_rows} rows and has {first}")

    def refuse_change(self) -> None:
        """Raise a UsageError if a file is another one than when the stream was opened."""
        try:
            state = state_of(self.files)
        except OSError as error:
            raise self.changed("it is gone, or cannot be opened any more") from error
        if state != self.state:
            raise self.changed("its size or its time is another one")

    def changed(self, how: str) -> UsageError:
        return UsageError(
            f"{self.place}: has changed while it was read ({how}). Give a file that is complete, and start again."
        )

    def close(self) -> None:
        while self.at_close:
            self.at_close.pop()()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class CellStream(InputStream):
    """Rows of strings."""

    @abstractmethod
    def rows(self) -> Iterator[list[str] | OddRow]:
        """All rows."""

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.columns])

    def parts(self) -> Iterator[list[list[str] | OddRow]]:
        parts = cut(self.rows(), count_characters, self.part_rows)
        while True:
            with any_field_size():
                part = next(parts, None)
            if part is None:
                return
            yield part

    def make_batch(self, part: list[list[str] | OddRow], number: int, first: int) -> ColumnBatch:
        problems = {i: row.problem for i, row in enumerate(part) if isinstance(row, OddRow)}
        return ColumnBatch(number, first, problems, self.columns, part)


def count_characters(row: Iterable[str | None]) -> int:
    return sum(len(cell) for cell in row if cell is not None)


def state_of(files: Sequence[Path]) -> bytes:
    """The sizes and times of files, in one value."""
    state = hashlib.sha256()
    for file in files:
        facts = os.stat(file)
        state.update(f"{facts.st_size} {facts.st_mtime_ns}\n".encode())
    return state.digest()


def content_hash(files: Iterable[Path]) -> str:
    """A hash of the bytes of files."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as handle:
            whole.update(hashlib.file_digest(handle, "sha256").digest())
    return whole.hexdigest()


def refuse_unreadable(
    files: Sequence[DataFile], place: str, num_rows: int, num_bad: int, first_problem: str | None
) -> None:
    """Raise a UsageError if there are no rows, or none that can be read. Warn where the encoding is another one.

    Args:
        files: of text. first_problem: that of the first bad row.
    """
    if num_rows == 0:
        raise UsageError(f"{place}: {NO_ROWS}")
    advice = describe_encoding(files) if first_problem and BYTES in first_problem else None
    if num_bad == num_rows:
        raise UsageError(
            f"{place}: no row can be read; {advice or f'{first_problem}. Correct the file, or convert it.'}"
        )
    if advice:
        logger.warning("%s: %s", place, advice)


def describe_encoding(files: Sequence[DataFile]) -> str | None:
    """The first line that is not UTF-8, and what the encoding may be."""
    for file in files:
        with file.unpacked() as handle:
            if CONVERT in (advice := describe_not_utf8(cast(BinaryIO, handle))):
                return advice
    return None


def unreadable(place: str, error: OSError) -> UsageError:
    return UsageError(f"{place}: cannot be read ({error.strerror or first_line(error).rstrip('.')}). Copy it anew.")
