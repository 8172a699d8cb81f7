"""Outputs with types: Parquet, and Arrow's file format."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, BinaryIO

import pyarrow as pa

from classification.data.sources.row_batches import RowBatch
from classification.errors import UsageError, first_line, own_error
from classification.inference.answer_columns import AnswerColumn, AnswerColumns
from classification.inference.format_protocol import OutputFormat
from classification.inference.typed_rows import changed_type, without_dictionary
from classification.inference.value_texts import json_text


class TableFormat(OutputFormat):
    """A format of Arrow tables: the columns keep their types; those of CSV are strings."""

    def check(self, schema: pa.Schema) -> None:
        for field in schema:
            try:
                table = self.storable(pa.schema([field]).empty_table())
                self.write_table(io.BytesIO(), table)
            except (pa.ArrowException, NotImplementedError) as error:
                raise UsageError(
                    f"--format {self.layout.name}: cannot hold the column {field.name} ({field.type}): "
                    f"{first_line(error)} Write --format jsonl."
                ) from error

    def write_part(self, handle: BinaryIO, batch: RowBatch, answers: AnswerColumns) -> None:
        table = batch.table()
        if answers.kept is not None:
            table = table.take(pa.array(answers.kept, pa.int64()))
        table = self.storable(table)
        for column in answers.columns:
            table = table.append_column(pa.field(column.name, column.arrow_type), arrow_array(column))
        self.write_table(handle, table)

    def storable(self, table: pa.Table) -> pa.Table:
        return table

    @abstractmethod
    def write_table(self, handle: BinaryIO, table: pa.Table) -> None:
        """Write a whole file."""

    @abstractmethod
    def tables(self, part: BinaryIO) -> Iterator[pa.Table]:
        """The rows of a part, some at a time."""

    @abstractmethod
    def make_writer(self, handle: Sink, schema: pa.Schema) -> Any:
        """An object with `write_table` and `close`."""

    @abstractmethod
    def schema_of(self, part: BinaryIO) -> pa.Schema:
        """The schema of a part."""

    @contextmanager
    def joined(self, handle: BinaryIO) -> Iterator[Callable[[BinaryIO], None]]:
        sink = Sink(handle)
        writer = None
        schema: pa.Schema | None = None

        def add(part: BinaryIO) -> None:
            nonlocal writer, schema
            if writer is None:
                schema = self.schema_of(part)
                writer = self.make_writer(sink, schema)
            elif not schema.equals(found := self.schema_of(part)):
                raise own_error(f"two parts have columns of different types: {difference(schema, found)}")
            for table in self.tables(part):
                writer.write_table(table)

        try:
            yield add
        except BaseException:
            if writer is not None:
                sink.is_open = False
                with closing(writer):
                    pass
            raise
        if writer is not None:
            writer.close()


class ParquetFormat(TableFormat):
    """A row group per part."""

    def write_table(self, handle: BinaryIO, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        pq.write_table(table, Sink(handle), row_group_size=max(len(table), 1))

    def tables(self, part: BinaryIO) -> Iterator[pa.Table]:
        import pyarrow.parquet as pq

        file = pq.ParquetFile(part)
        return (file.read_row_group(number) for number in range(file.num_row_groups))

    def make_writer(self, handle: Sink, schema: pa.Schema) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetWriter(handle, schema)

    def schema_of(self, part: BinaryIO) -> pa.Schema:
        import pyarrow.parquet as pq

        return pq.read_schema(part)


class ArrowFormat(TableFormat):
    """A record batch per part. Categories become their values: a file has one dictionary per column, parts several."""

    def storable(self, table: pa.Table) -> pa.Table:
        fields = [field.with_type(changed_type(field.type, without_dictionary)) for field in table.schema]
        return table.cast(pa.schema(fields, table.schema.metadata))

    def write_table(self, handle: BinaryIO, table: pa.Table) -> None:
        with pa.ipc.new_file(Sink(handle), table.schema) as writer:
            writer.write_table(table.combine_chunks())

    def tables(self, part: BinaryIO) -> Iterator[pa.Table]:
        part.seek(0)
        file = pa.ipc.open_file(part)
        batches = (file.get_batch(number) for number in range(file.num_record_batches))
        return (pa.Table.from_batches([batch]) for batch in batches)

    def make_writer(self, handle: Sink, schema: pa.Schema) -> Any:
        return pa.ipc.new_file(handle, schema)

    def schema_of(self, part: BinaryIO) -> pa.Schema:
        part.seek(0)
        return pa.ipc.open_file(part).schema


class Sink(io.RawIOBase):
    """A stream that Arrow writes to, and that cannot be sought in: it counts what was written.

    The errors of a Python stream keep their number, which tells a full disk from others.
    """

    def __init__(self, handle: BinaryIO):
        self.handle, self.place, self.is_open = handle, 0, True

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def write(self, content: Any) -> int:
        if self.is_open:  # after an error the end of the file is not written
            self.handle.write(content)
        self.place += len(content)
        return len(content)


def arrow_array(column: AnswerColumn) -> pa.Array:
    """The values in their type; NaN is null, and objects without a type are JSON."""
    values: Any = column.values
    if column.kind == "object" and column.type is None:
        values = [None if value is None else json_text(value) for value in values]
    return pa.array(values, column.arrow_type, from_pandas=True)


def difference(first: pa.Schema, second: pa.Schema) -> str:
    for field in first:
        place = second.get_field_index(field.name)
        if place < 0 or second.field(place).type != field.type:
            return f"{field.name} is {field.type} and {second.field(place).type if place >= 0 else 'missing'}"
    return "columns are missing"
