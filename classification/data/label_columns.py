"""The forms that labels come in, read into one: a value a row, or a list of names a row.

One column of names, numbers or a `ClassLabel`; one column of lists (`List` features, JSON arrays, or text split by
`--label_delimiter`); or one column of 0 and 1 for each label (`--label_column_names`).
"""

from __future__ import annotations

import json
import logging
from collections import Counter

from datasets import ClassLabel, Dataset, DatasetDict, List, Value

from classification.data.columns import Columns, existing_column, refuse_or_count
from classification.data.findings import Finding
from classification.data.labels import LabelSpace, as_float, is_missing, label_key
from classification.errors import UsageError, did_you_mean, some

logger = logging.getLogger(__name__)

LABEL_COLUMNS = ("label", "labels")
YES_NO = {"1": True, "true": True, "0": False, "false": False}


def read_labels(data: Dataset, columns: Columns, split: str) -> tuple[list | None, tuple[str, ...] | None]:
    """The labels of a split, None where a row has none, and the names where the data declares them.

    Returns:
        A value or a list of strings a row (None instead of the whole where test has no label column); and the names
        of a `ClassLabel` or of 0/1 columns, in their order.

    Raises:
        UsageError: no such column, several that could be it, two forms at once, or values that fit no form.
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
    lists = any(isinstance(value, list) for value in values)
    if columns.label_delimiter:
        if lists or not all(value is None or isinstance(value, str) for value in values):
            raise UsageError(
                f"--label_delimiter {columns.label_delimiter!r}: {split} holds {'lists' if lists else 'numbers'} in "
                f"{column}, not text to split. Leave it out."
            )
        # A blank cell is a row without labels, but a whole column of them is a split without.
        blank = all(is_missing(value) for value in values)
        if not blank:
            values = [None if value is None else value.split(columns.label_delimiter) for value in values]
    elif not lists:
        values = json_arrays(values, column, split)
    values = [None if is_missing(value) else value for value in values]
    if any(isinstance(value, list) for value in values):
        refuse_vectors(values, column, split)
        values = [None if value is None else names_of(value) for value in values]
    return values, None


def find_label_column(data: Dataset, wanted: str | None, split: str) -> str | None:
    """The label column, None where test has none.

    Raises:
        UsageError: no such column (in train and validation), or several that could be it.
    """
    if wanted:
        if split == "test" and wanted not in data.column_names:
            return None
        return existing_column(data, wanted, "--label_column_name")
    found = [name for name in LABEL_COLUMNS if name in data.column_names]
    if len(found) == 1 or (split == "test" and not found):
        return found[0] if found else None
    problem = "several columns could be the label" if found else f"no column is called {' or '.join(LABEL_COLUMNS)}"
    raise UsageError(
        f"--label_column_name: {problem} in {split}; there are {some(data.column_names, 12)}. Name it, or one 0/1 "
        "column for each label with --label_column_names a,b,c."
    )


def names_of(value) -> list[str]:
    """The names in one row's list, without blanks and repeats; a single value is a list of one."""
    items = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(str(label_key(item)).strip() for item in items if not is_missing(item)))


def json_arrays(values: list, column: str, split: str) -> list:
    """The lists that the cells of a text column spell as JSON arrays; the values as they are where few look like one.

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
                f"--label_column_name {column}: row {row} of {split} holds {value!r}, which is no JSON array: names "
                'stand in double quotes, as in ["joy", "fear"]. Mend it, or write names with a --label_delimiter.'
            ) from error
    return lists


def refuse_vectors(values: list, column: str, split: str) -> None:
    """A row of 0 and 1 for each label is not a list of names, and its labels have no names."""
    lists = [value for value in values if isinstance(value, list)]
    lengths = {len(value) for value in lists}
    bits = all(item in (0, 1) for value in lists for item in value)
    if len(lengths) == 1 and bits and any(len(set(value)) < len(value) for value in lists):
        raise UsageError(
            f"--label_column_name {column}: {split} holds vectors of 0 and 1 (for example {lists[0]}), whose labels "
            "have no names. Write lists of names, or a column for each label: --label_column_names a,b,c."
        )


def name_class_labels(values: list, feature: ClassLabel, column: str, split: str) -> tuple[list, tuple[str, ...]]:
    """A `ClassLabel`'s ids, single or in lists, as names; -1 alone is a missing label."""
    ids = [item for value in values for item in (value if isinstance(value, list) else [value])]
    lowest = 0 if any(isinstance(value, list) for value in values) else -1
    outside = Counter(value for value in ids if value is not None and not lowest <= value < feature.num_classes)
    if outside:
        raise UsageError(
            f"--label_column_name {column}: {sum(outside.values())} labels in {split} are out of range "
            f"(for example {some(outside, 3)}): the data set declares {feature.num_classes} classes, "
            f"0 to {feature.num_classes - 1}. Mend the labels or the declared classes."
        )

    def name(value):
        if isinstance(value, list):
            return [feature.names[item] for item in value if item is not None]
        return None if value is None or value == -1 else feature.names[value]

    return [name(value) for value in values], tuple(feature.names)


