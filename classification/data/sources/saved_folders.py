"""Folders that `save_to_disk` wrote: one data set, or a dictionary of splits."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from classification.errors import UsageError, first_line

if TYPE_CHECKING:
    from datasets import Dataset

DAMAGED = (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException)


def is_saved_dataset(folder: Path) -> bool:
    return (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file()


def is_saved_dictionary(folder: Path) -> bool:
    return (folder / "dataset_dict.json").is_file()


def load_saved_dataset(folder: Path, place: str) -> Dataset:
    """One saved data set.

    Raises:
        UsageError: its files are missing or broken.
    """
    from datasets import Dataset

    saved_files(folder, place)
    try:
        return Dataset.load_from_disk(str(folder))
    except DAMAGED as error:
        raise UsageError(f"{place}: {describe_damage(error)}") from error


def saved_files(folder: Path, place: str) -> list[Path]:
    """The Arrow files of a saved data set, in their order.

    Raises:
        UsageError: the list of files is broken, or is empty.
    """
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        files = [folder / part["filename"] for part in state["_data_files"]]
    except DAMAGED as error:
        raise UsageError(f"{place}: {describe_damage(error)}") from error
    if not files:
        raise UsageError(f"{place}: there are no rows. Save a data set with rows, or leave it out.")
    return files


def saved_names(folder: Path, place: str) -> list[str]:
    """The names of the splits of a saved dictionary.

    Raises:
        UsageError: the list of splits is broken.
    """
    try:
        return list(json.loads((folder / "dataset_dict.json").read_text(encoding="utf-8"))["splits"])
    except DAMAGED as error:
        raise UsageError(f"{place}: {describe_damage(error)}") from error


def saved_splits(folder: Path, place: str) -> dict[str, Callable[[], Dataset]]:
    """The splits of a saved dictionary; each is read when its function is called.

    Raises:
        UsageError: the list of splits is broken.
    """
    names = saved_names(folder, place)
    return {name: partial(load_saved_dataset, folder / name, f"{place}: {name}") for name in names}


def describe_damage(error: Exception) -> str:
    return f"was written by save_to_disk and cannot be read: {first_line(error)} Save or copy it anew."
