"""JSON and JSON lines files as streams of rows, in whichever of the usual layouts they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from classification.data.sources.data_files import DataFile
from classification.data.sources.input_stream import InputStream, content_hash, refuse_unreadable
from classification.data.sources.json_decoder import BadRow
from classification.data.sources.json_rows import JsonReading
from classification.data.sources.json_types import Count, JsonColumn, find_columns, row_characters
from classification.data.sources.row_batches import InputSource, RowBatch, cut

LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class JsonBatch(RowBatch):
    """Rows as objects, whose numbers are as they are written."""

    rows: Sequence[dict[str, Any]] = ()
    columns: Mapping[str, JsonColumn] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        column, values = self.columns[name], [row.get(name) for row in self.rows]
        if column.is_mixed or pa.types.is_string(column.kind):
            return values
        return column.array(values).to_pylist()

    def records(self) -> Iterator[dict[str, Any]]:
        return (dict(row) for row in self.rows)

    def table(self) -> pa.Table:
        arrays = [column.array([row.get(name) for row in self.rows]) for name, column in self.columns.items()]
        return pa.table(arrays, names=list(self.columns))


class JsonStream(InputStream):
    """The rows of one file, or of several. An array and JSON lines are never in memory as a whole.

    Raises:
        UsageError: no rows, or a row that cannot be read where bad rows are not kept.
    """

    def __init__(self, files: Sequence[DataFile], source: InputSource, place: str):
        self.sources, self.keeps_bad_rows = files, source.keep_bad_rows
        self.layout = ""
        count = Count()
        self.types = find_columns(self.rows, count)
        refuse_unreadable(files, place, count.rows, count.bad, count.first_problem)
        paths = [file.path for file in files]
        is_lines = self.layout == "lines" or (self.layout == "object" and (source.kind == "jsonl" or has_lines(paths)))
        kind = "jsonl" if is_lines else "json"
        super().__init__(place, kind, paths, tuple(self.types), count.rows, content_hash(paths), num_bad=count.bad)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, column.kind) for name, column in self.types.items()])

    def rows(self) -> Iterator[dict[str, Any]]:
        for file in self.sources:
            is_first = not self.layout
            reading = JsonReading(file, numbers_as_text=True, keep_bad_rows=self.keeps_bad_rows, announces=is_first)
            prefix = f"{file.path.name}: " if len(self.sources) > 1 else ""
            for row in reading.rows():
                if isinstance(row, BadRow):
                    row.problem = prefix + row.problem
                yield row
            self.layout = reading.layout

    def parts(self) -> Iterator[list[dict[str, Any]]]:
        return cut(self.rows(), row_characters, self.part_rows)

    def make_batch(self, part: list[dict[str, Any]], number: int, first: int) -> JsonBatch:
        problems = {i: row.problem for i, row in enumerate(part) if isinstance(row, BadRow)}
        return JsonBatch(number, first, problems, part, self.types)


def has_lines(paths: Sequence[Path]) -> bool:
    """Whether the names of files say that they hold JSON lines; a file of one line is an object too."""
    return all(set(LINES) & {suffix.lower() for suffix in path.suffixes} for path in paths)
