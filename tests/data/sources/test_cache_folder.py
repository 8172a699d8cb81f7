"""A cache that cannot be written costs a line in the log, and a full disk is called a full disk."""

from __future__ import annotations

import errno

import datasets
import pytest
from corpus import splits_of
from datasets import Dataset
from helpers import make_tokenizer

from classification.data.corpus import Source
from classification.data.encoding import Encoding
from classification.data.sources import file_tables
from classification.data.sources.cache_folder import (
    cache_folder,
    describe_disk_error,
    disk_errors_named,
    temporary_folder,
)
from classification.data.sources.readers import read_splits
from classification.data.truncation import Truncation
from classification.errors import UsageError
from data_utils import encode_corpus

NOT_A_FOLDER = "/dev/null/cache"  # no user can make it, root included


@pytest.fixture(autouse=True)
def _forget_temporary_folders():
    temporary_folder.cache_clear()


def test_the_folder_is_the_named_one_else_that_of_the_library(tmp_path, monkeypatch):
    assert cache_folder(str(tmp_path / "a"), "b") == tmp_path / "a" / "b" and (tmp_path / "a" / "b").is_dir()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "own"))
    assert cache_folder(None) == tmp_path / "own" and not list((tmp_path / "own").iterdir())


def test_a_folder_that_cannot_be_written_is_replaced_and_named_once(caplog):
    first, second = cache_folder(NOT_A_FOLDER, "x"), cache_folder(NOT_A_FOLDER, "y")
    assert first.is_dir() and first.parent == second.parent and first.parent.stat().st_mode & 0o777 == 0o700
    assert caplog.text.count(NOT_A_FOLDER) == 1 and "--cache_dir" in caplog.text and "HF_HOME" in caplog.text


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "name", "parquet name"])
def test_data_is_read_where_the_cache_cannot_be_written(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", NOT_A_FOLDER)
    data = Dataset.from_dict({"text": ["a", "null"], "label": ["x", "None"]})
    path = tmp_path / f"train.{kind.split()[0].replace('name', 'csv')}"
    data.to_parquet(str(path)) if "parquet" in kind else data.to_csv(str(path)) if kind != "jsonl" else data.to_json(
        str(path)
    )
    source = Source(dataset_name=str(tmp_path)) if "name" in kind else Source(files={"train": str(path)})
    assert list(read_splits(source)["train"]) == list(data)


def test_rows_are_tokenised_where_the_cache_cannot_be_written(tmp_path):
    arguments = {"max_length": 8, "truncation": Truncation()}
    splits = splits_of([{"id": "0", "text": "a good film"}])
    encoded = [
        encode_corpus(splits, make_tokenizer(), Encoding(cache_dir=folder), **arguments)["train"][:]
        for folder in (NOT_A_FOLDER, str(tmp_path))
    ]
    assert encoded[0] == encoded[1]


def full_disk(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device", "/cache/rows.arrow")


def test_a_full_disk_is_called_a_full_disk(tmp_path, monkeypatch):
    Dataset.from_dict({"text": ["a"]}).to_parquet(str(tmp_path / "a.parquet"))
    monkeypatch.setattr(file_tables.datasets, "load_dataset", full_disk)
    with pytest.raises(UsageError, match="a.parquet: the disk is full.*/cache/rows.arrow.*--cache_dir") as refused:
        read_splits(Source(files={"train": str(tmp_path / "a.parquet")}))
    assert "cannot be read as" not in str(refused.value)
    monkeypatch.setattr(Dataset, "map", full_disk)
    with pytest.raises(UsageError, match="^--cache_dir: the disk is full"):
        encode_corpus(
            splits_of([{"id": "0", "text": "a"}]), make_tokenizer(), Encoding(cache_dir=str(tmp_path)),
            max_length=8, truncation=Truncation(),
        )  # fmt: skip


def test_an_error_is_the_disks_fault_also_as_a_cause_and_other_errors_stay():
    outer = ValueError("generation failed")
    outer.__cause__ = OSError(errno.EROFS, "Read-only file system", "/hf/lock")
    assert "/hf/lock cannot be written" in describe_disk_error(outer)
    assert describe_disk_error(ValueError("bad row")) is None
    with pytest.raises(ValueError, match="bad row"), disk_errors_named("--cache_dir"):
        raise ValueError("bad row")
