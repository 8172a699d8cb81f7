"""The user's columns become `id, text, text_pair?, label?`; later stages do not know the user's names."""

from __future__ import annotations

import logging

import pyarrow as pa
from datasets import Dataset, DatasetDict

from classification.data.arrow_columns import dataset_of
from classification.data.bad_rows import BadRows, drop_bad_rows
from classification.data.column_names import Columns, UsedColumns, find_label_column, find_text_columns
from classification.data.label_columns import read_labels
from classification.data.named_columns import existing_column, existing_columns, joined_name, match_column, not_a_column
from classification.data.nested_fields import open_fields
from classification.data.row_ids import read_ids
from classification.data.row_times import read_groups, read_times
from classification.data.slice_columns import read_slices
from classification.data.text_values import FLAG as TEXT_FLAG
from classification.data.text_values import read_texts
from classification.data.yes_no_columns import FLAG as YES_NO_FLAG
from classification.errors import UsageError

logger = logging.getLogger(__name__)


def standardise_columns(
    raw: DatasetDict, columns: Columns, bad_rows: BadRows | None = None
) -> tuple[DatasetDict, tuple[str, ...] | None, UsedColumns]:
    """Give every split the columns `id, text, text_pair?, label?`, the slices as `slice.<name>`, and no others.

    Train also gets `group` and `time` where `columns` names them and validation will be split off.

    Returns:
        The splits, with raw labels (None where missing); the class names where the data declares them; and the names of
        the columns that were read (of train, where splits differ).

    Raises:
        UsageError: a column is missing or ambiguous, ids repeat, or rows are bad and `bad_rows` refuses them.
    """
    bad_rows = bad_rows or BadRows()
    raw = remove_columns(raw, columns.remove)
    slices = read_slices(raw, columns)
    class_names, notes = None, []
    used: dict[str, UsedColumns] = {}
    splits = DatasetDict()
    for split, data in raw.items():
        data = open_fields(data, columns.single_names)
        ids = read_ids(data, columns.id, split)
        named = columns.text or find_text_columns(data.column_names, split)
        texts = existing_columns(data.column_names, named, TEXT_FLAG)
        if columns.label and match_column(columns.label, data.column_names, "--label_column_name") in texts:
            raise UsageError(f"--label_column_name {columns.label}: this column is the text. Name the label column.")
        content = read_texts(data, texts, columns.delimiter, split, ids)
        content["id"] = ids
        labels = read_labels(data, columns, split, ids)
        if labels is not None:
            content["label"] = labels.as_array()
            class_names = class_names or labels.names
            notes.append(labels.note)
        used[split] = used_columns(data.column_names, columns, tuple(texts), split, has_labels=labels is not None)
        if split == "train" and "validation" not in raw:
            content |= read_split_columns(data, columns, ids)
        splits[split] = drop_bad_rows(dataset_of(content | slices[split]), split, bad_rows)
    for note in dict.fromkeys(filter(None, notes)):
        logger.info("labels       %s", note)
    if len({"text_pair" in data.column_names for data in splits.values()}) > 1:
        raise UsageError("--text_column_names: some splits have pairs and others single texts. Name the columns.")
    return splits, class_names, used.get("train", next(iter(used.values()), UsedColumns()))


def used_columns(
    names: list[str], columns: Columns, texts: tuple[str, ...], split: str, *, has_labels: bool
) -> UsedColumns:
    """The columns of a split, with those of its labels if it has any."""
    if not has_labels:
        return UsedColumns(texts, columns.delimiter)
    if columns.labels:
        found = (existing_column(names, name, YES_NO_FLAG, split) for name in joined_name(columns.labels, names))
        return UsedColumns(texts, columns.delimiter, labels=tuple(found))
    label = find_label_column(names, columns.label, split)
    return UsedColumns(texts, columns.delimiter, label, label_delimiter=columns.label_delimiter)


def remove_columns(raw: DatasetDict, names: tuple[str, ...]) -> DatasetDict:
    """The splits without the columns `names`, each of which at least one split must have.

    Raises:
        UsageError: a name that no split has.
    """
    flag = "--remove_columns"
    names = joined_name(names, {column for data in raw.values() for column in data.column_names})
    removed = {split: {match_column(name, data.column_names, flag) for name in names} for split, data in raw.items()}
    for name in names:
        if all(match_column(name, data.column_names, flag) is None for data in raw.values()):
            raise UsageError(f"{flag} {name}: {not_a_column(name, next(iter(raw.values())).column_names)}")
    return DatasetDict(
        {
            split: data.select_columns([name for name in data.column_names if name not in removed[split]])
            for split, data in raw.items()
        }
    )


def read_split_columns(data: Dataset, columns: Columns, ids: pa.ChunkedArray) -> dict[str, pa.Array]:
    """`group` and `time`, by which validation is split off train, where `columns` names them."""
    content = {}
    if columns.group:
        content["group"] = read_groups(data, columns.group)
    if columns.time:
        content["time"] = read_times(data, columns.time, ids)
    return content
