"""The columns by which a validation set is split off train: groups and times."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
from datasets import Dataset

from classification.data.arrow_columns import python_values
from classification.data.label_values import as_float, is_missing
from classification.data.named_columns import existing_column
from classification.errors import UsageError
from classification.messages.shown_texts import quoted


def read_groups(data: Dataset, name: str) -> pa.Array:
    """A string per row, null where the group is missing.

    Raises:
        UsageError: no such column.
    """
    groups = python_values(data, existing_column(data.column_names, name, "--validation_group_column"))
    return pa.array([None if is_missing(group) else str(group) for group in groups], pa.string())


def read_times(data: Dataset, name: str, ids: pa.ChunkedArray) -> pa.Array:
    """Numbers as they are, dates as seconds since 1970 (UTC unless a date has a time zone); null where missing.

    Args:
        ids: of the rows, for errors.

    Raises:
        UsageError: no such column, or a value that is neither a number nor a date.
    """
    values = python_values(data, existing_column(data.column_names, name, "--time_column"))
    if all(is_missing(value) or as_float(value) is not None for value in values):
        return pa.array([as_float(value) for value in values], pa.float64())
    times: list[float | None] = []
    for row, value in enumerate(values):
        try:
            moment = None if is_missing(value) else datetime.fromisoformat(str(value).strip())
        except ValueError as error:
            raise UsageError(
                f"--time_column {name}: the row with the id {ids[row].as_py()} has {quoted(value)}, which is neither a "
                "number nor a date such as 2024-01-31 or 2024-01-31T12:30:00. Convert the column."
            ) from error
        if moment and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        times.append(moment.timestamp() if moment else None)
    return pa.array(times, pa.float64())
