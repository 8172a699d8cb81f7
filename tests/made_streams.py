"""Rows of a made-up input in batches, and answers that depend on nothing but the row: no file, no model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from classification.data.sources.row_batches import RowBatch
from classification.inference.answer_columns import AnswerColumn, AnswerColumns
from classification.inference.jobs import Job
from classification.inference.output_formats import make_format

NAMES = ("neg", "pos")


@dataclass(frozen=True)
class ListBatch(RowBatch):
    rows: list[dict[str, Any]] = field(default_factory=list)
    schema: pa.Schema | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def column(self, name: str) -> list[Any]:
        return [row.get(name) for row in self.rows]

    def records(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    def table(self) -> pa.Table:
        return pa.Table.from_pylist(self.rows, schema=self.schema)


class ListStream:
    """`size` rows per batch."""

    def __init__(self, rows: list[dict[str, Any]], kind: str = "csv", size: int = 2, **more: Any):
        self.rows, self.kind, self.size = rows, kind, size
        self.columns = tuple(dict.fromkeys(name for row in rows for name in row))
        self.num_rows, self.place, self.identity = len(rows), "INPUT rows.csv", "0" * 64
        self.delimiter = more.get("delimiter", "," if kind == "csv" else "")
        text = pa.schema([(name, pa.string()) for name in self.columns])
        is_text = kind in ("csv", "tsv", "text")
        self.schema = more["schema"] if "schema" in more else text if is_text else self.found_schema()

    def found_schema(self) -> pa.Schema:
        return pa.Table.from_pylist(self.rows).schema

    def batches(self) -> Iterator[ListBatch]:
        for number, first in enumerate(range(0, len(self.rows), self.size)):
            yield ListBatch(number, first, {}, self.rows[first : first + self.size], self.schema)


def answer(batches: Iterator[RowBatch], column: str = "text") -> Iterator[tuple[RowBatch, AnswerColumns]]:
    """Columns `prediction`, `prob_neg`, `prob_pos` and `truncated`."""
    for batch in batches:
        chances = np.array([chance(text) for text in batch.column(column)], np.float32)
        columns = (
            AnswerColumn("prediction", [NAMES[int(value > 0.5)] for value in chances]),
            AnswerColumn("prob_neg", 1 - chances, "number"),
            AnswerColumn("prob_pos", chances, "number"),
            AnswerColumn("truncated", [False] * len(batch), "flag"),
        )
        yield batch, AnswerColumns(columns)


def chance(text: Any) -> float:
    return hashlib.sha256(str(text).encode("utf-8", "surrogatepass")).digest()[0] / 255


NEW = ("prediction", "prob_neg", "prob_pos", "truncated")


def made_job(stream: ListStream, name: str = "csv", **facts: str):
    """The format and the job of an output."""
    written = make_format(name, stream, NEW)
    facts = {"input": stream.identity, **facts}
    return written, Job.of(facts, asdict(written.layout), command="python predict.py M IN -o OUT")
