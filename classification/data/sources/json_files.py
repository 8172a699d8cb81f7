"""JSON and JSON lines files as typed columns: strings stay strings, also where they look like dates or numbers.

Numbers, booleans, lists and objects keep their types. A column that mixes them becomes text, each value as it is
written in the file. The reader of `datasets` turns strings such as 2021-03-01 into timestamps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Set
from itertools import islice
from json import dumps
from typing import Any

import pyarrow as pa

from classification.data.sources.data_files import DataFile
from classification.data.sources.json_decoder import NumberText
from classification.data.sources.json_rows import read_objects

BATCH_ROWS = 10_000
NO_COMMON_TYPE = (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError)


def read_json(files: Sequence[DataFile]) -> pa.Table:
    """The rows of the files, one after another; a field that an object lacks is null.

    Raises:
        UsageError: not JSON, not objects, or a key that repeats; names the file and the line. Files without rows
            give a table without columns.
    """
    columns: dict[str, pa.ChunkedArray | None] = {}
    mixed: Set[str] | None = None
    for convert in (keep, leaf_texts, whole_text):  # the second and third only for columns without a common type
        chunks = read_columns(files, convert, mixed)
        columns |= {name: arrays and unify(arrays) for name, arrays in chunks.items()}
        mixed = {name for name, column in columns.items() if column is None}
        if not mixed:
            break
    return pa.table(columns)


def read_columns(
    files: Sequence[DataFile], convert: Callable[[Any], Any], only: Set[str] | None
) -> dict[str, list[pa.Array] | None]:
    """Each column as one array per batch of rows, None for a column without a common type.

    Args:
        convert: of each value; all but `keep` get numbers as they are written.
        only: columns to read; None for all.
    """
    columns: dict[str, list[pa.Array] | None] = {}
    count = 0
    objects = (row for file in files for row in read_objects(file, numbers_as_text=convert is not keep))
    for rows in batches(objects):
        for name in dict.fromkeys(name for row in rows for name in row):
            if only is None or name in only:
                columns.setdefault(name, [pa.nulls(count)])
        for name, arrays in columns.items():
            if arrays is not None:
                values = [convert(row.get(name)) for row in rows]
                try:
                    arrays.append(pa.array(values))
                except NO_COMMON_TYPE:
                    columns[name] = None
        count += len(rows)
    return columns


def batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while batch := list(islice(rows, BATCH_ROWS)):
        yield batch


def unify(arrays: list[pa.Array]) -> pa.ChunkedArray | None:
    """The arrays in one type, without loss; None where there is none."""
    try:
        schemas = [pa.schema([("", kind)]) for kind in dict.fromkeys(array.type for array in arrays)]
        common = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
        return pa.chunked_array([array.cast(common) for array in arrays], common)
    except NO_COMMON_TYPE:
        return None


def keep(value: Any) -> Any:
    return value


def leaf_texts(value: Any) -> Any:
    """Every number and boolean inside `value` as it is written; lists and objects stay."""
    if isinstance(value, list):
        return [leaf_texts(item) for item in value]
    if isinstance(value, dict):
        return {key: leaf_texts(item) for key, item in value.items()}
    return str(value).lower() if isinstance(value, bool) else value if value is None else str(value)


def whole_text(value: Any) -> str | None:
    """A string as it is, anything else as JSON."""
    return value if value is None or isinstance(value, str) else as_json(value)


def as_json(value: Any) -> str:
    """JSON in which numbers are as they were in the file."""
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(as_json(item) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{dumps(key)}: {as_json(item)}' for key, item in value.items())}}}"
    return dumps(value, ensure_ascii=False)
