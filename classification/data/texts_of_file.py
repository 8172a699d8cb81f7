"""The texts of a file whose labels are not read."""

from __future__ import annotations

from dataclasses import replace

from datasets import Dataset

from classification.data.arrow_columns import dataset_of
from classification.data.bad_rows import BadRows, drop_bad_rows
from classification.data.column_names import Columns, find_text_columns
from classification.data.named_columns import existing_columns
from classification.data.nested_fields import open_fields
from classification.data.row_ids import read_ids
from classification.data.text_values import FLAG, read_texts


def texts_of_file(raw: Dataset, columns: Columns, name: str, bad_rows: BadRows) -> Dataset:
    """The columns `id, text, text_pair?` of a file.

    Args:
        columns: as the user named them; only those of texts and ids are read.
        name: of the rows, in errors and in ids that are made up.

    Raises:
        UsageError: a column is missing, or texts are blank.
    """
    data = open_fields(raw, replace(columns, label=None, labels=(), group=None, time=None).single_names)
    ids = read_ids(data, columns.id, name)
    texts = existing_columns(data.column_names, columns.text or find_text_columns(data.column_names, name), FLAG)
    return drop_bad_rows(
        dataset_of(read_texts(data, texts, columns.delimiter, name, ids) | {"id": ids}), name, bad_rows
    )
