"""A data set by name gives the strings of its files, as --train_file does; class names that it declares are kept."""

from __future__ import annotations

import gzip
import os
import zipfile

import datasets
import huggingface_hub
import pytest
from datasets import ClassLabel, Dataset, List

from classification.data.corpus import Source
from classification.data.sources import hub_files
from classification.data.sources.hub_copies import copied_splits, copy_folder, keep_copy
from classification.data.sources.hub_datasets import read_hub
from classification.data.sources.readers import read_splits
from classification.errors import UsageError

STRANGE = [
    ("000", "null", "None"),
    ("007", "NA", "pos"),
    ("1e5", "True", "2021-03-01"),
    ("2020-06-01T10:00:00Z", "1.0", "n/a"),
]
ROWS = [dict(zip(("id", "text", "label"), row, strict=True)) for row in STRANGE]


def lines(separator: str) -> str:
    return "\n".join(separator.join(row) for row in [("id", "text", "label"), *STRANGE]) + "\n"


def json_lines() -> str:
    import json

    return "\n".join(json.dumps(row) for row in ROWS)


FILES = {  # name -> content
    "train.csv": lines(",").encode(),
    "train.tsv": lines("\t").encode(),
    "train.csv.gz": gzip.compress(lines(",").encode()),
    "semicolons/train.csv": lines(";").encode(),
    "utf16/train.csv": lines("\t").encode("utf-16"),
    "train.jsonl": json_lines().encode(),
    "train.json": b"[" + json_lines().replace("\n", ",").encode() + b"]",
    "data/train-00000-of-00001.csv": lines(",").encode(),
    "train/a.csv": lines(",").encode(),
}


@pytest.mark.parametrize("name", FILES)
def test_a_name_and_a_file_give_the_same_strings(name, tmp_path):
    file = tmp_path / "folder" / name
    file.parent.mkdir(parents=True)
    file.write_bytes(FILES[name])
    by_name = read_splits(Source(dataset_name=str(tmp_path / "folder"), cache_dir=str(tmp_path / "cache")))["train"]
    by_flag = read_splits(Source(files={"train": str(file)}))["train"]
    assert list(by_name) == list(by_flag) == ROWS and by_name.features == by_flag.features


def folder_of(tmp_path, files: dict[str, str], readme: str = "") -> str:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    if readme:
        (tmp_path / "README.md").write_text(f"---\n{readme}---\n")
    return str(tmp_path)


def read(name: str, config: str | None = None) -> dict[str, Dataset]:
    return dict(read_splits(Source(dataset_name=name, dataset_config_name=config)))


