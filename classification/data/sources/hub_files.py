"""The CSV and JSON files of a data set with the Hub's layout: which they are, and how the data set declares them."""

from __future__ import annotations

import csv
import dataclasses
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pandas
import pyarrow as pa
from datasets import Dataset, DatasetBuilder, DownloadConfig, DownloadManager
from datasets.packaged_modules.csv.csv import CsvConfig

from classification.data.sources.class_features import apply_class_names, in_memory
from classification.data.sources.csv_rows import any_field_size
from classification.data.sources.data_files import DataFile
from classification.data.sources.file_formats import KINDS, is_hidden, suffix_kind
from classification.data.sources.file_tables import read_files
from classification.data.sources.hub_copies import copy_folder, keep_copy
from classification.data.sources.saved_folders import is_saved_dataset, load_saved_dataset
from classification.errors import join_first

logger = logging.getLogger(__name__)

READ_HERE = ("csv", "json")  # readers of `datasets` that change values
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
UNDERSTOOD = {"name", "version", "data_dir", "data_files", "description", "sep", "delimiter", "features", "chunksize"}
CHECKED = {"header", "names", "column_names", "quoting", "quotechar"}  # of these, rows are checked too


class HubFiles:
    """The files of each split.

    Args:
        builder: of the library, which has found the files and the settings of the README.
        place: the flag with its value, for errors.
        cache: folder of downloads.
    """

    def __init__(self, builder: DatasetBuilder, place: str, cache: str, token: str | None):
        self.builder, self.place, self.cache = builder, place, cache
        self.module = type(builder).__module__.rsplit(".", 1)[-1]
        self.files = {str(split): list(files) for split, files in (builder.config.data_files or {}).items()}
        config = DownloadConfig(cache_dir=os.path.join(cache, "downloads"), token=token)
        self.manager = DownloadManager(dataset_name=builder.dataset_name, download_config=config)
        if self.module == "cache" and builder.info.builder_name in READ_HERE:
            logger.warning(
                "%s: the copy in the cache was made by the library, which reads texts such as NA and None as missing "
                "values. Connect to the network once to read the files anew.", place
            )  # fmt: skip

    @property
    def splits(self) -> list[str]:
        self.warn_of_other_files()
        return list(self.files)

    def read(self, split: str) -> Dataset:
        """The rows of a split, with the class names that the data set declares.

        Raises:
            UsageError: a file cannot be read; names it and the line.
        """
        is_local = all(os.path.exists(url) for url in self.files[split])
        version = str(self.builder.hash)
        copy = copy_folder(self.cache, self.builder.repo_id or "", self.builder.config.name, version) / split
        if not is_local and is_saved_dataset(copy):
            return load_saved_dataset(copy, self.place)
        files = list(self.local_files(split))
        settings = self.unusual_settings()
        if self.module == "csv" and settings:
            logger.info("data         %s: read with the settings of its README: %s", self.place, join_first(settings))
            data = in_memory(pa.concat_tables([self.read_with_pandas(file) for file in files]))
        else:
            data = read_files(files, cache_dir=self.cache, delimiter=self.delimiter())
        data = apply_class_names(data, self.builder.info.features, f"{self.place}: {split}")
        self.compare_count(split, len(data))
        if not is_local:
            keep_copy(data, copy)
        return data

    def local_files(self, split: str) -> Iterator[DataFile]:
        """The files of a split on this machine; archives are unpacked."""
        row_list = getattr(self.builder.config, "field", None)
        for url in self.files[split]:
            path = url if os.path.exists(url) else self.manager.download(url)
            shown = os.path.relpath(url, self.builder.base_path or ".") if os.path.exists(url) else url.split("@")[-1]
            if url.lower().endswith(ARCHIVES):
                for member in self.manager.iter_files([self.manager.extract(path)]):
                    if suffix_kind(member) and not is_hidden(os.path.basename(member)):
                        yield DataFile(Path(member), f"{self.place}: {shown}: {os.path.basename(member)}", row_list)
            else:
                yield DataFile(Path(path), f"{self.place}: {shown}", row_list)

    def delimiter(self) -> str | None:
        """The separator where the README declares one."""
        separator = getattr(self.builder.config, "sep", None)
        return None if separator in (",", "\t") else separator

    def unusual_settings(self) -> list[str]:
        """The settings of `pandas.read_csv` that the README changes."""
        if self.module != "csv":
            return []
        usual = CsvConfig()
        names = [field.name for field in dataclasses.fields(usual) if field.name not in UNDERSTOOD]
        config = self.builder.config
        separator = self.delimiter()
        changed = [name for name in names if getattr(config, name) != getattr(usual, name)]
        return changed + (["sep"] if separator and len(separator) > 1 else [])

    def read_with_pandas(self, file: DataFile) -> pa.Table:
        """A CSV file read with the README's settings; every field stays a string."""
        arguments = {**self.builder.config.pd_read_csv_kwargs, "chunksize": None, "keep_default_na": False}
        frame = pandas.read_csv(file.path, **arguments, dtype=str)
        if set(self.unusual_settings()) <= CHECKED:
            self.check_widths(file, len(frame.columns))
        schema = pa.schema([(str(name), pa.string()) for name in frame.columns])
        return pa.Table.from_pandas(frame.rename(columns=str), preserve_index=False).cast(schema)

    def check_widths(self, file: DataFile, width: int) -> None:
        """Raise a UsageError for a short row, which pandas fills with blanks."""
        config = self.builder.config
        with file.text() as handle, any_field_size():
            rows = csv.reader(handle, delimiter=config.sep, quotechar=config.quotechar, quoting=config.quoting)
            for row in rows:
                if row and len(row) < width:
                    raise file.error(f"line {rows.line_num} has {len(row)} of {width} fields. Add the missing ones.")

    def compare_count(self, split: str, count: int) -> None:
        """Warn where the data set declares another number of rows."""
        declared = (self.builder.info.splits or {}).get(split)
        if declared and declared.num_examples and declared.num_examples != count:
            logger.warning(
                "%s: %s has %d rows, its README declares %d", self.place, split, count, declared.num_examples
            )

    def warn_of_other_files(self) -> None:
        """Name data files in a local folder that belong to no split: the library reads one kind only."""
        folder = Path(self.builder.base_path or "")
        if (
            not self.files
            or len(self.builder.builder_configs) > 1
            or not all(os.path.exists(url) for urls in self.files.values() for url in urls)
        ):
            return
        used = {os.path.realpath(url) for urls in self.files.values() for url in urls}
        other = [
            path.name for path in sorted(folder.rglob("*"))
            if path.is_file() and KINDS.get(path.suffix.lower()) and not is_hidden(str(path.relative_to(folder)))
            and os.path.realpath(path) not in used
        ]  # fmt: skip
        if other:
            logger.warning("%s: not read, in no split: %s", self.place, join_first(other))
