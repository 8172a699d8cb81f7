"""The rows of one split, from one file or several of one kind."""

from __future__ import annotations

import glob
import logging
from collections.abc import Sequence
from pickle import UnpicklingError
from typing import cast

import datasets
import pyarrow as pa
import pyarrow.parquet
from datasets import Dataset
from datasets.exceptions import DatasetGenerationError
from yaml import YAMLError

from classification.data.sources.cache_folder import cache_folder, describe_disk_error
from classification.data.sources.class_features import in_memory
from classification.data.sources.csv_files import read_csv
from classification.data.sources.data_files import DataFile
from classification.data.sources.json_files import read_json
from classification.errors import first_line, join_first

logger = logging.getLogger(__name__)

READ_ERRORS = (
    DatasetGenerationError, ValueError, StopIteration, OSError, TypeError, KeyError, RuntimeError, YAMLError,
    UnpicklingError,
)  # fmt: skip


def read_files(files: Sequence[DataFile], *, cache_dir: str | None = None, delimiter: str | None = None) -> Dataset:
    """The rows of the files, one file after another.

    Args:
        delimiter: of CSV files; None to find it.

    Raises:
        UsageError: a file cannot be read, or the files have no rows, differ in kind or differ in columns.
    """
    for file in files:
        if file.path.is_file() and file.path.stat().st_size == 0:
            raise file.error("the file is empty. Give a file with a header and at least one row.")
    kinds = {file: "csv" if file.kind == "tsv" else file.kind for file in files}
    last = files[-1]
    if len(set(kinds.values())) > 1:
        raise last.error(f"a split has files of {join_first(sorted(set(kinds.values())))}. Give one kind.")
    if kinds[last] == "csv":
        data = in_memory(join_tables(files, [read_csv(file, delimiter) for file in files]))
    elif kinds[last] == "json":
        data = in_memory(read_json(files))
    else:
        data = read_tables(files, kinds[last], cache_dir)
    if len(data) == 0:
        raise last.error("there are no rows. Add rows, or leave the file out.")
    return data


def join_tables(files: Sequence[DataFile], tables: list[pa.Table]) -> pa.Table:
    """Tables of strings below one another; their columns may be in any order.

    Raises:
        UsageError: a table has other columns than the first.
    """
    names = tables[0].column_names
    for file, table in zip(files, tables, strict=True):
        if set(table.column_names) != set(names):
            raise file.error(
                f"its columns ({join_first(table.column_names)}) are not those of {files[0].path.name} "
                f"({join_first(names)}). Give all files of a split the same columns."
            )
    return pa.concat_tables([table.select(names) for table in tables])


def read_tables(files: Sequence[DataFile], kind: str, cache_dir: str | None) -> Dataset:
    """Parquet or Arrow files by the reader of `datasets`, which keeps them on the disk.

    Raises:
        UsageError: a file is broken or has no rows.
    """
    for file in files:
        if kind == "parquet" and count_rows(file) == 0:
            raise file.error("there are no rows. Add rows, or leave the file out.")
    paths = [glob.escape(str(file.path)) for file in files]  # `reviews[1].parquet` is a file, not a pattern
    try:
        cache = str(cache_folder(cache_dir))
        return cast(Dataset, datasets.load_dataset(kind, data_files=paths, split="train", cache_dir=cache))
    except READ_ERRORS as error:
        cause = error.__cause__ or error
        if is_empty(cause):
            raise files[-1].error("there are no rows. Add rows, or leave the file out.") from error
        reason = f"cannot be read as {kind}: {type(cause).__name__}: {first_line(cause)}"  # type: ignore[arg-type]
        raise files[-1].error(describe_disk_error(error) or f"{reason} Write the file anew.") from error


def count_rows(file: DataFile) -> int:
    """The rows that the end of a Parquet file states.

    Raises:
        UsageError: the end is missing or broken.
    """
    try:
        return pyarrow.parquet.ParquetFile(file.path).metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        reason = first_line(error)
        raise file.error(f"cannot be read as parquet: {reason} Copy or write the file anew.") from error


def is_empty(error: BaseException) -> bool:
    """Whether the reader of `datasets` failed because there are no rows."""
    return "corresponds to no data" in str(error) or isinstance(error, StopIteration)