def test_several_files_of_a_split_are_joined_by_column_names(tmp_path):
    files = {"train/a.csv": "text,label\na,x\n", "train/b.csv": "label,text\ny,b\n", "test/c.csv": "text,label\nc,x\n"}
    splits = read(folder_of(tmp_path, files))
    assert splits["train"].to_list() == [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    (tmp_path / "train" / "c.csv").write_text("text,stars\na,5\n")
    with pytest.raises(UsageError, match=r"c.csv: its columns \(text, stars\) are not those of a.csv"):
        read(str(tmp_path))


def test_files_in_an_archive_are_read_without_hidden_ones(tmp_path):
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
        for name in ("a.csv", "b.csv", "__MACOSX/._a.csv"):
            archive.writestr(name, "text,label\nnull,None\n" if name[0] != "_" else "\0")
    assert read(str(tmp_path))["train"].to_list() == [{"text": "null", "label": "None"}] * 2


CLASSES = """
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': neg
          '1': pos
"""
CONFIG = """configs:
- config_name: default
  data_files:
  - split: train
    path: {}
{}dataset_info:
- config_name: default{}"""


def test_declared_class_names_are_applied_to_names_and_numbers(tmp_path):
    readme = CONFIG.format("rows.csv", '  sep: ";"\n', CLASSES)
    data = read(folder_of(tmp_path, {"rows.csv": "text;label\nnull;neg\nb, c;1\nd;\n"}, readme))["train"]
    assert data.features["label"] == ClassLabel(names=["neg", "pos"])
    assert data.to_dict() == {"text": ["null", "b, c", "d"], "label": [0, 1, None]}
    (tmp_path / "rows.csv").write_text("text;label\na;negg\n")
    with pytest.raises(UsageError, match="'label' has 'negg', but its README declares the classes neg, pos"):
        read(str(tmp_path))


def test_declared_class_names_are_applied_to_lists(tmp_path):
    listed = CLASSES.replace("dtype:\n      class_label", "sequence:\n      class_label").replace(
        "name: label", "name: labels"
    )
    content = '{"text": "2021-03-01", "labels": ["pos", "neg"]}\n{"text": "b", "labels": []}\n'
    data = read(folder_of(tmp_path, {"rows.jsonl": content}, CONFIG.format("rows.jsonl", "", listed)))["train"]
    assert data.features["labels"] == List(ClassLabel(names=["neg", "pos"]))
    assert data.to_dict() == {"text": ["2021-03-01", "b"], "labels": [[1, 0], []]}


def test_another_number_of_rows_than_declared_is_said(tmp_path, caplog):
    counts = CLASSES + "  splits:\n  - name: train\n    num_examples: 5\n    num_bytes: 1\n"
    read(folder_of(tmp_path, {"rows.csv": "text,label\na,neg\n"}, CONFIG.format("rows.csv", "", counts)))
    assert "train has 1 rows, its README declares 5" in caplog.text


CONFIGS = """configs:
- config_name: one
  data_files: a.csv
- config_name: two
  data_files: b.csv
  header: null
  names: [text, label]
"""


def test_settings_of_a_configuration_are_followed_and_values_stay_strings(tmp_path):
    name = folder_of(tmp_path, {"a.csv": "text,label\nnull,007\n", "b.csv": "null,007\nNA,1\n"}, CONFIGS)
    with pytest.raises(UsageError, match="one.*two.*Choose one with --dataset_config_name"):
        read(name)
    assert read(name, "one")["train"].to_list() == [{"text": "null", "label": "007"}]
    assert read(name, "two")["train"].to_list() == [{"text": "null", "label": "007"}, {"text": "NA", "label": "1"}]
    (tmp_path / "b.csv").write_text("a,b\nc\n")
    with pytest.raises(UsageError, match="b.csv: line 2 has 1 of 2 fields"):
        read(name, "two")


def test_the_key_of_the_rows_is_that_of_the_readme(tmp_path):
    readme = "configs:\n- config_name: one\n  data_files: a.json\n  field: rows\n"
    name = folder_of(tmp_path, {"a.json": '{"rows": [{"text": "2021-03-01"}], "v": 1}'}, readme)
    assert read(name)["train"].to_list() == [{"text": "2021-03-01"}]


REFUSED = {  # files -> words of the error
    "a broken row": ({"train.csv": "text,label\na,b\nc\n"}, ["train.csv: line 3 has 1 field"]),
    "no rows": ({"train.csv": "text,label\na,b\n", "test.csv": "text,label\n"}, ["test.csv: a header but no rows"]),
    "no rows in JSON": ({"train.json": "[]"}, ["train.json: there are no rows"]),
    "two formats": ({"train.csv": "text\na\n", "test.jsonl": '{"text": "a"}\n'}, ["different formats", "--test_file"]),
    "nothing": ({".hidden/x.csv": "text\na\n"}, ["the folder has no data files", "--train_file"]),
    "a broken README": ({"train.csv": "text\na\n", "README.md": "---\nconfigs: [a\n---\n"}, ["--train_file"]),
    "a broken archive": ({"train.zip": "x"}, ["not a zip file", "--train_file"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_by_name_and_file(case, tmp_path):
    files, words = REFUSED[case]
    with pytest.raises(UsageError) as refused:
        read(folder_of(tmp_path / "f", files))
    assert all(word in str(refused.value) for word in [f"--dataset_name {tmp_path / 'f'}: ", *words])


def test_an_unused_split_is_not_read(tmp_path):
    name = folder_of(tmp_path, {"train.csv": "text\na\n", "test.csv": "text\n"})
    assert set(read_splits(Source(dataset_name=name, remove_splits=("test",)))) == {"train"}


def test_parquet_without_rows_is_refused(tmp_path):
    data = Dataset.from_dict({"text": ["a"]})
    data.to_parquet(str(tmp_path / "train.parquet"))
    data.select([]).to_parquet(str(tmp_path / "test.parquet"))
    with pytest.raises(UsageError, match="test.parquet: there are no rows"):
        read(str(tmp_path))


def test_files_that_belong_to_no_split_are_named(tmp_path, caplog):
    name = folder_of(tmp_path, {"train.jsonl": '{"text": "a"}\n', "train2.csv": "text\na\n", ".x/train.csv": "text\n"})
    assert len(read(name)["train"]) == 1 and "not read, in no split: train2.csv" in caplog.text


def test_a_file_given_as_a_name_is_refused_with_its_flag(tmp_path):
    folder_of(tmp_path, {"a.csv": "text\na\n"})
    with pytest.raises(UsageError, match=r"is a file. Give it with --train_file \S+a.csv$"):
        read_hub(str(tmp_path / "a.csv"), None, cache_dir=None)


def test_files_of_the_hub_are_read_once_and_again_offline(tmp_path, monkeypatch):
    """A stand-in for the Hub: the builder of a local folder, with addresses for paths."""
    folder = folder_of(tmp_path / "remote", {"train.csv": "text,label\nnull,None\n", "extra.csv": "text,label\na,b\n"})
    downloads = []

    def builder_of_the_hub(name, config, **arguments):
        data_files = {"train": f"{folder}/train.csv", "extra": f"{folder}/extra.csv"}
        builder = datasets.load_dataset_builder("csv", data_files=data_files, cache_dir=arguments["cache_dir"])
        files = {split: [f"hf://datasets/{name}@1/{split}.csv"] for split in data_files}
        builder.config.data_files, builder.hash, builder.repo_id = files, "1", name
        return builder

    def download(self, url):
        downloads.append(url)
        return f"{folder}/{url.rpartition('/')[2]}"

    load = datasets.load_dataset_builder
    monkeypatch.setattr(hub_files.DownloadManager, "download", download)
    monkeypatch.setattr(
        "classification.data.sources.hub_datasets.datasets.load_dataset_builder",
        lambda name, *args, **kwargs: (
            load(name, *args, **kwargs) if name == "csv" else builder_of_the_hub(name, *args, **kwargs)
        ),
    )
    source = Source(dataset_name="someone/data", cache_dir=str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    expected = [{"text": "null", "label": "None"}]
    assert list(read_splits(source)["train"]) == list(read_splits(source)["train"]) == expected
    assert downloads == ["hf://datasets/someone/data@1/train.csv"]  # not the split that nobody reads
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("classification.data.sources.hub_datasets.datasets.load_dataset_builder", None)
    assert list(read_splits(source)["train"]) == expected


def test_the_copy_of_a_commit_is_read_and_the_commit_is_known(tmp_path):
    """Without a commit, and where its copy is missing, the newest copy is read."""
    old, new = "a" * 40, "b" * 40
    for age, commit in enumerate((old, new)):
        folder = copy_folder(str(tmp_path), "me/data", "default", commit)
        keep_copy(Dataset.from_dict({"text": [commit]}), folder / "train")
        os.utime(folder, (age, age))
    for wanted, read in ((old, old), (new, new), (None, new), ("c" * 40, new)):
        found: dict[str, str] = {}
        splits = copied_splits(str(tmp_path), "me/data", None, wanted, found)
        assert splits["train"]()["text"][:] == [read] and found == {"commit": read}


def test_a_commit_of_the_hub_is_asked_for_and_local_files_have_none(tmp_path, monkeypatch):
    asked = []

    def builder_of_the_hub(name, config, **arguments):
        asked.append(arguments["revision"])
        builder = load("csv", data_files=f"{tmp_path}/train.csv", cache_dir=str(tmp_path / "cache"))
        builder.hash, builder.repo_id = "d" * 40, name
        return builder

    folder_of(tmp_path, {"train.csv": "text,label\na,b\n"})
    load = datasets.load_dataset_builder
    local = Source(dataset_name=str(tmp_path), cache_dir=str(tmp_path / "cache"))
    read_splits(local)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        "classification.data.sources.hub_datasets.datasets.load_dataset_builder",
        lambda name, *words, **flags: (load if name == "csv" else builder_of_the_hub)(name, *words, **flags),
    )
    source = Source(dataset_name="me/data", cache_dir=str(tmp_path / "cache"), revision="d" * 40)
    read_splits(source)
    assert asked == ["d" * 40] and source.found == {"commit": "d" * 40} and local.found == {}
