"""The splits of a source, with the user's columns. Errors name the flag, the file and the line."""

from __future__ import annotations

import logging
from pathlib import Path

from datasets import Dataset, DatasetDict

from classification.data.corpus import SPLITS, Source
from classification.data.sources.class_folders import read_class_folders
from classification.data.sources.data_files import DataFile
from classification.data.sources.file_tables import read_files
from classification.data.sources.hub_datasets import read_hub
from classification.data.sources.saved_folders import is_saved_dataset, is_saved_dictionary, load_saved_dataset
from classification.errors import UsageError, did_you_mean, join_first

logger = logging.getLogger(__name__)


def read_splits(source: Source) -> DatasetDict:
    """The splits train, validation and test that the source has; its other splits are not read.

    Raises:
        UsageError: a file cannot be read or has no rows, or a named split does not exist.
    """
    if source.files:
        return DatasetDict(
            {
                split: read_file(path, flag=f"--{split}_file", cache_dir=source.cache_dir)
                for split, path in source.files.items()
            }
        )
    assert source.dataset_name is not None
    raw = read_hub(
        source.dataset_name, source.dataset_config_name, cache_dir=source.cache_dir, token=source.token,
        revision=source.revision, found=source.found,
    )  # fmt: skip
    splits = DatasetDict()
    for split in SPLITS:
        name = source.split_names.get(split) or split
        if name in raw and name not in source.remove_splits:
            splits[split] = raw[name]()
            if len(splits[split]) == 0:
                raise UsageError(
                    f"--dataset_name {source.dataset_name}: the split '{name}' has no rows. Add rows, or leave it out: "
                    f"--remove_splits {name}"
                )
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
    """One split from a CSV, TSV, JSON(L), Parquet or Arrow file, a saved data set, or a folder of texts per class.

    Every CSV field is a string: "NA", "null" and "007" are not converted.

    Raises:
        UsageError: the file is empty, has no rows, is not UTF-8, or has a broken line; names `flag`, file and line.
    """
    file, place = Path(path), f"{flag} {path}"
    if not file.is_dir():
        return read_files([DataFile(file, place)], cache_dir=cache_dir)
    if is_saved_dictionary(file):
        raise UsageError(f"{place}: the folder holds several splits. Give all of them: --dataset_name {path}")
    if not is_saved_dataset(file):
        return read_class_folders(file, place)
    data = load_saved_dataset(file, place)
    if len(data) == 0:
        raise UsageError(f"{place}: there are no rows. Add rows, or leave {flag} out.")
    return data
