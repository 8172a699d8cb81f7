"""The forms in which labels come, read into one form: a value per row, or a list of names per row.

One column of names, numbers or a `ClassLabel`; one column of lists (`List` features, JSON arrays, or text split by
`--label_delimiter`); or one 0/1 column per label (`--label_column_names`).
"""

from __future__ import annotations

import json
import logging
from collections import Counter

from datasets import ClassLabel, Dataset, DatasetDict

from classification.data.bad_rows import MINUS_ONE, BadRows
from classification.data.column_names import Columns, existing_column, find_label_column
from classification.data.label_values import as_float, is_missing, label_key
from classification.data.labels import LabelSpace
from classification.errors import UsageError, join_first

logger = logging.getLogger(__name__)

YES_NO = {"1": True, "true": True, "0": False, "false": False}


def read_labels(data: Dataset, columns: Columns, split: str) -> tuple[list | None, tuple[str, ...] | None]:
    """The raw labels of a split, and the class names where the data declares them.

    Returns:
        A value or a list of strings per row, None for a missing label (None instead of the list where test has no
        label column); and the names of a `ClassLabel` or of 0/1 columns, in their order.

    Raises:
        UsageError: no such column, several candidates, two forms at once, or values that fit no form.
    """
    if columns.labels:
        return read_yes_no_columns(data, columns.labels, split)
    column = find_label_column(data, columns.label, split)
    if column is None:
        return None, None
    values, feature = data[column][:], data.features[column]
    item = getattr(feature, "feature", None)
    if isinstance(feature, ClassLabel) or isinstance(item, ClassLabel):
        return name_class_labels(values, item or feature, column, split)
    has_lists = any(isinstance(value, list) for value in values)
    if columns.label_delimiter:
        values = split_cells(values, columns.label_delimiter, column, split)
    elif not has_lists:
        values = json_arrays(values, column, split)
    values = [None if is_missing(value) else value for value in values]
    if any(isinstance(value, list) for value in values):
        refuse_vectors(values, column, split)
        values = [None if value is None else names_of(value) for value in values]
    return values, None


def names_of(value: object) -> list[str]:
    """The names in the list of one row, without blanks and repeats; a single value is a list of one."""
    items = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(str(label_key(item)).strip() for item in items if not is_missing(item)))


def split_cells(values: list, delimiter: str, column: str, split: str) -> list:
    """The cells of a text column as lists. A blank cell is a row with no labels (an empty list), unless all cells are
    blank: then the labels are missing.

    Raises:
        UsageError: the column does not have text.
    """
    has_lists = any(isinstance(value, list) for value in values)
    if has_lists or not all(value is None or isinstance(value, str) for value in values):
        raise UsageError(
            f"--label_delimiter {delimiter!r}: {split} has {'lists' if has_lists else 'numbers'} in {column}, not text "
            "to split. Leave the flag out."
        )
    if all(is_missing(value) for value in values):
        return values
    return [None if value is None else value.split(delimiter) for value in values]


def json_arrays(values: list, column: str, split: str) -> list:
    """The cells of a text column parsed as JSON arrays, or unchanged where at most half of them look like arrays.

    Raises:
        UsageError: most cells are arrays, and one is not.
    """
    cells = [value for value in values if not is_missing(value)]
    arrays = sum(str(cell).lstrip().startswith("[") and str(cell).rstrip().endswith("]") for cell in cells)
    if arrays <= len(cells) / 2:
        return values
    lists = []
    for row, value in enumerate(values):
        try:
            lists.append(None if is_missing(value) else json.loads(value))
        except json.JSONDecodeError as error:
            raise UsageError(
                f"--label_column_name {column}: row {row} of {split} has {value!r}, which is not a JSON array. Write "
                'the names in double quotes, as in ["joy", "fear"], or separate them by a --label_delimiter.'
            ) from error
    return lists


def refuse_vectors(values: list, column: str, split: str) -> None:
    """Raise a UsageError if the lists are vectors of 0 and 1, whose labels have no names."""
    lists = [value for value in values if isinstance(value, list)]
    lengths = {len(value) for value in lists}
    bits = all(item in (0, 1) for value in lists for item in value)
    if len(lengths) == 1 and bits and any(len(set(value)) < len(value) for value in lists):
        raise UsageError(
            f"--label_column_name {column}: {split} has vectors of 0 and 1 (for example {lists[0]}), whose labels "
            "have no names. Write lists of names, or one column per label: --label_column_names a,b,c."
        )


