"""Columns of objects: `labels.name` names the field `name` inside the column `labels`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from classification.data.arrow_columns import arrow_column, dataset_of, python_values
from classification.data.named_columns import match_column
from classification.data.nested_names import longest_prefix
from classification.errors import UsageError, did_you_mean, join_first


def open_fields(data: Dataset, named: Sequence[tuple[str, str]]) -> Dataset:
    """The split with one more column for each field that is named by a dotted path, such as `labels.name`.

    A field of a list of objects becomes a list. JSON text of objects is read.

    Args:
        named: flag and name, for each name that the user gave.

    Raises:
        UsageError: a column has objects, but none with this field.
    """
    for flag, name in named:
        if match_column(name, data.column_names, flag) is not None:
            continue
        base = longest_prefix(name, data.column_names)
        if base is None:
            continue
        column = open_field(data, base, name.removeprefix(f"{base}."), f"{flag} {name}")
        if column is not None:
            table = data.with_format("arrow")[:]
            columns = {other: table.column(other) for other in table.column_names} | {name: column}
            features = data.features.copy()
            features[name] = dataset_of({name: column}).features[name]
            data = dataset_of(columns, features)
    return data


def open_field(data: Dataset, column: str, path: str, what: str) -> pa.ChunkedArray | None:
    """The values of a field; None where the column has no objects.

    Args:
        path: field names, separated by dots.
        what: flag and value, for the error.
    """
    stored = arrow_column(data, column)
    kind = stored.type
    parts = path.split(".")
    for part in parts:
        kind = kind.field(part).type if pa.types.is_struct(kind) and kind.get_field_index(part) >= 0 else None
        if kind is None:
            break
    else:
        return pc.struct_field(stored, parts)
    values = [parse_object(value) for value in python_values(data, column)]
    fields = dict.fromkeys(field for value in values for field in field_paths(value))
    if not fields:
        return None
    if path not in fields:
        raise UsageError(
            f"{what}: the objects in '{column}' have the fields {join_first(fields, 12)}."
            + did_you_mean(what.split(" ", 1)[1], [f"{column}.{field}" for field in fields])
        )
    return as_column([field_of(value, path) for value in values])


def parse_object(value: Any) -> Any:
    """The object or array that a text in JSON spells, and any other value unchanged."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value


def field_paths(value: Any) -> list[str]:
    """The dotted names of all fields of an object or of the objects in a list."""
    if isinstance(value, list):
        return [path for item in value for path in field_paths(item)]
    if not isinstance(value, dict):
        return []
    inner = (f"{field}.{path}" for field, item in value.items() for path in field_paths(item))
    return [*value, *inner]


def field_of(value: Any, path: str) -> Any:
    """The field at a dotted path, of each object in a list; None where there is none."""
    if isinstance(value, list):
        return [field_of(item, path) for item in value]
    if not isinstance(value, dict):
        return None
    if path in value:
        return value[path]
    for field, item in value.items():
        if path.startswith(f"{field}."):
            return field_of(item, path.removeprefix(f"{field}."))
    return None


def as_column(values: list) -> pa.ChunkedArray:
    """An array of the values; of values of several types, or of objects, as JSON text."""
    if not any(isinstance(value, dict) for value in values):
        try:
            return pa.chunked_array([pa.array(values)])
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass
    texts = (None if value is None else value if isinstance(value, str) else json.dumps(value) for value in values)
    return pa.chunked_array([pa.array(list(texts), pa.large_string())])
