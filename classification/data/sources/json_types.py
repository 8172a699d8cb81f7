"""The Arrow type of each column of a JSON stream, found in constant memory by the rules of `json_files.read_json`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from classification.data.sources.json_decoder import BadRow, NumberText
from classification.data.sources.json_files import leaf_texts, whole_text
from classification.data.sources.row_batches import cut

NO_COMMON_TYPE = (pa.ArrowException, OverflowError, TypeError, ValueError)
Rows = Callable[[], Iterator[dict[str, Any]]]  # reads all rows, with numbers as text


@dataclass(frozen=True)
class JsonColumn:
    """How the values of a column become an Arrow array.

    Args:
        convert: of each value; `native` where all values have one type, else `leaf_texts` or `whole_text`.
    """

    kind: pa.DataType
    convert: Callable[[Any], Any]

    @property
    def is_mixed(self) -> bool:
        return self.convert is not native

    def array(self, values: list[Any]) -> pa.Array:
        return pa.array([self.convert(value) for value in values], self.kind)


@dataclass
class Count:
    """What the first pass finds beside the columns."""

    rows: int = 0
    bad: int = 0
    first_problem: str | None = None


def find_columns(read: Rows, count: Count) -> dict[str, JsonColumn]:
    """The columns in the order in which they first occur.

    Args:
        count: is filled.

    Raises:
        UsageError: a row cannot be read.
    """
    nested: set[str] = set()
    kinds = find_types(counted(read, count), native, nested=nested)
    unclear = {name for name, found in kinds.items() if len((found or set()) - {pa.null()}) > 1}
    columns = with_common_type(kinds, native)
    columns = without_misfits(read, columns, unclear & columns.keys())
    mixed = kinds.keys() - columns.keys()
    columns |= {name: JsonColumn(pa.string(), leaf_texts) for name in mixed - nested}
    if parts := mixed & nested:
        leaves = find_types(read, leaf_texts, only=parts)
        texts = with_common_type(leaves, leaf_texts)
        columns |= without_misfits(read, texts, texts)
    whole = JsonColumn(pa.string(), whole_text)
    return {name: columns.get(name, whole) for name in kinds}


def with_common_type(kinds: dict[str, set[pa.DataType] | None], convert: Callable[[Any], Any]) -> dict[str, JsonColumn]:
    """The columns whose values have one type."""
    common = {name: common_type(found) for name, found in kinds.items()}
    return {name: JsonColumn(kind, convert) for name, kind in common.items() if kind is not None}


def counted(read: Rows, count: Count) -> Rows:
    """The same rows, counted while they are read."""

    def rows() -> Iterator[dict[str, Any]]:
        for row in read():
            count.rows += 1
            if isinstance(row, BadRow):
                count.bad += 1
                count.first_problem = count.first_problem or row.problem
            yield row

    return rows


def find_types(
    read: Rows, convert: Callable[[Any], Any], *, only: Collection[str] | None = None, nested: set[str] | None = None
) -> dict[str, set[pa.DataType] | None]:
    """The types that occur in each column; None where a batch of its values has no common type.

    Args:
        only: columns that are looked at; None for all.
        nested: gets the names of columns with lists or objects.
    """
    types: dict[str, set[pa.DataType] | None] = {}
    for values in columns_of(read, only):
        for name, cells in values.items():
            found = types.setdefault(name, set())
            if nested is not None and name not in nested and any(isinstance(cell, list | dict) for cell in cells):
                nested.add(name)
            if found is not None:
                try:
                    found.add(pa.array([convert(cell) for cell in cells]).type)
                except NO_COMMON_TYPE:
                    types[name] = None
    return types


def columns_of(read: Rows, only: Collection[str] | None) -> Iterator[dict[str, list[Any]]]:
    """The values of each column, some rows at a time, without those that rows lack."""
    for rows in cut(read(), row_characters):
        values: dict[str, list[Any]] = {}
        for row in rows:
            for name, cell in row.items():
                if only is None or name in only:
                    values.setdefault(name, []).append(cell)
        yield values


def common_type(kinds: set[pa.DataType] | None) -> pa.DataType | None:
    """The type that holds all of these; None where there is none that every file format has."""
    if not kinds:
        return None
    try:
        schemas = [pa.schema([("", kind)]) for kind in sorted(kinds, key=str)]
        common = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except NO_COMMON_TYPE:
        return None
    return None if has_empty_struct(common) else common


def has_empty_struct(kind: pa.DataType) -> bool:
    """Whether there are objects without fields, which Parquet cannot hold."""
    if pa.types.is_struct(kind):
        return kind.num_fields == 0 or any(has_empty_struct(field.type) for field in kind.fields)
    return pa.types.is_list(kind) and has_empty_struct(kind.value_type)


def without_misfits(read: Rows, columns: dict[str, JsonColumn], unclear: Collection[str]) -> dict[str, JsonColumn]:
    """The columns without those of `unclear` with a value that would lose something, such as a digit."""
    if not unclear:
        return columns
    wrong = set()
    for values in columns_of(read, unclear):
        for name, cells in values.items():
            try:
                columns[name].array(cells)
            except NO_COMMON_TYPE:
                wrong.add(name)
    return {name: column for name, column in columns.items() if name not in wrong}


def native(value: Any) -> Any:
    """A value with its numbers as numbers."""
    if isinstance(value, NumberText):
        return float(value) if set(value) & set(".eE") else int(value)
    if isinstance(value, list):
        return [native(item) for item in value]
    return {key: native(item) for key, item in value.items()} if isinstance(value, dict) else value


def row_characters(value: Any) -> int:
    """The characters of all strings in a value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(row_characters, value.values()))
    return sum(map(row_characters, value)) if isinstance(value, list) else 0
