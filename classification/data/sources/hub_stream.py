"""One split of a data set of the Hub, or of a local folder with the Hub's layout, as a stream of rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import datasets
import huggingface_hub
from datasets import ClassLabel, Dataset, DatasetDict

from classification.data.sources.cache_folder import cache_folder
from classification.data.sources.data_files import DataFile
from classification.data.sources.hub_copies import copied_splits
from classification.data.sources.hub_datasets import Wording, full_name, hub_errors
from classification.data.sources.hub_files import READ_HERE, HubFiles
from classification.data.sources.input_stream import InputStream
from classification.data.sources.row_batches import InputSource
from classification.data.sources.split_choice import choose_split
from classification.data.sources.table_stream import DatasetSource, TableStream
from classification.errors import UsageError

INPUT = Wording("INPUT", "as INPUT", "Give one of them as INPUT.")
Open = Callable[[Sequence[DataFile], str, str | None], InputStream]  # files, kind, separator -> their rows


def open_hub(source: InputSource, place: str, open_files: Open) -> InputStream:
    """The rows of one split. Files of a local folder, and CSV and JSON files, are read as files are.

    Raises:
        UsageError: not found, not reachable, or a configuration or a split must be chosen.
    """
    with hub_errors(source.path, INPUT):
        cache = str(cache_folder(source.cache_dir))
        is_local = Path(source.path).exists()
        full = full_name(source.path, cache_dir=source.cache_dir, token=source.token)
        if huggingface_hub.constants.HF_HUB_OFFLINE and not is_local:
            if copies := copied_splits(cache, full, source.config_name, source.revision):
                return rows_of_dataset(copies[choose_split(list(copies), source.split, place)](), source, place)
        where = {"cache_dir": cache, "token": source.token, "revision": source.revision}
        builder = datasets.load_dataset_builder(full, source.config_name, **where)
        files = HubFiles(builder, place, cache, source.token)
        if files.module in READ_HERE or (is_local and files.module in ("parquet", "arrow")):
            split = choose_split(files.splits, source.split, place)
            if files.unusual_settings() or has_classes(builder.info.features):
                return rows_of_dataset(files.read(split), source, place)
            return open_files(list(files.local_files(split)), files.module, files.delimiter())
        loaded = datasets.load_dataset(full, source.config_name, **where)
    if not isinstance(loaded, DatasetDict):
        raise UsageError(f"{place}: has no named splits. Give a file as INPUT.")
    return rows_of_dataset(loaded[choose_split(list(map(str, loaded)), source.split, place)], source, place)


def has_classes(features: datasets.Features | None) -> bool:
    """Whether a README declares names for the numbers of a column."""
    items = (getattr(feature, "feature", feature) for feature in (features or {}).values())
    return any(isinstance(item, ClassLabel) for item in items)


def rows_of_dataset(data: Dataset, source: InputSource, place: str) -> TableStream:
    return TableStream([DatasetSource(data, str(data.split or ""))], source, place, "parquet")
