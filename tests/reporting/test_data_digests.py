"""Every file that a run reads has its sha256 in run.json, and nothing that it does not read."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict, load_from_disk

from classification.reporting import data_digests
from classification.reporting.data_digests import LISTED, digest_data, digest_file, digest_model, digest_outputs


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def names(digests: list[dict], folder: Path) -> set[str]:
    return {os.path.relpath(str(digest["path"]), folder) for digest in digests}


def test_a_file_has_its_path_as_typed_its_size_and_its_sha256(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_bytes(b"text,label\n")
    assert digest_data("a.csv") == [{"path": "a.csv", "size": 11, "sha256": sha256(b"text,label\n")}]


def test_a_compressed_file_is_taken_as_it_is(tmp_path):
    content = gzip.compress(b"text,label\n", mtime=1)
    (tmp_path / "a.csv.gz").write_bytes(content)
    assert digest_data(str(tmp_path / "a.csv.gz"))[0]["sha256"] == sha256(content)


def test_a_file_is_read_once_and_again_only_if_it_has_changed(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(data_digests, "open", lambda *words: opened.append(words) or open(*words), raising=False)
    file = tmp_path / "a.csv"
    file.write_bytes(b"1")
    assert digest_file(file) == digest_file(file) and len(opened) == 1
    file.write_bytes(b"2")
    os.utime(file, ns=(0, 0))  # a copy that keeps the old time
    assert digest_file(file)["sha256"] == sha256(b"2")
    os.utime(file, ns=(0, 0))
    file.write_bytes(b"3")
    os.utime(file, ns=(0, 0))
    assert digest_file(file)["sha256"] == sha256(b"3")


def test_a_data_set_folder_gives_its_visible_files(tmp_path):
    write(tmp_path, "data/train.csv", "data/b/test.csv", "README.md", ".git/config", ".cache.csv", "__pycache__/x.csv")
    assert names(digest_data(str(tmp_path)), tmp_path) == {"data/train.csv", "data/b/test.csv", "README.md"}


def test_a_folder_of_many_texts_has_one_digest_that_any_of_them_changes(tmp_path):
    write(tmp_path, *(f"pos/{number}.txt" for number in range(LISTED + 1)), "neg/0.txt", "unsup/0.txt")
    before = {digest["path"]: digest for digest in digest_data(str(tmp_path))}
    assert set(before) == {str(tmp_path / "neg" / "0.txt"), str(tmp_path / "pos")}
    assert before[str(tmp_path / "pos")]["files"] == LISTED + 1
    (tmp_path / "pos" / "7.txt").write_text("other")
    (tmp_path / "neg" / "0.txt").write_text("neg/0.txt")
    after = {digest["path"]: digest for digest in digest_data(str(tmp_path))}
    changed = {path for path in before if before[path]["sha256"] != after[path]["sha256"]}
    assert changed == {str(tmp_path / "pos")}


def test_a_text_that_moves_to_another_name_changes_the_digest(tmp_path):
    write(tmp_path, *(f"pos/{number}.txt" for number in range(LISTED + 1)))
    before = digest_data(str(tmp_path))
    (tmp_path / "pos" / "7.txt").rename(tmp_path / "pos" / "7b.txt")
    assert digest_data(str(tmp_path))[0]["sha256"] != before[0]["sha256"]


def test_what_the_library_adds_to_a_saved_data_set_is_not_part_of_it(tmp_path):
    DatasetDict({"train": Dataset.from_dict({"text": ["a"]})}).save_to_disk(str(tmp_path / "d"))
    before = digest_data(str(tmp_path / "d"))
    load_from_disk(str(tmp_path / "d"))["train"].map(lambda row: {"n": 1})
    (tmp_path / "d" / "train" / "cache-1.arrow").write_text("x")
    assert digest_data(str(tmp_path / "d")) == before
    assert names(before, tmp_path / "d") >= {"dataset_dict.json", "train/state.json", "train/dataset_info.json"}


def test_a_model_folder_gives_weights_config_tokenizer_and_code(tiny_model, tmp_path):
    mine = ("config.json", "model.safetensors", "vocab.txt", "spiece.model", "modeling_mine.py", "adapter_config.json")
    write(tmp_path, *mine, "run.json", "all_results.json", "predictions.csv", "checkpoint-1/config.json", "notes.md")
    assert names(digest_model(str(tmp_path)), tmp_path) == set(mine)
    assert names(digest_model(tiny_model), Path(tiny_model)) == set(os.listdir(tiny_model))
    assert digest_model("me/model-on-the-hub") == []


def test_a_pipe_and_what_is_not_there_have_no_digest(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    assert digest_data(str(tmp_path / "pipe.csv")) == digest_data(str(tmp_path / "no.csv")) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_cannot_be_read_costs_no_run(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    (tmp_path / "a.csv").chmod(0)
    assert digest_data(str(tmp_path / "a.csv"))[0]["sha256"] is None


def test_an_unreadable_file_has_no_sha256(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("no")

    (tmp_path / "a.csv").write_text("x")
    monkeypatch.setattr(data_digests, "open", refuse, raising=False)
    assert digest_data(str(tmp_path / "a.csv")) == [{"path": str(tmp_path / "a.csv"), "size": None, "sha256": None}]


def test_the_results_are_weights_and_predictions(tmp_path):
    write(tmp_path, "model.safetensors", "adapter_model.safetensors", "predictions.csv", "oof.csv", "a.csv")
    outputs = digest_outputs(tmp_path)
    assert set(outputs["weights"]) == {"model.safetensors", "adapter_model.safetensors"}
    assert outputs["predictions"] == {name: sha256(name.encode()) for name in ("predictions.csv", "oof.csv")}
    assert digest_outputs(tmp_path / "none") == {} and json.dumps(outputs)
