"""The text columns of a split as Arrow strings: bytes and numbers become text, anything else is refused."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Json

from classification.data.arrow_columns import arrow_column, is_binary, is_text, numbers_as_text
from classification.data.named_columns import shown
from classification.errors import UsageError
from classification.messages.shown_texts import column_title, quoted

logger = logging.getLogger(__name__)

FLAG = "--text_column_names"
KINDS = {list: "a list", dict: "an object", bytes: "bytes that are not UTF-8", bool: "true or false"}
LONGEST_EXAMPLE = 40  # characters


def read_texts(
    data: Dataset, columns: Sequence[str], delimiter: str | None, split: str, ids: pa.ChunkedArray
) -> dict[str, pa.ChunkedArray]:
    """`text` and, for a pair, `text_pair`; with a delimiter all columns are joined into `text`.

    Args:
        ids: of the rows, for errors.

    Raises:
        UsageError: values that are not text, or more than two columns without a delimiter.
    """
    texts = [read_text(data, column, split, ids) for column in columns]
    if delimiter is not None:
        strings = [text.cast(pa.large_string()) for text in texts]
        between = pa.scalar(delimiter, pa.large_string())
        joined = pc.binary_join_element_wise(*strings, between, null_handling="replace", null_replacement="")
        return {"text": joined}
    if len(texts) > 2:
        raise UsageError(
            f"{FLAG} {','.join(map(shown, columns))}: one column is a single text and two are a pair. "
            "To join more, pass --text_column_delimiter ' '."
        )
    return dict(zip(("text", "text_pair"), texts, strict=False))


def read_text(data: Dataset, column: str, split: str, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """One column as strings, null where a value is missing.

    Raises:
        UsageError: a value that is neither text nor a number; names the row's id.
    """
    stored = arrow_column(data, column)
    kind = stored.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return stored
    if is_text(kind) or pa.types.is_null(kind):
        return stored.cast(pa.large_string())
    if is_binary(kind):
        try:
            return stored.cast(pa.large_binary()).cast(pa.large_string())
        except pa.ArrowInvalid:
            refuse_first(stored.to_pylist(), column, split, ids)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        logger.info("text         the column '%s' of %s has numbers, which are read as text", column, split)
        return numbers_as_text(stored)
    values = data[column][:]
    if not isinstance(data.features[column], Json) or any(is_no_text(value) for value in values):
        refuse_first(values, column, split, ids)
    strings = [None if value is None else str(value) for value in values]
    return pa.chunked_array([pa.array(strings, pa.large_string())])


def is_no_text(value: object) -> bool:
    return value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float))


def refuse_first(values: list, column: str, split: str, ids: pa.ChunkedArray) -> None:
    """Raise a UsageError that names the first value that is not text."""
    row = next((row for row, value in enumerate(values) if is_no_text(value) and not is_utf8(value)), None)
    if row is None:
        return
    value = values[row]
    kind = next((words for kind, words in KINDS.items() if isinstance(value, kind)), f"a {type(value).__name__}")
    remedy = "Name a column of strings."
    if isinstance(value, dict):
        field = next((name for name, item in value.items() if isinstance(item, str)), next(iter(value), "field"))
        remedy = f"Name a field of it: {FLAG} '{column}.{column_title(field)}'"
    elif isinstance(value, list):
        remedy = "Write each text as one string, or name a column of strings."
    raise UsageError(
        f"{FLAG} {column}: the row with the id {ids[row].as_py()} of {split} has {kind} "
        f"(for example {quoted(value, LONGEST_EXAMPLE)}), not text. {remedy}"
    )


def is_utf8(value: object) -> bool:
    """Whether a value is bytes that are UTF-8."""
    if not isinstance(value, bytes):
        return False
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
