"""Data sets of the Hub, and local folders with the Hub's layout or from `save_to_disk`.

CSV and JSON files are read by our own readers, as `--train_file` reads them: those of `datasets` take "NA" and "None"
for missing values, and strings for numbers and dates. Other tables in a local folder are read as `--train_file` too, so
that errors name the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import datasets
import huggingface_hub
from datasets import Dataset, DatasetDict
from datasets.exceptions import DatasetNotFoundError

from classification.data.sources.cache_folder import cache_folder, describe_disk_error
from classification.data.sources.class_folders import is_class_folder, read_class_folders, split_folders
from classification.data.sources.file_formats import KINDS
from classification.data.sources.file_tables import is_empty
from classification.data.sources.hub_copies import COPIES, copied_splits, note_commit
from classification.data.sources.hub_files import READ_HERE, HubFiles
from classification.data.sources.saved_folders import (
    is_saved_dataset,
    is_saved_dictionary,
    load_saved_dataset,
    saved_splits,
)
from classification.errors import UsageError, first_line

Splits = Mapping[str, Callable[[], Dataset]]  # name -> a function that reads the split


@dataclass(frozen=True)
class Wording:
    """How errors name a data set, and how files are given instead."""

    flag: str = "--dataset_name"
    with_file: str = "with --train_file"
    each_file: str = "Give each with its flag: --train_file, --test_file."


TRAINING = Wording()


def read_hub(
    name: str, config: str | None, *, cache_dir: str | None, token: str | None = None,
    revision: str | None = None, found: dict[str, str] | None = None,
) -> Splits:  # fmt: skip
    """The splits of a data set on the Hub or in a local folder; each is read when its function is called.

    Args:
        revision: commit of the data set; None for the newest. Offline, the newest copy is read if that one is missing.
        found: gets the `commit` that is read, where it is known.

    Raises:
        UsageError: not found, unreachable, or a configuration must be chosen; names `--dataset_name` and the remedy.
    """
    folder, place = Path(name), f"--dataset_name {name}"
    if is_saved_dictionary(folder):
        return saved_splits(folder, place)
    if is_saved_dataset(folder):
        data = load_saved_dataset(folder, place)
        return ready(DatasetDict({str(data.split or "train"): data}))
    if folder.is_file():
        raise UsageError(f"{place}: is a file. Give it with --train_file {name}")
    if by_class := split_folders(folder):
        return {split: partial(read_class_folders, path, f"{place}: {path.name}") for split, path in by_class.items()}
    if is_class_folder(folder):
        return {"train": partial(read_class_folders, folder, place)}
    with hub_errors(name):
        cache = str(cache_folder(cache_dir))
        full = full_name(name, cache_dir=cache, token=token)
        if huggingface_hub.constants.HF_HUB_OFFLINE and not folder.exists():
            if copies := copied_splits(cache, full, config, revision, found):
                return copies
        builder = datasets.load_dataset_builder(full, config, cache_dir=cache, token=token, revision=revision)
        note_commit(found, str(builder.hash))
        files = HubFiles(builder, place, cache, token)
        if files.module in READ_HERE or (folder.exists() and files.module in KINDS.values()):
            return {split: partial(read_split, files, split, name) for split in files.splits}
        loaded = datasets.load_dataset(full, config, cache_dir=cache, token=token, revision=revision)
    if not isinstance(loaded, DatasetDict):
        raise UsageError(f"{place}: has no named splits. Give files with --train_file.")
    return ready(loaded)


def ready(splits: DatasetDict) -> Splits:
    """Splits that are read already."""
    return {str(name): partial(splits.__getitem__, name) for name in splits}


def read_split(files: HubFiles, split: str, name: str) -> Dataset:
    with hub_errors(name):
        return files.read(split)


@contextmanager
def hub_errors(name: str, wording: Wording = TRAINING) -> Iterator[None]:
    """Inside, the errors of the libraries become a UsageError that names the flag and the remedy."""
    try:
        yield
    except UsageError:
        raise
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError) as error:
        raise UsageError(f"{wording.flag} {name}: {describe_missing(name, wording)}") from error
    except Exception as error:  # whatever the libraries raise for the user's files
        reason = describe_disk_error(error) or describe_failure(error, wording)
        raise UsageError(f"{wording.flag} {name}: {reason}") from error


def describe_missing(name: str, wording: Wording) -> str:
    """What to do about a data set that is not found."""
    if Path(name).is_dir() and set(name) & set("*?["):
        return "the library that reads folders takes * ? and [ for patterns. Rename the folder without them."
    if Path(name).is_dir():
        return (
            "the folder has no data files that can be read. Put files such as train.csv and test.csv into it, or give "
            f"files {wording.with_file}."
        )
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        return (
            "The Hub cannot be reached, and the data set is neither a local folder nor in the cache. "
            f"{describe_other_ways(wording)}"
        )
    return f"Check the spelling, pass --token if it is private, or give local files {wording.with_file}."


def describe_other_ways(wording: Wording) -> str:
    return f"Give local files {wording.with_file}, or connect to the network (and unset HF_HUB_OFFLINE)."


def describe_failure(error: Exception, wording: Wording) -> str:
    """What the library says, and what to do where that is known."""
    if type(error).__module__.startswith(("httpx", "httpcore")):
        return f"the Hub cannot be reached ({first_line(error).rstrip('.')}). {describe_other_ways(wording)}"
    reason = str(error.__cause__ or error).strip().splitlines() or [type(error).__name__]
    if "onfig name is missing" in str(error):
        return f"{' '.join(reason[:2]).removesuffix(' Example of usage:')} Choose one with --dataset_config_name."
    if "infer the same data file format" in str(error):
        return f"the splits are files of different formats. {wording.each_file}"
    if is_empty(error.__cause__ or error):
        return "a split has no rows. Add rows, or remove its files."
    return f"{' '.join(reason[:3]).rstrip('.')}. Correct the files, or give them {wording.with_file}."


def full_name(name: str, *, cache_dir: str | None, token: str | None) -> str:
    """`imdb` -> `stanfordnlp/imdb`: the Hub still resolves the old names, `load_dataset` does not.

    https://github.com/huggingface/datasets/issues/8612. Offline, the name is looked up in the cache. A name that is
    not found is returned unchanged.
    """
    if "/" in name or Path(name).exists():
        return name
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        cache = Path(cache_dir or datasets.config.HF_DATASETS_CACHE)
        cached = {path.name for pattern in (f"*___{name}", f"{COPIES}/*___{name}") for path in cache.glob(pattern)}
        return cached.pop().replace("___", "/") if len(cached) == 1 else name
    try:
        return huggingface_hub.HfApi(token=token).dataset_info(name).id
    except (huggingface_hub.errors.HfHubHTTPError, OSError):
        return name
