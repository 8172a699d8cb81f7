"""Which files and commits of a command line run.json records."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from classification.cli.parser import parse_arguments
from classification.experiments.repeating import (
    commits_of,
    files_of,
    record_inputs,
    record_inputs_of_study,
    working_directory,
)
from classification.reporting import environment
from classification.reporting.run_record import run_record


def recorded(words: list[str]) -> dict[str, list[str]]:
    """Flag -> names of the recorded files."""
    return {flag: [Path(entry["path"]).name for entry in digests]
            for flag, digests in files_of(parse_arguments(words)).items()}  # fmt: skip


def test_files_of_settings_are_recorded_and_values_are_not(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w.json").write_text('{"negative": 2, "positive": 1}')
    (tmp_path / "p.yaml").write_text("seed: 3\n")
    found = recorded(["p.yaml", *command(class_weights="w.json", metric_name="f1")])
    assert found["class_weights"] == ["w.json"] and found["config"] == ["p.yaml"] and "metric_name" not in found
    long = json.dumps({"é" * 200: 2, "positive": 1}, ensure_ascii=False)
    assert "class_weights" not in recorded(command(class_weights=long))


def test_every_file_of_a_data_set_folder_is_recorded(command, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("train.csv", "test.csv", "README.md"):
        (folder / name).write_text("text,label\na,b\n")
    words = command(dataset_name=folder, train_file=None, validation_file=None, test_file=None)
    assert sorted(recorded(words)["dataset_name"]) == ["README.md", "test.csv", "train.csv"]


def test_the_teacher_and_the_texts_without_labels_are_recorded(command, tiny_model, tmp_path):
    (tmp_path / "texts.csv").write_text("text\na\n")
    found = recorded(command(teacher=tiny_model, unlabelled_file=tmp_path / "texts.csv"))
    assert found["teacher"] == found["model_name_or_path"] and found["unlabelled_file"] == ["texts.csv"]


def test_a_model_from_scratch_has_no_files_though_a_folder_has_its_name(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bilstm").mkdir()
    (tmp_path / "bilstm" / "config.json").write_text("{}")
    assert "model_name_or_path" not in recorded(command(model_name_or_path="bilstm"))


@pytest.fixture
def adapter(tmp_path):
    """A function that makes the folder of an adapter of a base model."""

    def write(base: str, **fields) -> str:
        (tmp_path / "adapter").mkdir()
        config = {"base_model_name_or_path": base, "peft_type": "LORA", **fields}
        (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(config))
        return str(tmp_path / "adapter")

    return write


def test_the_base_model_of_an_adapter_is_recorded(command, tiny_model, adapter):
    found = recorded(command(model_name_or_path=adapter(tiny_model)))
    assert found["model_name_or_path"] == ["adapter_config.json"]
    assert set(found["base_model"]) == set(os.listdir(tiny_model))


def test_the_commit_of_an_adapters_base_model_on_the_hub_is_recorded(command, adapter, tmp_path):
    snapshot = tmp_path / "cache" / "models--me--base" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (snapshot.parent.parent / "refs").mkdir()
    (snapshot.parent.parent / "refs" / "v2").write_text("a" * 40)
    words = command(model_name_or_path=adapter("me/base", revision="v2"), cache_dir=tmp_path / "cache")
    assert commits_of(parse_arguments(words)) == {"base_model": "a" * 40}


def test_a_part_of_a_larger_run_is_marked(command):
    folds = parse_arguments(command(folds=3, validation_file=None))
    for options, words in (
        (folds.for_one_run("fold-1", first=True), "folder of the study"),
        (parse_arguments(command()).for_bilstm_baseline(), "folder of the run that it belongs to"),
    ):
        assert words in str(record_inputs(options)["not_repeatable"])
    assert "not_repeatable" not in record_inputs(folds)


def test_one_seed_of_a_study_is_recorded_as_a_command_of_its_own(command):
    options = parse_arguments(command(seeds="3,4")).for_one_run("seed-3", first=True, seed=3, data_seed=3)
    flags = record_inputs(options)["flags"]
    assert flags["seed"] == 3 and not {"seeds", "data_seed"} & flags.keys() and flags["output_dir"].endswith("seed-3")


def test_a_study_records_the_files_that_its_first_run_has_read(command, tmp_path):
    """A file may change in the days until the last run ends."""
    options = parse_arguments(command(seeds="3,4"))
    (tmp_path / "out" / "seed-4").mkdir(parents=True)
    (tmp_path / "out" / "seed-4" / "run.json").write_text('{"files": {"train_file": []}}')
    assert record_inputs_of_study(options, ["seed-3", "seed-4"])["files"] == {"train_file": []}
    (tmp_path / "out" / "seed-4" / "run.json").write_text("{")
    assert record_inputs_of_study(options, ["seed-3", "seed-4"])["files"].keys() >= {"train_file", "test_file"}


def test_the_code_is_recorded_as_it_was_when_the_run_began(command, tmp_path, monkeypatch):
    """It may be changed while the run goes on, and the record is written at its end."""
    inputs = record_inputs(parse_arguments(command()))
    for name in ("code_digest", "git_commit", "installed_versions"):
        monkeypatch.setattr(environment, name, lambda *_: "of a later version")
    record = run_record([], {}, **inputs)
    assert {"code", "git_commit", "versions", "machine", "python"} <= inputs.keys()
    assert "of a later version" not in json.dumps(record)


def test_a_working_directory_that_was_deleted_is_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getcwd", lambda: str(tmp_path))
    assert working_directory() == str(tmp_path)

    def deleted():
        raise FileNotFoundError("no such file or directory")

    monkeypatch.setattr(os, "getcwd", deleted)
    assert working_directory() is None
