"""One 0/1 column per label (`--label_column_names`)."""

from __future__ import annotations

import pyarrow as pa
from datasets import Dataset

from classification.data.arrow_columns import python_values
from classification.data.label_cells import RawLabels
from classification.data.label_values import as_float, as_yes_no, is_missing
from classification.data.named_columns import existing_column, joined_name, match_column, unquoted
from classification.errors import UsageError
from classification.messages.shown_texts import quoted

FLAG = "--label_column_names"


def read_yes_no_columns(data: Dataset, names: tuple[str, ...], split: str, ids: pa.ChunkedArray) -> RawLabels | None:
    """Each row gets the names of its columns with 1.

    A row of only blanks (or -1) has no label. A test split without any of the columns has no labels (None).

    Raises:
        UsageError: a column is missing or named twice, or a value is neither 0 nor 1.
    """
    names = joined_name(names, data.column_names)
    if split == "test" and all(match_column(name, data.column_names, FLAG) is None for name in names):
        return None
    found = [existing_column(data.column_names, name, FLAG, split) for name in names]
    repeated = [name for name in found if found.count(name) > 1]
    if repeated:
        raise UsageError(f"{FLAG}: the column {repeated[0]!r} is named twice. Name every column once.")
    labels = label_names(names, found)
    columns = [python_values(data, column) for column in found]
    rows: list[list[str] | None] = []
    for row, cells in enumerate(zip(*columns, strict=True)):
        if all(is_missing(cell) or as_float(cell) == -1 for cell in cells):
            rows.append(None)
            continue
        chosen = []
        for name, cell in zip(labels, cells, strict=True):
            is_given = as_yes_no(cell)
            if is_given is None:
                raise UsageError(
                    f"{FLAG} {name}: the row with the id {ids[row].as_py()} of {split} has {quoted(cell)} where 0 or 1 "
                    "is expected. Fix the value, or name one column of names with --label_column_name instead."
                )
            chosen += [name] if is_given else []
        rows.append(chosen)
    return RawLabels(rows, labels)


def label_names(names: tuple[str, ...], columns: list[str]) -> tuple[str, ...]:
    """The label of each column: its name as it was typed, without quotes and outer spaces.

    The spaces may differ from split to split; the labels may not.
    """
    labels = [unquoted(name).strip() for name in names]
    return tuple(labels if len(set(labels)) == len(labels) else columns)
