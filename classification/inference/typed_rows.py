"""Rows of Parquet and Arrow as Python values for text formats, and types that a format cannot hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from classification.errors import UsageError
from classification.inference.value_texts import own_digits

Change = Callable[[pa.DataType], pa.DataType]


def python_rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows as dictionaries. Small floats keep their own digits, and nanoseconds are not lost."""
    columns = [python_column(table.column(name)) for name in table.column_names]
    for values in zip(*columns, strict=True):
        yield dict(zip(table.column_names, values, strict=True))


def python_column(column: pa.ChunkedArray) -> list[Any]:
    kind = column.type
    if pa.types.is_float32(kind) or pa.types.is_float16(kind):
        return own_digits(column.to_numpy().astype(np.float32)).tolist()
    changed = changed_type(kind, in_microseconds)
    if changed != kind:
        try:
            return column.cast(changed).to_pylist()
        except pa.ArrowInvalid:  # there are nanoseconds
            return column.cast(changed_type(kind, as_text)).to_pylist()
    return column.to_pylist()


def changed_type(kind: pa.DataType, change: Change) -> pa.DataType:
    """A type with `change` made to it, or to the types inside it."""
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(changed_type(field.type, change)) for field in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = kind.value_field.with_type(changed_type(kind.value_type, change))
        return pa.large_list(inner) if pa.types.is_large_list(kind) else pa.list_(inner)
    return change(kind)


def is_in_nanoseconds(kind: pa.DataType) -> bool:
    is_time = pa.types.is_timestamp(kind) or pa.types.is_duration(kind) or pa.types.is_time64(kind)
    return is_time and kind.unit == "ns"


def in_microseconds(kind: pa.DataType) -> pa.DataType:
    if not is_in_nanoseconds(kind):
        return kind
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")


def as_text(kind: pa.DataType) -> pa.DataType:
    return pa.string() if is_in_nanoseconds(kind) else kind


def without_dictionary(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def has_bytes(kind: pa.DataType) -> bool:
    """Whether a type is bytes, or has bytes somewhere inside."""
    if pa.types.is_dictionary(kind):
        return has_bytes(kind.value_type)
    if kind.num_fields:
        return any(has_bytes(kind.field(i).type) for i in range(kind.num_fields))
    is_bytes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
    return any(check(kind) for check in is_bytes)


def refuse_bytes(schema: pa.Schema, name: str) -> None:
    """Raise a UsageError if a column cannot be written as text.

    Args:
        name: of the format.
    """
    for field in schema:
        if has_bytes(field.type):
            raise UsageError(
                f"--format {name}: the column {field.name} has bytes ({field.type}), which {name} cannot hold. "
                "Write --format parquet."
            )
