"""`--unlabelled_file`: texts without labels, without those that validation or test has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from datasets import Dataset

from classification.data.arrow_columns import filter_rows
from classification.data.bad_rows import BadRows
from classification.data.column_names import Columns
from classification.data.corpus import batched_texts, pair_key
from classification.data.findings import agree, quantity
from classification.data.quality.group_numbers import digest
from classification.data.sources.readers import read_file
from classification.data.texts_of_file import texts_of_file
from classification.data.words import normalised
from classification.errors import UsageError
from classification.messages.log import Line, log_lines

NAME, UNLABELLED_FLAG = "unlabelled", "--unlabelled_file"


def read_texts_without_labels(
    path: str, columns: Columns, splits: Mapping[str, Dataset], bad_rows: BadRows, cache_dir: str | None
) -> Dataset:
    """The texts of a file as `id, text, text_pair?`, without those of validation and test.

    Args:
        columns: of the labelled rows; the texts have the same names.
        splits: all rows of validation and test, those that no phase reads included.
        bad_rows: what happens to rows without a text.

    Raises:
        UsageError: the file or its columns cannot be read, or no text is left.
    """
    raw = read_file(path, flag=UNLABELLED_FLAG, cache_dir=cache_dir)
    try:
        rows = texts_of_file(
            raw, replace(columns, id=columns.id if columns.id in raw.column_names else None), NAME, bad_rows
        )
    except UsageError as error:
        raise UsageError(f"{UNLABELLED_FLAG} {path}: {error}") from error
    of_train, here = ("text_pair" in data.column_names for data in (splits["train"], rows))
    if of_train != here:
        kinds = ("pairs", "single texts") if here else ("single texts", "pairs")
        raise UsageError(
            f"{UNLABELLED_FLAG} {path}: has {kinds[0]}, and train has {kinds[1]}. Name the columns that both files "
            "have with --text_column_names."
        )
    known = {split: text_hashes(splits[split]) for split in ("validation", "test") if split in splits}
    kept = leave_out(rows, known)
    if not len(kept):
        raise UsageError(
            f"{UNLABELLED_FLAG} {path}: every text is also in validation or test, so no text is left. Give other "
            "texts, or leave the flag out."
        )
    return kept


def leave_out(rows: Dataset, known: Mapping[str, set[bytes]]) -> Dataset:
    """The rows whose text is in none of the splits; the log has the number of those left out, by split.

    Args:
        known: the hashes of the texts of each split.
    """
    own = [text_hash(*texts) for texts in batched_texts(rows)]
    is_known = {split: np.array([each in hashes for each in own], dtype=bool) for split, hashes in known.items()}
    is_left_out = np.any(list(is_known.values()), axis=0) if is_known else np.zeros(len(rows), dtype=bool)
    if is_left_out.any():
        where = " and ".join(f"{mask.sum()} of {split}" for split, mask in is_known.items() if mask.any())
        number = int(is_left_out.sum())
        what = f"{quantity(number, 'text')} of {NAME} {agree(number, 'are')} left out, because they repeat {where}"
        log_lines([Line("rows", what)])
    return filter_rows(rows, ~is_left_out)


def text_hashes(data: Dataset) -> set[bytes]:
    return {text_hash(*texts) for texts in batched_texts(data)}


def text_hash(text: str, pair: str | None = None) -> bytes:
    """Equal for texts that differ in case, width, markup, spaces, commas, full stops and quotation marks at most."""
    return digest(pair_key(normalised(text), None if pair is None else normalised(pair)))
