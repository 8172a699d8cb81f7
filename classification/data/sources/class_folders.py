"""Folders of text files: one sub-folder of .txt files per class."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from classification.data.sources.data_files import DataFile
from classification.data.sources.file_formats import KINDS, is_hidden, suffix_kind
from classification.errors import UsageError, join_first

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

SPLIT_FOLDERS = {  # name of a folder -> split, as `datasets` understands file names
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
ABOUT = ("README", "LICENSE")  # files that describe a data set
UNLABELLED_FOLDERS = ("unsup",)  # of aclImdb, the folder layout that most tutorials download


def read_class_folders(folder: Path, place: str) -> Dataset:
    """A folder with one sub-folder of .txt files per class, such as aclImdb/train/{pos,neg}; ids are pos/0_9.

    Hidden files and folders are not read.

    Args:
        place: how errors name the folder.

    Raises:
        UsageError: no class folders, a class folder without .txt files, or a file that is not UTF-8.
    """
    from datasets import Dataset

    if splits := split_folders(folder):
        one = splits.get(split_of_flag(place)) or next(iter(splits.values()))
        raise UsageError(
            f"{place}: the folder holds splits ({join_first(splits)}). Give all of them: --dataset_name {folder}; or "
            f"one: --{split_of_flag(place)}_file {one}"
        )
    ids, texts, names = [], [], []
    for row_id, file, name in files_of_classes(folder, place):
        texts.append(read_text(file, place))
        ids.append(row_id)
        names.append(name)
    if not texts:
        raise UsageError(f"{place}: {describe_other_folder(folder, place)}")
    return Dataset.from_dict({"id": ids, "text": texts, "label": names})


def files_of_classes(folder: Path, place: str) -> Iterator[tuple[str, Path, str]]:
    """Id, file and class of each text, by name; a warning names the files that are in no class folder.

    Raises:
        UsageError: see `text_files`.
    """
    for class_folder in class_folders(folder):
        if class_folder.name in UNLABELLED_FOLDERS:
            logger.info("%s: the folder '%s' is not read, it has no labels", place, class_folder.name)
            continue
        yield from ((*named, class_folder.name) for named in named_files(text_files(class_folder, place), class_folder))
    loose = sorted(entry.name for entry in visible(folder) if entry.is_file() and entry.stem.upper() not in ABOUT)
    if loose and class_folders(folder):
        logger.warning("%s: not read, in no class folder: %s", place, join_first(loose))


def named_files(files: list[Path], class_folder: Path) -> Iterator[tuple[str, Path]]:
    """The files with their ids: the name without its end, where that is not the name of several files."""
    stems = Counter(file.stem for file in files)
    for file in files:
        yield f"{class_folder.name}/{file.stem if stems[file.stem] == 1 else file.name}", file


def visible(folder: Path) -> list[Path]:
    """The entries of a folder by name, without hidden ones."""
    return sorted(entry for entry in folder.iterdir() if not is_hidden(entry.name))


def class_folders(folder: Path) -> list[Path]:
    return [entry for entry in visible(folder) if entry.is_dir()]


def split_folders(folder: Path) -> dict[str, Path]:
    """The folders train, validation and test below `folder` that have class folders of .txt files."""
    if not folder.is_dir():
        return {}
    return {
        SPLIT_FOLDERS[entry.name.lower()]: entry
        for entry in class_folders(folder)
        if entry.name.lower() in SPLIT_FOLDERS
        and any(is_text_file(path) for part in class_folders(entry) for path in visible(part))
    }


def is_class_folder(folder: Path) -> bool:
    """Whether a folder has two or more folders of .txt files, and no file that is data."""
    if not folder.is_dir() or any(suffix_kind(entry.name) for entry in visible(folder)):
        return False
    return sum(any(is_text_file(path) for path in visible(part)) for part in class_folders(folder)) > 1


def is_text_file(path: Path) -> bool:
    return path.suffix.lower() == ".txt" and not path.is_dir()


def text_files(class_folder: Path, place: str) -> list[Path]:
    """The .txt files of one class, by name.

    Raises:
        UsageError: there are none, or some are in a folder below.
    """
    entries = visible(class_folder)
    files = [entry for entry in entries if is_text_file(entry)]
    deeper = sorted(
        {path.relative_to(class_folder).parts[0] for path in class_folder.rglob("*")
         if is_text_file(path) and path.parent != class_folder and not is_hidden(str(path.relative_to(class_folder)))}
    )  # fmt: skip
    if deeper:
        remedy = f"Move the files into '{class_folder.name}', or remove the folder."
        if not files:
            remedy = f"If the classes are {join_first(deeper)}, give the folder {class_folder}."
        raise UsageError(
            f"{place}: the class folder '{class_folder.name}' has .txt files in the folders {join_first(deeper)} below "
            f"it. {remedy}"
        )
    other = [entry.name for entry in entries if entry.is_file() and not is_text_file(entry)]
    if not files:
        remedy = "Unpack or rename them so that they end in .txt, or remove the folder." if other else "Remove it."
        names = f", but {join_first(other)}" if other else ""
        raise UsageError(f"{place}: the class folder '{class_folder.name}' has no .txt files{names}. {remedy}")
    if other:
        logger.warning("%s: not read, no .txt files of '%s': %s", place, class_folder.name, join_first(other))
    return files


def read_text(file: Path, place: str) -> str:
    """One text; its line ends become line feeds."""
    if not file.exists():
        raise UsageError(f"{place}: {file} is a link to a file that is not there. Remove it.")
    if file.stat().st_size == 0:
        return ""
    with DataFile(file, f"{place}: {file.parent.name}/{file.name}").text() as handle:
        return handle.read().replace("\r\n", "\n").replace("\r", "\n")


def split_of_flag(place: str) -> str:
    """The split of `--train_file X`."""
    return place.removeprefix("--").partition("_")[0]


def describe_other_folder(folder: Path, place: str) -> str:
    """What a folder without texts has instead, and how to give it."""
    files = [entry for entry in visible(folder) if entry.is_file()]
    data = [entry.name for entry in files if any(suffix.lower() in KINDS for suffix in entry.suffixes)]
    if data:
        split = split_of_flag(place)
        likely = next((name for name in data if split in name.lower()), data[0])
        remedy = f"Give {'it' if len(data) == 1 else 'one of them'}: --{split}_file {folder / likely}"
        return f"the folder has data files ({join_first(data)}), but no folders of .txt files. {remedy}"
    return (
        "a folder must have one sub-folder of .txt files per class (such as pos/ and neg/); "
        f"it has {join_first(entry.name for entry in visible(folder)) or 'nothing'}."
    )
