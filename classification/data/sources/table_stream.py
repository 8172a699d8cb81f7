"""Parquet and Arrow files, saved data sets and data sets of the Hub as streams of rows with their own types."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet

from classification.data.sources.data_files import DataFile
from classification.data.sources.input_stream import InputStream, content_hash, refuse_unreadable
from classification.data.sources.row_batches import InputSource, TableBatch
from classification.data.sources.table_cuts import SLICE, cut_tables, find_bad_strings, repair_strings, slices
from classification.errors import UsageError, first_line, join_first

if TYPE_CHECKING:
    from datasets import Dataset

BATCH_BYTES = 1 << 25  # of rows that are decoded at a time
BUFFER = 1 << 20  # bytes of a column that are read at a time
LARGE_BATCH = 1 << 28  # bytes of a record batch from which on a file is mapped into memory
STREAM_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
ARROW_FILE = b"ARROW1"


class TableSource(ABC):
    """Where record batches come from.

    Attributes:
        name: how a problem names it. files: that are read.
    """

    name: str
    files: Sequence[Path]
    schema: pa.Schema

    @abstractmethod
    def read(self) -> Iterator[pa.RecordBatch]:
        """All rows."""

    def identity(self) -> str:
        """A hash of the content."""
        return content_hash(self.files)


class ParquetSource(TableSource):
    """The row groups of a Parquet file, some rows at a time."""

    def __init__(self, file: DataFile):
        self.file, self.name, self.files = file, file.path.name, [file.path]
        with self.opened() as opened:
            self.schema = opened.schema_arrow

    def opened(self) -> pyarrow.parquet.ParquetFile:
        # `pre_buffer`, the default, and no buffer size would load the columns of a whole row group.
        return pyarrow.parquet.ParquetFile(
            self.file.path, pre_buffer=False, buffer_size=BUFFER, page_checksum_verification=True
        )

    def read(self) -> Iterator[pa.RecordBatch]:
        with self.opened() as opened:
            groups = [opened.metadata.row_group(i) for i in range(opened.num_row_groups)]
            largest = max((group.total_byte_size / max(group.num_rows, 1) for group in groups), default=1)
            size = max(1, min(SLICE, int(BATCH_BYTES / max(largest, 1))))
            yield from opened.iter_batches(batch_size=size, use_threads=False)


class ArrowSource(TableSource):
    """The record batches of an Arrow file, of the file format or of the stream format."""

    def __init__(self, file: DataFile):
        self.file, self.name, self.files = file, file.path.name, [file.path]
        self.is_mapped = False
        with file.path.open("rb") as handle:
            self.is_stream = not handle.read(len(ARROW_FILE)) == ARROW_FILE
            handle.seek(max(file.path.stat().st_size - len(STREAM_END), 0))
            is_complete = handle.read() == STREAM_END
        if self.is_stream and not is_complete:
            raise file.error("the Arrow file has no mark at its end: it was cut, or is still written. Copy it anew.")
        with pa.memory_map(str(file.path)) as mapped:
            reader = pa.ipc.open_stream(mapped) if self.is_stream else pa.ipc.open_file(mapped)
            self.schema = reader.schema
            if self.is_stream or reader.num_record_batches:
                first = next(iter(reader), None) if self.is_stream else reader.get_batch(0)
                self.is_mapped = first is not None and first.nbytes > LARGE_BATCH
                del first

    def read(self) -> Iterator[pa.RecordBatch]:
        path = str(self.file.path)
        with pa.memory_map(path) if self.is_mapped else pa.OSFile(path) as handle:
            if self.is_stream:
                yield from pa.ipc.open_stream(handle)
                return
            reader = pa.ipc.open_file(handle)
            for number in range(reader.num_record_batches):
                yield reader.get_batch(number)


class DatasetSource(TableSource):
    """A data set of the library `datasets`, which is mapped into memory."""

    def __init__(self, data: Dataset, name: str):
        self.data = data.with_format("arrow")
        self.name, self.files = name, []
        kinds = {field.name: field.type for batch in [self.data[:1]] for field in batch.schema}
        fields = [field.with_type(kinds[field.name]) for field in data.features.arrow_schema]
        self.schema = pa.schema(fields, metadata=data.features.arrow_schema.metadata)

    def read(self) -> Iterator[pa.RecordBatch]:
        for table in self.data.iter(batch_size=SLICE):
            yield from table.cast(self.schema).to_batches()

    def identity(self) -> str:
        whole = hashlib.sha256(str(self.schema).encode())
        for batch in self.read():
            whole.update(batch.serialize())
        return whole.hexdigest()


class TableStream(InputStream):
    """The rows of tables with one schema, below one another.

    All rows are read once before: a broken page or a string that is not UTF-8 is found before anything is predicted.

    Raises:
        UsageError: no rows, other columns than the first, a name that occurs twice, or rows that cannot be read.
    """

    def __init__(self, tables: Sequence[TableSource], source: InputSource, place: str, kind: str):
        self.tables, self.keeps_bad_rows, self.place = tables, source.keep_bad_rows, place
        self.has_bad_strings = True  # until it is known
        self.check_schemas()
        num_rows = num_bad = 0
        for batch in self.read():
            problems = self.problems_of(batch, num_rows)
            num_rows, num_bad = num_rows + batch.num_rows, num_bad + len(problems)
        self.has_bad_strings = num_bad > 0
        refuse_unreadable([], place, num_rows, num_bad, "the strings are not UTF-8")
        files = [file for table in tables for file in table.files]
        identity = hashlib.sha256("".join(table.identity() for table in tables).encode()).hexdigest()
        names = tuple(self.schema.names)
        super().__init__(place, kind, files, names, num_rows, identity, num_bad=num_bad)

    @property
    def schema(self) -> pa.Schema:
        return self.tables[0].schema

    def check_schemas(self) -> None:
        twice = [name for name, count in Counter(self.schema.names).items() if count > 1]
        if twice:
            raise UsageError(f"{self.place}: two columns are called '{twice[0]}'. Rename or remove one of them.")
        for table in self.tables[1:]:
            if not table.schema.equals(self.schema):
                raise UsageError(
                    f"{self.place}: {table.name}: its columns ({describe_types(table.schema)}) are not those of "
                    f"{self.tables[0].name} ({describe_types(self.schema)}). Give all files the same columns."
                )

    def read(self) -> Iterator[pa.RecordBatch]:
        """All rows, some at a time; each batch is sound except for strings that are not UTF-8."""
        for table in self.tables:
            name = f"{table.name}: " if len(self.tables) > 1 else ""
            try:
                yield from slices(table.read())
            except (pa.ArrowException, OSError) as error:
                raise broken_table(self.place, name, error) from error

    def problems_of(self, batch: pa.RecordBatch, first: int) -> dict[int, str]:
        """Row of the batch -> what is wrong with its strings.

        Args:
            first: number of the first row in the input, from 0.
        """
        try:
            batch.validate(full=True)
        except pa.ArrowInvalid as error:
            bad = find_bad_strings(batch)
            problems = {
                row: f"row {first + row + 1}: the column '{name}' is not valid UTF-8" for row, name in bad.items()
            }
            try:
                repair_strings(batch).validate(full=True)
            except pa.ArrowInvalid:
                raise broken_table(self.place, "", error) from error
            if problems and not self.keeps_bad_rows:
                raise UsageError(f"{self.place}: {next(iter(problems.values()))}. Write the file anew.") from error
            return problems
        return {}

    def parts(self) -> Iterator[pa.Table]:
        return cut_tables(self.read(), self.schema, self.part_rows)

    def make_batch(self, part: pa.Table, number: int, first: int) -> TableBatch:
        problems: dict[int, str] = {}
        if self.has_bad_strings:
            batches, start = [], 0
            for batch in part.to_batches():
                found = self.problems_of(batch, first + start)
                problems |= {start + row: problem for row, problem in found.items()}
                batches.append(repair_strings(batch) if found else batch)
                start += batch.num_rows
            part = pa.Table.from_batches(batches, part.schema)
        return TableBatch(number, first, problems, part.unify_dictionaries())


def describe_types(schema: pa.Schema) -> str:
    return join_first(f"{field.name} {field.type}" for field in schema)


def broken_table(place: str, name: str, error: Exception) -> UsageError:
    return UsageError(f"{place}: {name}cannot be read: {first_line(error)} Copy or write the file anew.")


def open_tables(files: Sequence[DataFile], kind: str, source: InputSource, place: str) -> TableStream:
    """Files of Parquet or Arrow as one stream.

    Raises:
        UsageError: a file is broken, or has no rows or other columns.
    """
    tables: list[TableSource] = []
    for file in files:
        try:
            tables.append(ParquetSource(file) if kind == "parquet" else ArrowSource(file))
        except (pa.ArrowException, OSError) as error:
            raise file.error(f"cannot be read as {kind}: {first_line(error)} Copy or write the file anew.") from error
    return TableStream(tables, source, place, kind)
