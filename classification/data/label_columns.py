"""The forms in which labels come, read into one form: a value per row, or a list of names per row.

One column of names, numbers or a `ClassLabel`; one column of lists (`List` features, JSON arrays, or text split by
`--label_delimiter`) or of objects; or one 0/1 column per label (`--label_column_names`).
"""

from __future__ import annotations

import json
import logging
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetDict

from classification.data.arrow_columns import filter_rows, python_values, replace_column
from classification.data.bad_rows import MINUS_ONE, BadRows
from classification.data.column_names import Columns, find_label_column
from classification.data.label_cells import Cells, RawLabels
from classification.data.label_objects import objects_in, read_objects
from classification.data.label_values import TRUE_FALSE, as_int, is_missing, name_booleans
from classification.data.labels import LabelSpace
from classification.data.yes_no_columns import read_yes_no_columns
from classification.errors import UsageError, join_first
from classification.messages.shown_texts import HIDDEN, are_texts_shown, quoted

logger = logging.getLogger(__name__)

BRACKETS = {"[": "]", "{": "}"}
OBJECTS = re.compile(
    r"""\s*(\[\s*)?\{\s*["']"""
)  # the beginning of an object as JSON or Python writes it, or of a list


def read_labels(data: Dataset, columns: Columns, split: str, ids: pa.ChunkedArray) -> RawLabels | None:
    """The raw labels of a split: a value or a list of strings per row; None where test has no label column.

    Args:
        ids: of the rows, for errors.

    Raises:
        UsageError: no such column, several candidates, two forms at once, or values that fit no form.
    """
    if columns.labels:
        return read_yes_no_columns(data, columns.labels, split, ids)
    column = find_label_column(data.column_names, columns.label, split)
    if column is None:
        return None
    feature = data.features[column]
    item = getattr(feature, "feature", None)
    if isinstance(feature, ClassLabel) or isinstance(item, ClassLabel):
        return name_class_labels(data[column][:], item or feature, column, split)
    cells = Cells(column, split, python_values(data, column), ids).plain()
    if columns.label_delimiter:
        cells = split_cells(cells, columns.label_delimiter)
    cells = cells.replaced([None if is_missing(value) else value for value in cells.values])
    if not any(isinstance(value, list | dict) for value in cells.values):
        cells = parse_json(cells)
    labels = read_objects(cells) if objects_in(cells.values) else RawLabels(cells.values)
    if any(isinstance(value, list) for value in labels.values):
        return lists_of_names(cells.replaced(labels.values), labels)
    if split != "train":
        return labels
    return RawLabels(name_booleans(labels.values), labels.names, labels.note or describe_whole_numbers(labels.values))


def describe_whole_numbers(values: Sequence) -> str | None:
    """Which text is read as which whole number, where all labels are whole numbers and one is written otherwise."""
    texts = sorted({value for value in values if isinstance(value, str)})
    numbers = [as_int(text) for text in texts]
    others = [(text, number) for text, number in zip(texts, numbers, strict=True) if text.strip() != str(number)]
    if not others or None in numbers:
        return None
    return f"{quoted(others[0][0])} is read as the whole number {others[0][1]}"


def lists_of_names(cells: Cells, labels: RawLabels) -> RawLabels:
    """Every cell as a list of names, without blanks and repeats; a single value is a list of one.

    Raises:
        UsageError: lists inside lists, or vectors of 0 and 1.
    """
    refuse_vectors(cells)
    rows: list[list[str] | None] = []
    nulls: list[int] = []
    for row, value in enumerate(cells.values):
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, list | dict) for item in items):
            raise UsageError(
                f"{cells.flag}: {cells.row(row)} has a list inside a list ({quoted(value, 60)}). "
                "Write one list of names per row."
            )
        if isinstance(value, list) and None in value:
            nulls.append(row)
        names = dict.fromkeys(str(item).strip() for item in items if not is_missing(item))
        rows.append(None if value is None else list(names))
    note = labels.note
    if nulls:
        example = f"{len(nulls)} of {len(rows)} rows of {cells.split}, for example id {cells.ids[nulls[0]].as_py()}"
        note = f"{f'{note}; ' if note else ''}null inside a list is no label ({example})"
    return RawLabels(rows, labels.names, note)


def split_cells(cells: Cells, delimiter: str) -> Cells:
    """The cells of a text column as lists. A blank cell is a row with no labels (an empty list), unless all cells are
    blank: then the labels are missing.

    Raises:
        UsageError: the column does not have text.
    """
    kinds = {type(value) for value in cells.values} - {str, type(None)}
    if kinds:
        what = "lists" if list in kinds else "objects" if dict in kinds else "numbers"
        raise UsageError(
            f"--label_delimiter {delimiter!r}: {cells.split} has {what} in {cells.column}, not text to split. "
            "Leave the flag out."
        )
    if all(is_missing(value) for value in cells.values):
        return cells
    return cells.replaced([None if value is None else value.split(delimiter) for value in cells.values])


