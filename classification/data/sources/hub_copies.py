"""Copies of splits that were read from the Hub, so that later runs work offline."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from datasets import Dataset

from classification.data.sources.saved_folders import is_saved_dataset, load_saved_dataset

COMMIT = re.compile("[0-9a-f]{40}")
COPIES = "text_classification_read"  # folder in the cache: owner___name/config/version/split


def copy_folder(cache: str, name: str, config: str, version: str) -> Path:
    return Path(cache) / COPIES / name.replace("/", "___") / config / version


def note_commit(found: dict[str, str] | None, version: str) -> None:
    """Add the version of a data set on the Hub to `found`; a version of local files is a shorter hash of them."""
    if found is not None and COMMIT.fullmatch(version):
        found["commit"] = version


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


def copied_splits(
    cache: str, name: str, config: str | None, revision: str | None = None, found: dict[str, str] | None = None
) -> dict[str, Callable[[], Dataset]]:
    """The splits of the copy of the commit `revision`, else of the newest copy; empty where there is none.

    Args:
        found: gets the `commit` of the copy.
    """
    folder = Path(cache) / COPIES / name.replace("/", "___")
    versions = sorted(folder.glob(f"{config or '*'}/*"), key=lambda path: path.stat().st_mtime)
    if not versions or (config is None and len({path.parent for path in versions}) > 1):
        return {}
    version = next((path for path in versions if path.name == revision), versions[-1])
    note_commit(found, version.name)
    splits = sorted(path for path in version.iterdir() if is_saved_dataset(path))
    return {path.name: partial(load_saved_dataset, path, f"--dataset_name {name}") for path in splits}
