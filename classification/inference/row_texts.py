"""The texts of an input's rows: which columns they are, and why a row has none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from classification.data.column_names import ID_COLUMNS, TEXT_COLUMNS, find_text_columns, usual_columns
from classification.data.named_columns import (
    bare_names,
    describe_columns,
    existing_column,
    joined_name,
    match_column,
    shown,
    split_names,
)
from classification.data.nested_names import field_value, longest_prefix
from classification.data.sources.row_batches import RowBatch, RowStream
from classification.data.unreadable_texts import HALF, is_blank
from classification.errors import UsageError, did_you_mean
from classification.inference.data_statistics import DataStatistics

# n rows of a batch.

FLAG = "--text_column_names"
BLANK = "null or blank text"
KINDS = {bool: "true or false", list: "a list", dict: "an object", bytes: "bytes that are not UTF-8"}
REMEDY = "Fix the input, or pass --on_bad_row keep or --on_bad_row drop."


@dataclass(frozen=True)
class RowTexts:
    """The texts of a batch.

    Args:
        texts, pairs: [n]; anything where a row has a problem. Pairs are None where the input has single texts.
        problems: position -> why the row has no text, in words that follow the row's number.
    """

    texts: list[str]
    pairs: list[str] | None
    problems: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class TextColumns:
    """The columns that hold the text.

    Args:
        names: one, two of a pair, or with `delimiter` any number that are joined.
    """

    names: tuple[str, ...]
    delimiter: str | None = None

    @property
    def are_pairs(self) -> bool:
        return len(self.names) == 2 and self.delimiter is None

    def describe(self) -> str:
        joined = f" joined with {self.delimiter!r}" if self.delimiter is not None else ""
        return f"{' + '.join(map(shown, self.names))}{joined}"

    def read(self, batch: RowBatch, columns: Sequence[str]) -> RowTexts:
        """The texts of a batch of an input with these columns."""
        problems = dict(batch.problems)
        parts = [self.strings(name, column_values(batch, name, columns), problems) for name in self.names]
        if self.delimiter is not None:
            rows = zip(*parts, strict=True)
            joined: list[str | None] = [self.delimiter.join(text or "" for text in row) for row in rows]
            parts = [joined]
        texts = parts[0]
        for row, text in enumerate(texts):
            if row not in problems and is_blank(text):
                problems[row] = BLANK
        pairs = parts[1] if len(parts) > 1 else None
        for row, text in enumerate(pairs or []):
            if row not in problems and text is None:
                problems[row] = BLANK
        given = [text or "" for text in texts]
        return RowTexts(given, None if pairs is None else [text or "" for text in pairs], problems)

    @staticmethod
    def strings(name: str, values: Sequence[Any], problems: dict[int, str]) -> list[str | None]:
        """Values as texts; what cannot be one is None and gets a problem."""
        texts: list[str | None] = []
        for row, value in enumerate(values):
            text, problem = (value, "") if type(value) is str else as_text(value)
            if text is not None and not text.isascii() and HALF.search(text):
                text, problem = None, "half of a character"
            if problem and row not in problems:
                problems[row] = f"has {problem} in the column {shown(name)}, not text"
            texts.append(text)
        return texts


def as_text(value: Any) -> tuple[str | None, str]:
    """A value as the text that training reads, None where it is missing; and what it is where it can be no text."""
    if isinstance(value, str):
        return str(value), ""
    if value is None:
        return None, ""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8"), ""
        except UnicodeDecodeError:
            return None, KINDS[bytes]
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None, next((words for kind, words in KINDS.items() if isinstance(value, kind)), type(value).__name__)
    if isinstance(value, float):
        if not math.isfinite(value):
            return None, ""
        value = int(value) if value.is_integer() and abs(value) < 1e15 else value
    return str(value), ""


def column_values(batch: RowBatch, name: str, columns: Sequence[str]) -> Sequence[Any]:
    """The values of a column, or of a field inside a column of objects."""
    if name in columns:
        return batch.column(name)
    base = longest_prefix(name, columns)
    assert base is not None  # `find_columns` has checked it
    path = name.removeprefix(f"{base}.").split(".")
    return [field_value(value, path) for value in batch.column(base)]


def find_columns(
    columns: Sequence[str], given: str | None, delimiter: str | None, trained: DataStatistics | None, *, place: str,
    is_lines: bool = False,
) -> TextColumns:  # fmt: skip
    """The text columns of an input: those that are given, else those of the training, else those with a usual name.

    Args:
        given: the value of `--text_column_names`.
        trained: of the model's folder; None where it has none.
        place: how errors name the input. is_lines: whether the input is lines of text.

    Raises:
        UsageError: no such column, or several candidates; or single texts for a model of pairs, or pairs for one of
            single texts.
    """
    names = joined_name(split_names(given), columns)
    own = delimiter if delimiter is not None or trained is None else trained.text_column_delimiter
    if names:
        found = TextColumns(tuple(given_column(columns, name, place) for name in names), own)
    elif is_lines:
        found = TextColumns(("text",))
    elif trained and trained.text_columns:
        found = TextColumns(tuple(trained_column(columns, name, place) for name in trained.text_columns), own)
    else:
        usual = find_text_columns(columns, place)
        found = TextColumns(tuple(existing_column(columns, name, FLAG) for name in usual), delimiter)
    if len(found.names) > 2 and found.delimiter is None:
        raise UsageError(f"{FLAG}: more than two text columns. To join them, pass --text_column_delimiter ' '.")
    if trained and trained.has_pairs != found.are_pairs:
        raise other_number(found, has_pairs=trained.has_pairs)
    return found


def other_number(found: TextColumns, *, has_pairs: bool) -> UsageError:
    """The error for pairs of texts where the model reads single ones, or the other way round."""
    reads = "pairs of texts, and this is a single one. Name two columns" if has_pairs else (
        "single texts, and this is a pair. Name one column, or join both with --text_column_delimiter ' '"
    )  # fmt: skip
    example = f"{FLAG} {'a,b' if has_pairs else found.names[0]}"
    return UsageError(f"{FLAG} {found.describe()}: the model reads {reads}: {example}")


def given_column(columns: Sequence[str], name: str, place: str) -> str:
    if match_column(name, columns, FLAG) is None and longest_prefix(name, columns) is not None:
        return name
    return existing_column(columns, name, FLAG, place)


def trained_column(columns: Sequence[str], name: str, place: str) -> str:
    """The column of the training data with this name.

    Raises:
        UsageError: the input has none; suggests another one.
    """
    column = match_column(name, columns, FLAG)
    if column is None and longest_prefix(name, columns) is not None:
        return name
    if column is None:
        near = did_you_mean(bare_names(name)[0] if bare_names(name) else name, columns)
        usual = usual_columns(columns, TEXT_COLUMNS)
        guess = near.split("'")[1] if near.count("'") == 2 else (usual[0] if usual else "NAME")
        raise UsageError(
            f"{place}: has no column {name}, which was the model's text column; {describe_columns(columns)}.{near} "
            f"Name the text column: {FLAG} {shown(guess)}"
        )
    return column


def check_rows(stream: RowStream, text: TextColumns) -> None:
    """Raise a UsageError for the first row without a text: one pass over the input costs less than hours of answers."""
    for batch in stream.batches():
        if problems := text.read(batch, stream.columns).problems:
            raise bad_row(stream.place, stream.columns, batch, problems)


def bad_row(place: str, columns: Sequence[str], batch: RowBatch, problems: Mapping[int, str]) -> UsageError:
    """The error for the first problem of a batch: the number of its row in the input, from 1, and the row's id.

    Args:
        place: how errors name the input. columns: all of its columns.
    """
    row, ids = min(problems), find_id_column(columns)
    value = None if ids is None else batch.column(ids)[row]
    name = f"row {batch.first + row + 1}" + ("" if value is None else f" (id {value})")
    return UsageError(f"{place}: {name}: {problems[row]}. {REMEDY}")


def find_id_column(columns: Sequence[str]) -> str | None:
    """The column of the rows' ids, by its usual name."""
    return next(iter(usual_columns(columns, ID_COLUMNS)), None)
