"""The splits of a source, with the user's columns. Errors name the flag, the file and the line."""

from __future__ import annotations

import csv
import glob
import json
import logging
import sys
from functools import partial
from pathlib import Path

import datasets
from datasets import Dataset, DatasetDict, Features, Value

from classification.data.corpus import SPLITS, Source
from classification.data.hub_datasets import READ_ERRORS, read_hub
from classification.data.text_encoding import check_utf8
from classification.errors import UsageError, did_you_mean, join_first

logger = logging.getLogger(__name__)

READERS = {  # suffix of a file -> the reader of `datasets`
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet", ".arrow": "arrow",
}  # fmt: skip
UNLABELLED_FOLDERS = ("unsup",)  # of aclImdb, the folder layout that most tutorials download


def read_splits(source: Source) -> DatasetDict:
    """The splits train, validation and test that the source has; its other splits are not read.

    Raises:
        UsageError: a file cannot be read, or a named split does not exist.
    """
    if source.files:
        return DatasetDict(
            {
                split: read_file(path, flag=f"--{split}_file", cache_dir=source.cache_dir)
                for split, path in source.files.items()
            }
        )
    assert source.dataset_name is not None
    raw = read_hub(source.dataset_name, source.dataset_config_name, cache_dir=source.cache_dir, token=source.token)
    splits = DatasetDict()
    for split in SPLITS:
        name = source.split_names.get(split) or split
        if name in raw and name not in source.remove_splits:
            splits[split] = raw[name]
        elif source.split_names.get(split):
            raise UsageError(
                f"--{split}_split_name {name}: the data set has no such split. Its splits are {join_first(raw)}."
                + did_you_mean(name, raw)
            )
    unknown = [name for name in source.remove_splits if name not in raw]
    if unknown:
        raise UsageError(f"--remove_splits {join_first(unknown)}: the splits of the data set are {join_first(raw)}.")
    unused = sorted(set(raw) - {source.split_names.get(split) or split for split in splits})
    if unused:
        logger.info("data         not used, not tokenised: split %s", join_first(unused))
    return splits


def read_file(path: str, *, flag: str, cache_dir: str | None = None) -> Dataset:
    """One split from a CSV, TSV, JSON(L), Parquet or Arrow file, or a folder of text files per class.

    Every CSV field is a string: "NA", "null" and "007" are not converted.

    Raises:
        UsageError: the file is empty, has no rows, is not UTF-8, or has a broken line; names `flag`, file and line.
    """
    file = Path(path)
    if file.is_dir():
        return read_class_folders(file, flag)
    if file.stat().st_size == 0:
        raise UsageError(f"{flag} {path}: the file is empty. Give a file with a header and at least one row.")
    kind = READERS[file.suffix.lower()]
    pattern = glob.escape(str(file))  # a name such as `reviews[1].csv` is a file, not a pattern
    load = partial(datasets.load_dataset, kind, data_files=pattern, split="train", cache_dir=cache_dir)
    if kind == "csv":
        delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
        features = Features({column: Value("string") for column in csv_columns(file, delimiter, flag)})
        load = partial(load, sep=delimiter, keep_default_na=False, features=features)
    elif kind == "json":
        check_utf8(file, flag)
    try:
        return load()
    except READ_ERRORS as error:
        raise UsageError(f"{flag} {path}: {describe_error(file, kind, error)}") from error


def csv_columns(file: Path, delimiter: str, flag: str) -> list[str]:
    """The column names of a CSV file, after a full pass over its rows.

    The reader of `datasets` fills short rows with nulls and renames duplicate columns without a message; this pass
    refuses both. A column without a name is an index that pandas wrote; it gets the name that pandas gives it.

    Raises:
        UsageError: wrong encoding, duplicate column names, no rows, a row with too few or too many fields.
    """
    check_utf8(file, flag)
    csv.field_size_limit(sys.maxsize)
    with file.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.reader(handle, delimiter=delimiter, strict=True)
        try:
            header = next(rows, [])
            check_header(header, file, flag)
            count = 0
            start = rows.line_num + 1
            for row in rows:
                if row and len(row) != len(header):
                    raise UsageError(
                        f"{flag} {file}: line {start} has {len(row)} fields where the header has {len(header)}. "
                        f"Quote fields that contain {'a tab' if delimiter == chr(9) else 'commas'} or line breaks."
                    )
                count += bool(row)
                start = rows.line_num + 1
        except csv.Error as error:
            raise UsageError(
                f"{flag} {file}: line {rows.line_num}: {error}. A quote is opened and never closed, or text follows "
                'a closing quote. Inside a quoted field, write a quote as "".'
            ) from error
    if count == 0:
        raise UsageError(f"{flag} {file}: a header but no rows. Add rows, or leave {flag} out.")
    return [name if name.strip() else f"Unnamed: {i}" for i, name in enumerate(header)]


def check_header(header: list[str], file: Path, flag: str) -> None:
    """Raise a UsageError if there are no column names, or a column name repeats."""
    if not header:
        raise UsageError(f"{flag} {file}: the first line is empty. Put the column names in the first line.")
    duplicates = sorted({column for column in header if column.strip() and header.count(column) > 1})
    if duplicates:
        raise UsageError(
            f"{flag} {file}: the header has a duplicate column {join_first(map(repr, duplicates))}. "
            "Rename or remove one of them."
        )


def describe_error(file: Path, kind: str, error: Exception) -> str:
    """The cause of a failed read in one line, with the line number where a JSON lines file is broken."""
    if kind == "json":
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line) if line.strip() else {}
                except json.JSONDecodeError as broken:
                    if number == 1 and line.lstrip().startswith("["):
                        break  # one array over several lines
                    return f"line {number} is not JSON ({broken.msg} at column {broken.colno}). Fix or remove it."
                if not isinstance(row, dict):
                    return f"line {number} is not an object with named fields. Write one {{...}} per line."
    cause = error.__cause__ or error
    return f"cannot be read as {kind}: {type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"


def read_class_folders(folder: Path, flag: str) -> Dataset:
    """A folder with one sub-folder of .txt files per class, such as aclImdb/train/{pos,neg}; ids are pos/0_9.

    Raises:
        UsageError: no class folders, a class folder without .txt files, or a file that is not UTF-8.
    """
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    ids, texts, names = [], [], []
    for class_folder in classes:
        if class_folder.name in UNLABELLED_FOLDERS:
            logger.info("%s %s: the folder '%s' is not read, it has no labels", flag, folder, class_folder.name)
            continue
        files = sorted(class_folder.glob("*.txt"))
        if not files:
            raise UsageError(f"{flag} {folder}: the class folder '{class_folder.name}' has no .txt files. Remove it.")
        for file in files:
            try:
                texts.append(file.read_text(encoding="utf-8"))
            except UnicodeDecodeError:
                check_utf8(file, flag)
                raise
            ids.append(f"{class_folder.name}/{file.stem}")
            names.append(class_folder.name)
    if not texts:
        raise UsageError(
            f"{flag} {folder}: a folder must have one sub-folder of .txt files per class "
            f"(such as pos/ and neg/); it has {join_first(sorted(e.name for e in folder.iterdir())) or 'nothing'}."
        )
    return Dataset.from_dict({"id": ids, "text": texts, "label": names})
