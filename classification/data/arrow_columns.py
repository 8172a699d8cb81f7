"""Columns of a split as Arrow arrays, so that a column of texts never becomes a list of Python strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetInfo, Features, Json
from datasets.table import InMemoryTable

N_DIGITS = 2**53  # above, not every whole number is a float


def arrow_column(data: Dataset, column: str) -> pa.ChunkedArray:
    """One column as it is stored: a file that is mapped into memory is not copied."""
    return data.select_columns([column]).with_format("arrow")[:].column(column)


def python_values(data: Dataset, column: str) -> list:
    """One column as Python objects; equal strings and numbers are one object."""
    feature = data.features[column]
    stored = arrow_column(data, column)
    if isinstance(feature, Json | dict | list) or hasattr(feature, "feature") or pa.types.is_nested(stored.type):
        return data[column][:]
    return distinct_objects(stored)


def distinct_objects(column: pa.ChunkedArray) -> list:
    """An array as a list in which equal values are one object."""
    known: dict[Any, Any] = {}
    values: list = []
    for chunk in column.chunks:
        try:
            coded = chunk.dictionary_encode()
        except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
            values += chunk.to_pylist()
            continue
        names = [known.setdefault(name, name) for name in coded.dictionary.to_pylist()]
        values += [None if code is None else names[code] for code in coded.indices.to_pylist()]
    return values


def is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def is_binary(kind: pa.DataType) -> bool:
    views = pa.types.is_binary_view(kind) or pa.types.is_fixed_size_binary(kind)
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or views


def numbers_as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Numbers as strings. Floats that are all whole are written without a fraction: a column of whole numbers with a
    gap becomes floats in pandas.
    """
    if not pa.types.is_floating(column.type):
        return column.cast(pa.large_string())
    values = column.cast(pa.float64())
    values = pc.if_else(pc.is_finite(values), values, pa.scalar(None, pa.float64()))
    is_whole = pc.all(pc.and_(pc.equal(pc.floor(values), values), pc.less(pc.abs(values), N_DIGITS))).as_py()
    if is_whole:
        return values.cast(pa.int64()).cast(pa.large_string())
    return pa.chunked_array([pa.array([None if x is None else str(x) for x in values.to_pylist()], pa.large_string())])


def with_nulls(column: pa.ChunkedArray, is_null: pa.ChunkedArray) -> pa.ChunkedArray:
    """`column` with nulls where `is_null`."""
    return pc.if_else(is_null, pa.scalar(None, column.type), column)


def dataset_of(columns: Mapping[str, pa.Array | pa.ChunkedArray], features: Features | None = None) -> Dataset:
    """A data set of Arrow arrays, without a copy. The library would hash all rows for its name; ours is random."""
    table = pa.table(dict(columns))
    info = None if features is None else DatasetInfo(features=features)
    return Dataset(InMemoryTable(table), info=info, fingerprint=uuid4().hex)


def filter_rows(data: Dataset, is_kept: np.ndarray) -> Dataset:
    """The rows with True in `is_kept` [N], of the same types. `Dataset.select` would slow down every later reading."""
    table = data.with_format("arrow")[:].filter(pa.array(is_kept))
    return dataset_of({name: table.column(name) for name in table.column_names}, data.features)


def replace_column(data: Dataset, column: str, values: Sequence, feature: Any) -> Dataset:
    """`data` with `values` in the place of `column`, which moves to the end."""
    others = [name for name in data.column_names if name != column]
    table = data.select_columns(others).with_format("arrow")[:]
    features = Features({**{name: data.features[name] for name in others}, column: feature})
    array = pa.array(values, features.arrow_schema.field(column).type)
    return dataset_of({name: table.column(name) for name in others} | {column: array}, features)
