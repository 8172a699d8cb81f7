"""An input of `predict.py` as a stream of rows: which kind it is, and who reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from classification.data.sources.class_folders import (
    class_folders,
    files_of_classes,
    is_text_file,
    split_folders,
    visible,
)
from classification.data.sources.csv_stream import CsvStream
from classification.data.sources.data_files import DataFile
from classification.data.sources.file_formats import (
    PACKED,
    TEXT_ENDING,
    describe_other_content,
    file_kind,
    looks_like_file,
    member_name,
    refusal_of,
    suffix_kind,
)
from classification.data.sources.first_bytes import TABLES, find_format, read_head
from classification.data.sources.input_stream import InputStream, unreadable
from classification.data.sources.json_stream import JsonStream
from classification.data.sources.row_batches import InputSource, RowStream
from classification.data.sources.saved_folders import is_saved_dataset, is_saved_dictionary, saved_files, saved_names
from classification.data.sources.split_choice import choose_split
from classification.data.sources.stdin_file import copy_pipe, is_pipe, kind_of_copy
from classification.data.sources.table_stream import open_tables
from classification.data.sources.text_stream import TextFile, TextFiles, TextLines
from classification.errors import UsageError, did_you_mean, join_first

FLAG = "--input_format"
ROW_REMEDY = "pass --on_bad_row keep or --on_bad_row drop."  # after `or`


def open_rows(source: InputSource) -> RowStream:
    """The rows of an input, which is looked through once. Memory does not grow with its rows.

    Raises:
        UsageError: not found; empty; broken; or a row that cannot be read, where bad rows are not kept.
    """
    place = f"INPUT {source.path}"
    try:
        stream = open_input(source, place)
    except OSError as error:
        raise unreadable(place, error) from error
    stream.part_rows = source.part_rows
    return stream


def open_input(source: InputSource, place: str) -> InputStream:
    if is_pipe(source.path):
        return open_pipe(source, place)
    path = Path(source.path)
    if path.is_dir():
        return open_folder(path, source, place)
    if path.exists():
        for flag, value in (("split", source.split), ("dataset_config_name", source.config_name)):
            if value:
                raise UsageError(f"--{flag} {value}: {source.path} is one file. Leave --{flag} out.")
        return open_file(path, source, place)
    if path.is_symlink() or looks_like_file(source.path):
        near = did_you_mean(path.name, [entry.name for entry in visible(path.parent)]) if path.parent.is_dir() else ""
        raise UsageError(f"{place}: there is no such file or folder.{near}")
    return open_named(source, place)


def open_pipe(source: InputSource, place: str) -> InputStream:
    copy, remove = copy_pipe(source.path, place)
    try:
        kind = source.kind or kind_of_copy(copy, place)
        stream = open_file(copy, replace(source, kind=kind), place)
    except BaseException:
        remove()
        raise
    stream.at_close.append(remove)
    return stream


def open_file(path: Path, source: InputSource, place: str) -> InputStream:
    """The rows of one file.

    Raises:
        UsageError: see `open_rows`.
    """
    if path.stat().st_size == 0:
        raise UsageError(f"{place}: the file is empty. Give a file with at least one row.")
    kind = find_kind(path, source.kind, place)
    return open_files([data_file(path, place, kind)], kind, source, place)


def data_file(path: Path, place: str, kind: str) -> DataFile:
    form = "json" if kind == "jsonl" else kind
    return DataFile(path, place, format=form, format_flag=FLAG, row_remedy=ROW_REMEDY)


def open_files(
    files: Sequence[DataFile], kind: str, source: InputSource, place: str, delimiter: str | None = None
) -> InputStream:
    """Files of one kind below one another."""
    if kind in ("csv", "tsv"):
        return CsvStream(files, source, place, delimiter)
    if kind in ("json", "jsonl"):
        return JsonStream(files, source, place)
    if kind in TABLES:
        return open_tables(files, kind, source, place)
    return TextLines(files[0], source, place)


def find_kind(path: Path, given: str | None, place: str) -> str:
    """`csv`, `tsv`, `json`, `jsonl`, `parquet`, `arrow` or `text`: as it is given, else as training finds it.

    Raises:
        UsageError: the content is another one, or cannot be read, or its kind is not known.
    """
    head = read_head(path)
    content = find_format(head)
    if given is None:
        name = path.stem if path.suffix.lower() in PACKED else path.name
        if content == "zip" and not refusal_of(path, content) and not suffix_kind(name) and not is_text_name(name):
            name = member_name(path, place)
        if is_text_name(name) and content not in TABLES and not refusal_of(path, content):
            return "text"
        if content not in TABLES and not refusal_of(path, content) and not suffix_kind(name):
            raise UsageError(
                f"{place}: the end of the name does not tell what the file is. Name its format: {FLAG} "
                f"{{csv,tsv,jsonl,json,parquet,arrow,text}}"
            )
        return file_kind(path, place)
    if content in TABLES and given != content:
        raise UsageError(f"{FLAG} {given}: {path.name} is a file of {content}. Leave {FLAG} out.")
    if given in TABLES and given != content:
        raise UsageError(f"{place}: {describe_other_content(given, content, head)}")
    return given


def is_text_name(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() == TEXT_ENDING


# -------------------------------------------------------------------------------------------------------------- folders


def open_folder(folder: Path, source: InputSource, place: str) -> InputStream:
    """A saved data set, texts in class folders or beside one another, or data files with the Hub's layout.

    Raises:
        UsageError: nothing of this, or a split must be chosen.
    """
    if is_saved_dictionary(folder):
        split = choose_split(saved_names(folder, place), source.split, place)
        return open_saved(folder / split, source, f"{place}: {split}")
    if is_saved_dataset(folder):
        return open_saved(folder, source, place)
    if splits := split_folders(folder):
        folder = splits[choose_split(list(splits), source.split, place)]
    if any(suffix_kind(name) for name in names_in(folder)):
        return open_named(source, place)
    if any(is_text_file(path) for part in class_folders(folder) for path in visible(part)):
        texts = [TextFile(name, path, label) for name, path, label in files_of_classes(folder, place)]
    else:
        texts = [TextFile(path.stem, path) for path in visible(folder) if is_text_file(path)]
    if not texts:
        held = join_first(entry.name for entry in visible(folder)) or "nothing"
        raise UsageError(
            f"{place}: the folder has no data files, no .txt files and no folders of .txt files; it has {held}. Give a "
            "file, or a folder with such files."
        )
    return TextFiles(texts, source, place)


def names_in(folder: Path) -> list[str]:
    """The names of the files in a folder and in those directly below it, without the end of compressed ones."""
    below = (path for part in class_folders(folder) for path in visible(part))
    files = [path for path in (*visible(folder), *below) if path.is_file()]
    return [path.stem if path.suffix.lower() in PACKED else path.name for path in files]


def open_saved(folder: Path, source: InputSource, place: str) -> InputStream:
    files = [DataFile(path, f"{place}: {path.name}") for path in saved_files(folder, place)]
    return open_tables(files, "arrow", source, place)


def open_named(source: InputSource, place: str) -> InputStream:
    from classification.data.sources.hub_stream import open_hub  # imports the library `datasets`

    def open_all(files: Sequence[DataFile], kind: str, delimiter: str | None) -> InputStream:
        known = [replace(file, format="json" if kind == "json" else kind) for file in files]
        return open_files(known, kind, source, place, delimiter)

    return open_hub(source, place, open_all)
