"""Data sets by name: old names become full names, and an unreachable Hub is explained."""

from __future__ import annotations

from types import SimpleNamespace

import huggingface_hub
import pytest
from corpus import make_rows
from datasets import Dataset, NamedSplit

from classification.data.sources.hub_datasets import full_name, read_hub
from classification.errors import UsageError


def test_old_names_of_the_hub_become_full_names(tmp_path, monkeypatch):
    requests = []

    def dataset_info(self, name):
        requests.append(name)
        return SimpleNamespace(id=f"stanfordnlp/{name}")

    monkeypatch.setattr(huggingface_hub.HfApi, "dataset_info", dataset_info)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    assert full_name("imdb", cache_dir=None, token=None) == "stanfordnlp/imdb"
    assert full_name("someone/imdb", cache_dir=None, token=None) == "someone/imdb" and requests == ["imdb"]
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert full_name("imdb", cache_dir=str(tmp_path), token=None) == "imdb"
    (tmp_path / "stanfordnlp___imdb").mkdir()
    assert full_name("imdb", cache_dir=str(tmp_path), token=None) == "stanfordnlp/imdb"


def test_a_data_set_that_is_not_there_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(UsageError, match="--dataset_name imdb: The Hub cannot be reached.*--train_file"):
        read_hub("imdb", None, cache_dir=str(tmp_path))


def test_a_saved_data_set_without_splits_is_train_or_the_split_that_it_was(tmp_path):
    data = Dataset.from_list(make_rows(4))
    for split, name in ((None, "train"), ("test", "test")):
        data._split = split and NamedSplit(split)
        data.save_to_disk(str(tmp_path / name))
        splits = read_hub(str(tmp_path / name), None, cache_dir=str(tmp_path / "cache"))
        assert list(splits) == [name] and list(splits[name]()) == make_rows(4)


def test_a_folder_whose_name_is_a_pattern_is_to_be_renamed(tmp_path):
    (tmp_path / "d[1]").mkdir()
    (tmp_path / "d[1]" / "train.csv").write_text("text,label\ngood,a\nbad,b\n", encoding="utf-8")
    with pytest.raises(UsageError, match="takes .* for patterns. Rename the folder"):
        read_hub(str(tmp_path / "d[1]"), None, cache_dir=str(tmp_path / "cache"))
