"""Arrow tables in parts of bounded size, and strings in them that are not UTF-8."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from classification.data.sources import row_batches

# n rows of a batch.

SLICE = 1024  # rows that are looked at together


def cut_tables(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, part_rows: int | None = None
) -> Iterator[pa.Table]:
    """The rows in tables of at most `most_rows(part_rows)` rows and `PART_CHARACTERS` bytes of strings; a longer row is
    alone."""
    part: list[pa.RecordBatch] = []
    rows, size, most = 0, 0, row_batches.most_rows(part_rows)
    for batch in slices(batches):
        lengths = row_lengths(batch)
        start = 0
        while start < batch.num_rows:
            room = most - rows
            sums = np.cumsum(lengths[start : start + room])
            fit = int(np.searchsorted(sums, row_batches.PART_CHARACTERS - size, side="right"))
            fit = max(fit, int(rows == 0 and room > 0))
            if fit:
                part.append(batch.slice(start, fit))
                rows, size, start = rows + fit, size + int(sums[fit - 1]), start + fit
            if start < batch.num_rows:
                yield pa.Table.from_batches(part, schema)
                part, rows, size = [], 0, 0
    if part:
        yield pa.Table.from_batches(part, schema)


def slices(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows, few at a time."""
    for batch in batches:
        for start in range(0, batch.num_rows, SLICE):
            yield batch.slice(start, SLICE)


def row_lengths(batch: pa.RecordBatch) -> np.ndarray:
    """The bytes of all strings of each row, int64 [n]."""
    total = np.zeros(batch.num_rows, np.int64)
    for column in batch.columns:
        total += lengths_of(column)
    return total


def lengths_of(column: pa.Array) -> np.ndarray:
    """The bytes of all strings in each value, int64 [n]."""
    kind, count = column.type, len(column)
    if isinstance(column, pa.ExtensionArray):
        return lengths_of(column.storage)
    if pa.types.is_dictionary(kind):
        return lengths_of(column.dictionary_decode())
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return lengths_of(column.cast(pa.large_binary()))
    if is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return np.asarray(pc.fill_null(pc.binary_length(column), 0), np.int64)
    if pa.types.is_struct(kind):
        return sum((lengths_of(part) for part in column.flatten()), np.zeros(count, np.int64))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        parents = np.asarray(pc.list_parent_indices(column))
        items = lengths_of(pc.list_flatten(column))
        return np.bincount(parents, weights=items, minlength=count).astype(np.int64)
    return np.zeros(count, np.int64)


def is_string(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def find_bad_strings(batch: pa.RecordBatch) -> dict[int, str]:
    """Row -> its first column whose string is not UTF-8; only columns that are strings or categories are looked at."""
    bad: dict[int, str] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        for row, text in enumerate(bytes_of(column) or ()):
            if text is not None and not is_utf8(text):
                bad.setdefault(row, name)
    return bad


def repair_strings(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with U+FFFD in the place of bytes that are not UTF-8."""
    return pa.RecordBatch.from_arrays([repaired_column(column) for column in batch.columns], schema=batch.schema)


def repaired_column(column: pa.Array) -> pa.Array:
    """See `repair_strings`."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        names = repaired_column(column.dictionary)
        return pa.DictionaryArray.from_arrays(column.indices, names, ordered=kind.ordered)
    texts = bytes_of(column)
    if texts is None or all(text is None or is_utf8(text) for text in texts):
        return column
    strings = [None if text is None else text.decode("utf-8", "replace") for text in texts]
    return pa.array(strings, pa.large_string()).cast(kind)


def bytes_of(column: pa.Array) -> list[bytes | None] | None:
    """The strings of a column as they are stored; None for another kind of column."""
    if pa.types.is_dictionary(column.type):
        texts = bytes_of(column.dictionary)
        return None if texts is None else [None if i is None else texts[i] for i in column.indices.to_pylist()]
    if is_string(column.type):
        wide = pa.types.is_large_string(column.type)
        return column.cast(pa.large_binary() if wide else pa.binary()).to_pylist()
    if pa.types.is_string_view(column.type):
        return column.cast(pa.binary_view()).to_pylist()
    return None


def is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
