"""Copies of splits that were read from the Hub, so that later runs work offline."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from datasets import Dataset

from classification.data.sources.saved_folders import is_saved_dataset, load_saved_dataset

COPIES = "text_classification_read"  # folder in the cache: owner___name/config/version/split


def copy_folder(cache: str, name: str, config: str, version: str) -> Path:
    return Path(cache) / COPIES / name.replace("/", "___") / config / version


def keep_copy(data: Dataset, folder: Path) -> None:
    """Save a split, at once or not at all: another process may read or write the same copy."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished_")
    try:
        data.save_to_disk(unfinished)
        os.replace(unfinished, folder)
    except OSError:
        if not is_saved_dataset(folder):  # else another process was faster
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def copied_splits(cache: str, name: str, config: str | None) -> dict[str, Callable[[], Dataset]]:
    """The splits of the newest copy, empty where there is none."""
    folder = Path(cache) / COPIES / name.replace("/", "___")
    versions = sorted(folder.glob(f"{config or '*'}/*"), key=lambda path: path.stat().st_mtime)
    if not versions or (config is None and len({path.parent for path in versions}) > 1):
        return {}
    splits = sorted(path for path in versions[-1].iterdir() if is_saved_dataset(path))
    return {path.name: partial(load_saved_dataset, path, f"--dataset_name {name}") for path in splits}