def name_class_labels(values: list, feature: ClassLabel, column: str, split: str) -> tuple[list, tuple[str, ...]]:
    """The ids of a `ClassLabel`, single or in lists, as names; a single -1 is a missing label.

    Raises:
        UsageError: an id outside the declared classes.
    """
    ids = [item for value in values for item in (value if isinstance(value, list) else [value])]
    lowest = 0 if any(isinstance(value, list) for value in values) else -1
    outside = Counter(value for value in ids if value is not None and not lowest <= value < feature.num_classes)
    if outside:
        raise UsageError(
            f"--label_column_name {column}: {sum(outside.values())} labels in {split} are out of range "
            f"(for example {join_first(outside, 3)}): the data set declares {feature.num_classes} classes, "
            f"0 to {feature.num_classes - 1}. Fix the labels or the declared classes."
        )

    def name(value: int | list | None) -> str | list[str] | None:
        if isinstance(value, list):
            return [feature.names[item] for item in value if item is not None]
        return None if value is None or value == -1 else feature.names[value]

    return [name(value) for value in values], tuple(feature.names)


def read_yes_no_columns(data: Dataset, names: tuple[str, ...], split: str) -> tuple[list | None, tuple[str, ...]]:
    """One 0/1 column per label: each row gets the names of its columns with 1.

    A row of only blanks (or -1) has no label. A test split without any of the columns has no labels.

    Raises:
        UsageError: a column is missing, or a value is neither 0 nor 1.
    """
    if split == "test" and not set(names) & set(data.column_names):
        return None, names
    columns = [data[existing_column(data, name, "--label_column_names")][:] for name in names]
    rows: list[list[str] | None] = []
    for row, cells in enumerate(zip(*columns, strict=True)):
        if all(is_missing(cell) or as_float(cell) == -1 for cell in cells):
            rows.append(None)
            continue
        chosen = []
        for name, cell in zip(names, cells, strict=True):
            is_given = YES_NO.get(str(cell).strip().lower().removesuffix(".0"))
            if is_given is None:
                raise UsageError(
                    f"--label_column_names {name}: row {row} of {split} has {cell!r} where 0 or 1 is expected. "
                    "Fix the value, or name one column of names with --label_column_name instead."
                )
            chosen += [name] if is_given else []
        rows.append(chosen)
    return rows, names


def encode_labels(
    splits: DatasetDict, task: LabelSpace, bad_rows: BadRows | None = None, *, source: str = "train"
) -> DatasetDict:
    """Replace the raw `label` by the ids of `task.encode`, None where missing.

    A test split without any label loses the column: it is predicted, not scored.

    Args:
        source: `train` or `the model`, from which the labels come; for the error.

    Raises:
        UsageError: labels that train does not have, or missing labels (-1) that `bad_rows` refuses.
    """
    bad_rows = bad_rows or BadRows()
    encoded = DatasetDict()
    for split, data in splits.items():
        if "label" not in data.column_names:
            encoded[split] = data
            continue
        label_ids = encode_column(data, task, split, source)
        data = data.remove_columns("label")
        missing = [row for row, label_id in enumerate(label_ids) if label_id is None]
        if missing and split != "test":
            bad_rows.handle([data["id"][row] for row in missing], MINUS_ONE, split)
            data = data.select([row for row, label_id in enumerate(label_ids) if label_id is not None])
            label_ids = [label_id for label_id in label_ids if label_id is not None]
            if not label_ids:
                raise UsageError(f"No rows of {split} are left: no row has a label.")
        if split == "test" and len(missing) == len(label_ids):
            logger.info("labels       %s has no labels: it is predicted, not scored", split)
        else:
            data = data.add_column("label", label_ids, feature=task.label_feature)
        encoded[split] = data
    return encoded


def encode_column(data: Dataset, task: LabelSpace, split: str, source: str) -> list:
    """The ids of the raw labels of a split.

    Raises:
        UsageError: labels that the task does not have, with counts and examples.
    """
    label_ids: list = []
    unknown: dict[str, list[str]] = {}
    for row_id, value in zip(data["id"], data["label"], strict=True):
        try:
            label_ids.append(task.encode(value))
        except KeyError as error:
            unknown.setdefault(str(error.args[0]), []).append(row_id)
    if unknown:
        raise UsageError(task.describe_unknown(unknown, split, source))
    return label_ids
