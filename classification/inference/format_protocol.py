"""What every output format does: it writes parts without a beginning or an end, and joins parts to a file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, BinaryIO

import pyarrow as pa

from classification.data.sources.row_batches import RowBatch
from classification.inference.answer_columns import AnswerColumns
from classification.inference.typed_rows import python_rows, refuse_bytes


@dataclass(frozen=True)
class Layout:
    """What must be known to join parts.

    Args:
        name: of the format. delimiter: of CSV, else "". own, new: names of the columns. safe: as `--csv_safe`.
    """

    name: str
    delimiter: str
    own: tuple[str, ...]
    new: tuple[str, ...]
    safe: bool = False


@dataclass(frozen=True)
class OutputFormat(ABC):
    """A format.

    Args:
        is_typed: whether the values of the input have types; else they are written as they are in the input.
    """

    layout: Layout
    is_typed: bool = False

    def check(self, schema: pa.Schema) -> None:
        """Raise a UsageError if the format cannot hold a column of the input: text holds no bytes."""
        if self.is_typed:
            refuse_bytes(schema, self.layout.name)

    @abstractmethod
    def write_part(self, handle: BinaryIO, batch: RowBatch, answers: AnswerColumns) -> None:
        """Write the rows of a batch with their answers."""

    @abstractmethod
    def joined(self, handle: BinaryIO) -> AbstractContextManager[Callable[[BinaryIO], None]]:
        """Inside, each call of the function appends a part; the file is complete at the end.

        Only one part is in memory at a time. Nothing is sought in `handle`, which may be a pipe.
        """

    def rows(self, batch: RowBatch, answers: AnswerColumns) -> Iterator[dict[str, Any]]:
        """The rows that are written, without their answers."""
        rows = python_rows(batch.table()) if self.is_typed else batch.records()
        if answers.kept is None:
            return iter(rows)
        kept = set(answers.kept.tolist())
        return (row for place, row in enumerate(rows) if place in kept)
