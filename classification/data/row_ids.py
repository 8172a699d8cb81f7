"""The id of every row: a string, as it is written in the data, or the number of the row."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from classification.data.arrow_columns import arrow_column, is_binary, is_text, numbers_as_text, with_nulls
from classification.data.column_names import ID_COLUMNS
from classification.data.findings import agree, quantity
from classification.data.named_columns import existing_column, loosened, match_column, shown
from classification.errors import UsageError, join_first

logger = logging.getLogger(__name__)


class IdColumn(NamedTuple):
    """A column that may hold the ids: its strings (null where missing), and those that repeat -> number of rows."""

    name: str
    ids: pa.ChunkedArray
    repeats: dict[str, int]

    @property
    def is_complete(self) -> bool:
        return not self.repeats and not self.ids.null_count

    @property
    def is_useful(self) -> bool:
        """Whether most rows have an id of their own."""
        own = len(self.ids) - self.ids.null_count - sum(self.repeats.values())
        return own > len(self.ids) / 2


def read_ids(data: Dataset, given: str | None, split: str) -> pa.ChunkedArray:
    """The ids as strings: of the column `given`, of a column with a usual name, or `train-17`.

    Without `given`, a complete column of unique ids is preferred to one with gaps or repeats. A row without an id gets
    its number. A column in which most rows have no id of their own is not used. What was changed is logged.

    Raises:
        UsageError: no such column; or ids of `given` repeat, are missing or are not text.
    """
    if given:
        column = id_column(data, existing_column(data.column_names, given, "--id_column_name", split))
        check_given(column, given, data, split)
        assert column is not None
        return column.ids
    names = [match_column(name, data.column_names, "--id_column_name") for name in ID_COLUMNS]
    columns = {name: id_column(data, name) for name in names if name is not None}
    usable = [column for column in columns.values() if column is not None]
    chosen = next((column for column in usable if column.is_complete), None)
    chosen = chosen or next((column for column in usable if column.is_useful), None)
    numbers = row_numbers(len(data), split)
    if chosen is None:
        for name, column in list(columns.items())[:1]:
            reason = describe_gaps(column, split) if column else "its values cannot be ids"
            logger.warning("the column '%s' of %s does not give the ids (%s). They are %s-0, %s-1 and so on",
                           name, split, reason, split, split)  # fmt: skip
        other = [name for name in data.column_names if loosened(name).lower() in ID_COLUMNS]
        if other and not columns:
            logger.info("data         the ids of %s are %s-0, %s-1 and so on; for those of the column %s, pass "
                        "--id_column_name %s", split, split, split, shown(other[0]), shown(other[0]))  # fmt: skip
        return numbers
    if not chosen.is_complete:
        gaps = describe_gaps(chosen, split, kept=True)
        logger.warning("in the column '%s' of %s %s", chosen.name, split, gaps)
    return pc.coalesce(chosen.ids, numbers)


def row_numbers(count: int, split: str) -> pa.ChunkedArray:
    """`train-0`, `train-1` and so on."""
    numbers = pa.array(np.arange(count)).cast(pa.large_string())
    prefix, nothing = (pa.scalar(text, pa.large_string()) for text in (f"{split}-", ""))
    return pa.chunked_array([pc.binary_join_element_wise(prefix, numbers, nothing)])


def id_column(data: Dataset, name: str) -> IdColumn | None:
    """The ids in a column, None where its values cannot be ids (lists, objects, bytes that are not text)."""
    stored = arrow_column(data, name)
    if is_text(stored.type):
        ids = stored.cast(pa.large_string())
    elif is_binary(stored.type):
        try:
            ids = stored.cast(pa.large_binary()).cast(pa.large_string())
        except pa.ArrowInvalid:
            return None
    elif pa.types.is_integer(stored.type) or pa.types.is_floating(stored.type):
        ids = numbers_as_text(stored)
    else:
        values = data[name][:]
        if any(isinstance(value, dict | list) for value in values):
            return None
        ids = pa.chunked_array([pa.array([None if x is None else str(x) for x in values], pa.large_string())])
    ids = with_nulls(ids, pc.equal(pc.utf8_trim_whitespace(ids), ""))
    counts = pc.value_counts(ids.drop_null())
    repeated = counts.filter(pc.greater(counts.field("counts"), 1))
    return IdColumn(name, ids, dict(zip(*(repeated.field(i).to_pylist() for i in (0, 1)), strict=True)))


def check_given(column: IdColumn | None, given: str, data: Dataset, split: str) -> None:
    """Refuse a column of `--id_column_name` that does not name every row once."""
    flag = f"--id_column_name {given}:"
    remedy = "or leave the flag out to number the rows"
    if column is None:
        kind = data.features[existing_column(data.column_names, given, "--id_column_name")]
        raise UsageError(f"{flag} {split} has values that cannot be ids ({kind}). Name a column of text, {remedy}.")
    if column.repeats:
        raise UsageError(
            f"{flag} ids repeat in {split}: {describe_repeats(column)}. Name a column of unique ids, {remedy}."
        )
    if column.ids.null_count:
        rows = places_of_nulls(column.ids, split)
        count = quantity(len(rows), "row")
        raise UsageError(
            f"{flag} {count} of {split} {agree(len(rows), 'have')} no id ({join_first(rows)}, counted from 0). "
            f"Fill them, {remedy}."
        )


def describe_gaps(column: IdColumn, split: str, *, kept: bool = False) -> str:
    """Which ids repeat and which are missing; with `kept`, what becomes of these rows."""
    parts = []
    if column.repeats:
        verb = agree(len(column.repeats), "repeat")
        parts.append(f"{quantity(len(column.repeats), 'id')} {verb}: {describe_repeats(column)}")
        parts[-1] += ("; all ids are kept as they are" if kept else "")  # fmt: skip
    if column.ids.null_count:
        rows = places_of_nulls(column.ids, split)
        parts.append(f"{quantity(len(rows), 'row')} {agree(len(rows), 'have')} no id")
        parts[-1] += f" and {agree(len(rows), 'are')} called {join_first(rows)}" if kept else ""
    return "; ".join(parts)


def describe_repeats(column: IdColumn) -> str:
    return join_first((f"{row_id} in {count} rows" for row_id, count in column.repeats.items()), 3)


def places_of_nulls(ids: pa.ChunkedArray, split: str) -> list[str]:
    """The numbers of the rows without an id, in the form of ids."""
    return [f"{split}-{row}" for row in pc.indices_nonzero(ids.is_null()).to_pylist()]
