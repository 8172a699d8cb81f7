"""The user's columns become `id, text, text_pair?, label?`; later stages do not know the user's names."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from datasets import Dataset, DatasetDict

from classification.data.bad_rows import BadRows, drop_bad_rows
from classification.data.column_names import Columns, existing_column, find_text_columns, not_a_column
from classification.data.label_columns import read_labels
from classification.data.label_values import as_float, is_missing
from classification.errors import UsageError, join_first

ID_COLUMNS = ("id", "guid", "idx")


def standardise_columns(
    raw: DatasetDict, columns: Columns, bad_rows: BadRows | None = None
) -> tuple[DatasetDict, tuple[str, ...] | None]:
    """Give every split the columns `id, text, text_pair?, label?` and no others.

    Train also gets `group` and `time` where `columns` names them and validation will be split off.

    Returns:
        The splits, with raw labels (None where missing), and the class names where the data declares them.

    Raises:
        UsageError: a column is missing or ambiguous, ids repeat, or rows are bad and `bad_rows` refuses them.
    """
    bad_rows = bad_rows or BadRows()
    raw = remove_columns(raw, columns.remove)
    class_names = None
    splits = DatasetDict()
    for split, data in raw.items():
        content = read_texts(data, columns.text or find_text_columns(data), columns.delimiter, split)
        content["id"] = read_ids(data, columns.id, split)
        labels, names = read_labels(data, columns, split)
        if labels is not None:
            content["label"] = labels
            class_names = class_names or names
        if split == "train" and "validation" not in raw:
            content |= read_split_columns(data, columns)
        splits[split] = drop_bad_rows(content, split, bad_rows)
    if len({"text_pair" in data.column_names for data in splits.values()}) > 1:
        raise UsageError("--text_column_names: some splits have pairs and others single texts. Name the columns.")
    return splits, class_names


def remove_columns(raw: DatasetDict, names: tuple[str, ...]) -> DatasetDict:
    """The splits without the columns `names`, each of which at least one split must have."""
    for name in names:
        if not any(name in data.column_names for data in raw.values()):
            raise UsageError(f"--remove_columns {name}: {not_a_column(name, next(iter(raw.values())))}")
    return DatasetDict(
        {
            split: data.select_columns([name for name in data.column_names if name not in names])
            for split, data in raw.items()
        }
    )


def read_texts(data: Dataset, columns: tuple[str, ...], delimiter: str | None, split: str) -> dict[str, list]:
    """`text` and, for a pair, `text_pair`; with a delimiter all columns are joined into `text`.

    Raises:
        UsageError: no such column, values that are not strings, or more than two columns without a delimiter.
    """
    values = []
    for column in columns:
        values.append(data[existing_column(data, column, "--text_column_names")][:])
        wrong = next((value for value in values[-1] if value is not None and not isinstance(value, str)), None)
        if wrong is not None:
            raise UsageError(
                f"--text_column_names {column}: {split} has {type(wrong).__name__} values in this column "
                f"(for example {str(wrong)[:40]!r}), not text. Name a column of strings."
            )
    if delimiter is not None:
        return {"text": [delimiter.join(part or "" for part in parts) for parts in zip(*values, strict=True)]}
    if len(values) > 2:
        raise UsageError(
            f"--text_column_names {','.join(columns)}: one column is a single text and two are a pair. "
            "To join more, pass --text_column_delimiter ' '."
        )
    return dict(zip(("text", "text_pair"), values, strict=False))


def read_ids(data: Dataset, given: str | None, split: str) -> list[str]:
    """The ids as strings: of the column `given`, of a unique column with a usual name, or `train-17`.

    Raises:
        UsageError: no such column, or its ids repeat.
    """
    if given:
        values = [str(value) for value in data[existing_column(data, given, "--id_column_name")]]
        repeated = [value for value, count in Counter(values).items() if count > 1]
        if repeated:
            raise UsageError(
                f"--id_column_name {given}: ids repeat in {split} (for example {join_first(repeated, 3)}). Name a "
                "column of unique ids, or leave the flag out to number the rows."
            )
        return values
    for column in ID_COLUMNS:
        if column in data.column_names:
            values = data[column][:]
            if not any(is_missing(value) for value in values) and len({str(value) for value in values}) == len(values):
                return [str(value) for value in values]
    return [f"{split}-{row}" for row in range(len(data))]


def read_split_columns(data: Dataset, columns: Columns) -> dict[str, list]:
    """`group` and `time`, by which validation is split off train, where `columns` names them."""
    content: dict[str, list] = {}
    if columns.group:
        groups = data[existing_column(data, columns.group, "--validation_group_column")]
        content["group"] = [None if is_missing(value) else str(value) for value in groups]
    if columns.time:
        content["time"] = read_times(data, columns.time)
    return content


def read_times(data: Dataset, column: str) -> list[float | None]:
    """Numbers as they are, dates as seconds since 1970 (UTC unless a date has a time zone).

    Raises:
        UsageError: no such column, or a value that is neither a number nor a date.
    """
    values = data[existing_column(data, column, "--time_column")][:]
    if all(is_missing(value) or as_float(value) is not None for value in values):
        return [as_float(value) for value in values]
    times: list[float | None] = []
    for row, value in enumerate(values):
        try:
            moment = None if is_missing(value) else datetime.fromisoformat(str(value).strip())
        except ValueError as error:
            raise UsageError(
                f"--time_column {column}: row {row} has {value!r}, which is neither a number nor a date such as "
                "2024-01-31 or 2024-01-31T12:30:00. Convert the column."
            ) from error
        if moment and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        times.append(moment.timestamp() if moment else None)
    return times
