"""What the readers of labels share: the cells of a label column with the ids of their rows, and what was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from classification.errors import UsageError
from classification.messages.shown_texts import quoted


@dataclass(frozen=True)
class Cells:
    """The cells of a label column.

    Args:
        values: one per row, None where missing.
        ids: of the rows, for errors.
    """

    column: str
    split: str
    values: list
    ids: pa.ChunkedArray

    @property
    def flag(self) -> str:
        return f"--label_column_name {self.column}"

    def plain(self) -> Cells:
        """The same cells in types that the readers of labels know.

        Raises:
            UsageError: bytes that are not UTF-8.
        """
        values = []
        for row, value in enumerate(self.values):
            try:
                values.append(plain(value))
            except UnicodeDecodeError as error:
                problem = f"{self.row(row)} has bytes that are not UTF-8 ({quoted(value)})"
                raise UsageError(f"{self.flag}: {problem}. Write the labels as text.") from error
        return self.replaced(values)

    def replaced(self, values: list) -> Cells:
        return Cells(self.column, self.split, values, self.ids)

    def row(self, row: int) -> str:
        """A row, for an error."""
        return f"the row with the id {self.ids[row].as_py()} of {self.split}"


@dataclass(frozen=True)
class RawLabels:
    """The raw labels of a split.

    Args:
        values: a value or a list of names per row, None where missing.
        names: of the classes, where the data declares them.
        note: how the column was read, where that is not plain.
    """

    values: list
    names: tuple[str, ...] | None = None
    note: str | None = None

    def as_array(self) -> pa.Array:
        """An array of one type: of values of several types as strings."""
        kinds = {type(value) for value in self.values} - {type(None)}
        if kinds == {list}:
            return pa.array(self.values, pa.list_(pa.string()))
        if len(kinds) > 1:
            return pa.array([None if value is None else str(value) for value in self.values], pa.string())
        try:
            return pa.array(self.values)
        except OverflowError:  # whole numbers of more than 64 bits
            return pa.array([None if value is None else str(value) for value in self.values], pa.string())


def plain(value: Any) -> Any:
    """A cell as text, a number, a boolean, a list or an object; bytes are read as UTF-8, dates are written out.

    Raises:
        UnicodeDecodeError: bytes that are not UTF-8.
    """
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value if value is None or isinstance(value, str | bool | int | float | dict) else str(value)
