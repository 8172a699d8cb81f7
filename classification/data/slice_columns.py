"""The columns of `--slice_columns`: carried beside the texts as `slice.<name>`, with the cells as they are written.

They change no token, label or fingerprint.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, DatasetDict

from classification.data.arrow_columns import arrow_column, dataset_of, is_text, numbers_as_text, python_values
from classification.data.column_names import LABEL_COLUMNS, Columns, find_text_columns, usual_columns
from classification.data.label_values import is_missing
from classification.data.named_columns import bare_names, joined_name, match_column, not_a_column, shown
from classification.data.nested_fields import open_field
from classification.data.nested_names import longest_prefix
from classification.data.slice_names import FLAG, check_slice_names
from classification.errors import UsageError, join_first
from classification.messages.shown_texts import quoted

PREFIX = "slice."
TEXT_SLICE = "this column is the text. Leave it out: the results by length need no flag."
LABEL_SLICE = "this column is the label. Leave it out: the results by class need no flag."
LONGEST_EXAMPLE = 40  # characters

logger = logging.getLogger(__name__)


def slice_columns(data: Dataset) -> list[str]:
    """The columns of a split that hold slices, as `slice.<name>`."""
    return [name for name in data.column_names if name.startswith(PREFIX)]


def slice_name(column: str) -> str:
    """The user's name of a column `slice.<name>`."""
    return column.removeprefix(PREFIX)


def read_slices(raw: DatasetDict, columns: Columns) -> dict[str, dict[str, pa.ChunkedArray]]:
    """The cells of the columns: split -> `slice.<name>` -> one string per row, "" where missing.

    A column that only some splits have is in these; the log says where test lacks it.

    Raises:
        UsageError: a column that no split has whose rows are evaluated, or that is the text or the label.
    """
    found: dict[str, dict[str, pa.ChunkedArray]] = {split: {} for split in raw}
    every = list(dict.fromkeys(column for data in raw.values() for column in data.column_names))
    names = joined_name(columns.slices, every)
    for data in raw.values():
        refuse_repeats([match_column(name, data.column_names, FLAG) for name in names])
    for name in names:
        bare = bare_name(name)
        check_slice_names([bare])
        problem = not_a_column(name, every)
        for split, data in raw.items():
            try:
                cells = read_cells(data, name, bare, split, columns)
            except NoSuchField as error:
                cells, problem = None, str(error)
            if cells is not None:
                found[split][PREFIX + bare] = cells
        has = [split for split in raw if PREFIX + bare in found[split]]
        if not has:
            raise UsageError(f"{FLAG} {shown(bare)}: {problem}")
        if has == ["train"] and "validation" in raw:
            raise UsageError(
                f"{FLAG} {shown(bare)}: only train has this column, but results are those of validation and test. Add "
                "the column to one of them, or leave it out."
            )
        if "test" in raw and "test" not in has:
            logger.info("slices       the column %s is in %s, but not in test", shown(bare), join_first(has))
    return found


def refuse_repeats(columns: Sequence[str | None]) -> None:
    for column in columns:
        if column is not None and columns.count(column) > 1:
            raise UsageError(f"{FLAG}: the column {shown(column)} is named twice. Name each once.")


class NoSuchField(Exception):
    """The objects of a split lack a field; its text says which fields they have."""


def read_cells(data: Dataset, name: str, bare: str, split: str, columns: Columns) -> pa.ChunkedArray | None:
    """The cells of a column, or of a field inside a column of objects; None where the split has none.

    Raises:
        NoSuchField: the column has objects without the field.
    """
    what = f"{FLAG} {shown(bare)}"
    refuse_text_and_label(data, name, bare, split, columns)
    column = match_column(name, data.column_names, FLAG)
    if column is not None:
        return cells_as_text(data, column, what, split)
    base = longest_prefix(bare, data.column_names)
    if base is None:
        return None
    try:
        field = open_field(data, base, bare.removeprefix(f"{base}."), f"{FLAG} {bare}")
    except UsageError as error:
        raise NoSuchField(str(error).removeprefix(f"{FLAG} {bare}: ")) from error
    return None if field is None else cells_as_text(dataset_of({bare: field}), bare, what, split)


def refuse_text_and_label(data: Dataset, name: str, bare: str, split: str, columns: Columns) -> None:
    """Raise a UsageError if a slice is the text or the label."""
    texts = joined_name(columns.text, data.column_names) or find_text_columns(data.column_names, split)
    labels = columns.labels or ((columns.label,) if columns.label else usual_columns(data.column_names, LABEL_COLUMNS))
    for others, what in ((texts, TEXT_SLICE), (labels, LABEL_SLICE)):
        matched = [match_column(other, data.column_names, FLAG) for other in others]
        column = match_column(name, data.column_names, FLAG)
        if (column is not None and column in matched) or bare in [bare_name(other) for other in others]:
            raise UsageError(f"{FLAG} {shown(bare)}: {what}")


def bare_name(name: str) -> str:
    """A name as it was typed, without quotes; outer spaces count in quotes only."""
    return next(iter(bare_names(name)), name)


def cells_as_text(data: Dataset, column: str, what: str, split: str) -> pa.ChunkedArray:
    """A column as strings, as the file has them: "" where a value is missing, lists and objects as JSON.

    Args:
        what: flag and value, for the error.

    Raises:
        UsageError: bytes that are no text.
    """
    feature, stored = data.features[column], arrow_column(data, column)
    if isinstance(feature, ClassLabel):
        texts = [feature.names[value] if value is not None and value >= 0 else "" for value in data[column][:]]
        return as_strings(texts)
    kind = stored.type
    if is_text(kind):
        strings = stored.cast(pa.large_string())
    elif pa.types.is_float32(kind) or pa.types.is_float16(kind):
        short = [None if value is None else float(str(value)) for value in stored.to_numpy(zero_copy_only=False)]
        strings = numbers_as_text(pa.chunked_array([pa.array(short, pa.float64())]))
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        strings = numbers_as_text(stored)
    else:
        return as_strings([value_as_text(value, what, split) for value in python_values(data, column)])
    return pc.fill_null(strings, "")


def as_strings(texts: list[str]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def value_as_text(value: Any, what: str, split: str) -> str:
    """One value that is no string and no number."""
    if is_missing(value):
        return ""
    if isinstance(value, bool | list | dict):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            problem = f"{split} has bytes that are no text ({quoted(value, LONGEST_EXAMPLE)})"
            raise UsageError(f"{what}: {problem}. Name a column of texts or numbers.") from error
    return value.isoformat() if isinstance(value, datetime.date | datetime.time) else str(value)