def parse_json(cells: Cells) -> Cells:
    """Text of JSON arrays (where most cells are arrays) and of JSON objects (where any cell is one) as lists and
    objects; other cells unchanged.

    Raises:
        UsageError: most cells are arrays and one is not, or an object is written as Python does.
    """
    texts = [value for value in cells.values if isinstance(value, str)]
    are_arrays = sum(is_enclosed(text, "[") for text in texts) > len(texts) / 2
    if not are_arrays:
        refuse_some_lists(cells)
    if not are_arrays and not any(is_enclosed(text, "{") or OBJECTS.match(text) for text in texts):
        return cells
    parsed = []
    for row, value in enumerate(cells.values):
        is_json = isinstance(value, str) and (are_arrays or is_enclosed(value, "{") or OBJECTS.match(value))
        try:
            parsed.append(json.loads(value) if is_json else value)
        except json.JSONDecodeError as error:
            if not are_arrays and not OBJECTS.match(value):
                parsed.append(value)
                continue
            what = "a JSON array" if are_arrays else "a JSON object"
            raise UsageError(
                f"{cells.flag}: {cells.row(row)} has {quoted(value)}, which is not {what}. Write names in double "
                'quotes, as in ["joy", "fear"] or {"name": "joy"}, or separate them by a --label_delimiter.'
            ) from error
    return cells.replaced(parsed)


def refuse_some_lists(cells: Cells) -> None:
    """Raise a UsageError if a cell is a JSON array of strings: the others are single names."""
    for row, value in enumerate(cells.values):
        if isinstance(value, str) and is_enclosed(value, "[") and '"' in value:
            try:
                is_list = all(isinstance(item, str) for item in json.loads(value))
            except json.JSONDecodeError:
                continue
            if is_list:
                shown = value if are_texts_shown() else HIDDEN
                raise UsageError(
                    f"{cells.flag}: {cells.row(row)} has the list {shown}, and other rows have single names. Write a "
                    "list in every row, or a single name."
                )


def is_enclosed(text: str, bracket: str) -> bool:
    text = text.strip()
    return text.startswith(bracket) and text.endswith(BRACKETS[bracket])


def refuse_vectors(cells: Cells) -> None:
    """Raise a UsageError if the lists are vectors of 0 and 1, whose labels have no names."""
    lists = [value for value in cells.values if isinstance(value, list)]
    lengths = {len(value) for value in lists}
    bits = all(item in (0, 1) for value in lists for item in value)
    if len(lengths) == 1 and bits and any(len(set(value)) < len(value) for value in lists):
        raise UsageError(
            f"{cells.flag}: {cells.split} has vectors of 0 and 1 (for example {lists[0]}), whose labels "
            "have no names. Write lists of names, or one column per label: --label_column_names a,b,c."
        )


def name_class_labels(values: list, feature: ClassLabel, column: str, split: str) -> RawLabels:
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

    return RawLabels([name(value) for value in values], tuple(feature.names))


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
        missing = [row for row, label_id in enumerate(label_ids) if label_id is None]
        if missing and split != "test":
            bad_rows.handle(data.select(missing)["id"][:], MINUS_ONE, split, is_all=len(missing) == len(data))
            data = filter_rows(data, np.array([label_id is not None for label_id in label_ids]))
            label_ids = [label_id for label_id in label_ids if label_id is not None]
            if not label_ids:
                raise UsageError(f"--on_bad_row drop: No rows of {split} are left: none has a label. Fix the file.")
        if split == "test" and len(missing) == len(label_ids):
            logger.info("labels       %s has no labels: it is predicted, not scored", split)
            encoded[split] = data.remove_columns("label")
        else:
            encoded[split] = replace_column(data, "label", label_ids, task.label_feature)
    return encoded


def encode_column(data: Dataset, task: LabelSpace, split: str, source: str) -> list:
    """The ids of the raw labels of a split. True and false match a name in any case, where no name is equal.

    Raises:
        UsageError: labels that the task does not have, with counts and examples.
    """
    spellings = {name.lower(): name for name in reversed(task.names) if name.lower() in TRUE_FALSE}
    known: dict = {}
    label_ids: list = []
    unknown: dict[str, list[int]] = {}
    for row, value in enumerate(python_values(data, "label")):
        key = tuple(value) if isinstance(value, list) else value
        try:
            if key not in known:
                is_boolean = isinstance(value, str | bool) and str(value) not in task.names
                known[key] = task.encode(spellings.get(str(value).lower(), value) if is_boolean else value)
            label_ids.append(known[key])
        except KeyError as error:
            unknown.setdefault(str(error.args[0]), []).append(row)
    if unknown:
        ids = {name: data.select(rows)["id"][:] for name, rows in unknown.items()}
        raise UsageError(task.describe_unknown(ids, split, source))
    return label_ids
