"""Class names that a data set declares beside its files: the values of the column become their numbers."""

from __future__ import annotations

import pyarrow as pa
from datasets import ClassLabel, Dataset, DatasetInfo, Features
from datasets.fingerprint import generate_random_fingerprint

from classification.data.label_values import as_int
from classification.errors import UsageError, join_first
from classification.messages.shown_texts import quoted


def in_memory(table: pa.Table, features: Features | None = None) -> Dataset:
    """A table as a data set. Its fingerprint is random: the library's own is a hash of a pickle of all rows."""
    info = DatasetInfo(features=features) if features else None
    return Dataset(table, info=info, fingerprint=generate_random_fingerprint())


def apply_class_names(data: Dataset, declared: Features | None, place: str) -> Dataset:
    """The data with every declared `ClassLabel`, single or in lists; all other columns stay as they were read.

    Raises:
        UsageError: a value that is neither a declared name nor a number.
    """
    table, features = data.data.table, data.features.copy()
    for column, feature in (declared or {}).items():
        item = feature if isinstance(feature, ClassLabel) else getattr(feature, "feature", None)
        if column not in features or not isinstance(item, ClassLabel):
            continue
        values = [class_ids(value, item, f"{place}: the column '{column}'") for value in data[column]]
        kind = pa.int64() if item is feature else pa.list_(pa.int64())
        table = table.set_column(table.column_names.index(column), column, pa.array(values, kind))
        features[column] = feature
    if features == data.features:
        return data
    return in_memory(table.cast(features.arrow_schema), features)


def class_ids(value: object, feature: ClassLabel, place: str) -> int | list | None:
    """The number of a name, or the number that the value is or spells; None for a blank."""
    if isinstance(value, list):
        return [class_ids(item, feature, place) for item in value]
    if value is None or value == "":
        return None
    if value in feature.names:
        return feature.names.index(value)
    number = as_int(value)
    if number is None:
        raise UsageError(
            f"{place} has {quoted(value)}, but its README declares the classes {join_first(feature.names, 9)}. "
            "Correct one of them."
        )
    return number