def read_yes_no_columns(data: Dataset, names: tuple[str, ...], split: str) -> tuple[list | None, tuple[str, ...]]:
    """One column of 0 and 1 a label: the names whose column says 1. A row that is blank (or -1) throughout has no
    label; a test split without any of the columns has none."""
    if split == "test" and not set(names) & set(data.column_names):
        return None, names
    columns = [data[existing_column(data, name, "--label_column_names")][:] for name in names]
    rows = []
    for row, cells in enumerate(zip(*columns, strict=True)):
        if all(is_missing(cell) or as_float(cell) == -1 for cell in cells):
            rows.append(None)
            continue
        chosen = []
        for name, cell in zip(names, cells, strict=True):
            said = YES_NO.get(str(cell).strip().lower().removesuffix(".0"))
            if said is None:
                raise UsageError(
                    f"--label_column_names {name}: row {row} of {split} holds {cell!r}; such a column holds 0 or 1. "
                    "Name one column of names with --label_column_name instead, or mend the value."
                )
            chosen += [name] if said else []
        rows.append(chosen)
    return rows, names


def encode_labels(
    splits: DatasetDict,
    labels: LabelSpace,
    *,
    on_bad_row: str = "error",
    source: str = "train",
    found: list[Finding] | None = None,
) -> DatasetDict:
    """Replace the raw `label` by numbers as `LabelSpace.encode` gives them, None where missing.

    A split of test whose labels are all missing loses the column: it is predicted, not scored.

    Args:
        on_bad_row, found: as of `columns.refuse_or_count`.
        source: where the labels come from, as the error says it: `train` or `the model`.

    Raises:
        UsageError: labels that train does not have, with counts and examples; -1 for a missing label in validation.
    """
    kind = List(Value("float32")) if labels.is_multi_label else Value("float64" if labels.is_regression else "int64")
    encoded = DatasetDict()
    for split, data in splits.items():
        if "label" not in data.column_names:
            encoded[split] = data
            continue
        values = encode_column(data, labels, split, source)
        data = data.remove_columns("label")
        missing = [row for row, value in enumerate(values) if value is None]
        if missing and split != "test":
            refuse_or_count([data["id"][row] for row in missing], "no label (-1)", split, on_bad_row, found)
            data = data.select([row for row, value in enumerate(values) if value is not None])
            values = [value for value in values if value is not None]
            if not values:
                raise UsageError(f"No rows of {split} are left: none has a label.")
        if split == "test" and len(missing) == len(values):
            logger.info("labels       %s has none: it will be predicted, not scored", split)
        else:
            data = data.add_column("label", values, feature=kind)
        encoded[split] = data
    return encoded


def encode_column(data: Dataset, labels: LabelSpace, split: str, source: str) -> list:
    values, unknown = [], {}
    for row_id, value in zip(data["id"], data["label"], strict=True):
        try:
            values.append(labels.encode(value))
        except KeyError as error:
            unknown.setdefault(str(error.args[0]), []).append(row_id)
    if unknown and labels.is_regression:
        examples = some((f"{value!r} (id {rows[0]})" for value, rows in unknown.items()), 5)
        raise UsageError(f"--do_regression needs numbers as labels, but {split} has {examples}. Mend or remove them.")
    if unknown:
        shown = "; ".join(
            f"{value!r} x {len(rows)} (ids {some(rows, 3)}){did_you_mean(value, labels.names)}"
            for value, rows in list(unknown.items())[:5]
        )
        raise UsageError(
            f"{split} has labels that {source} does not have: {shown}. The labels are {some(labels.names, 10)}. "
            f"Mend them, remove these rows from {split}, or train with rows that have them."
        )
    return values
