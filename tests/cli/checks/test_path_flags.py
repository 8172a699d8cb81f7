"""Values that cannot be names of files, and folders that cannot be written."""

from __future__ import annotations

import tempfile

import pytest
from helpers import assert_refused

from classification.cli.checks import path_flags
from classification.cli.parser import checked_flags

TEXTS = [
    "train_file", "validation_file", "test_file", "dataset_name", "model_name_or_path", "output_dir", "cache_dir",
    "tokenizer_name", "metric_name", "text_column_names", "label_column_name", "resume", "class_weights", "baselines",
]  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", ["", " "])
def test_an_empty_value_is_refused(name, value, command):
    """As of an unset variable: `--test_file "$TEST"` would be a run without a test."""
    assert_refused([f"--{name} {value!r}: is empty", "leave"], checked_flags, command(**{name: value}))


@pytest.mark.parametrize("value", ["caf\udce9.csv", "a\0b"])
@pytest.mark.parametrize("name", ["train_file", "output_dir", "id_column_name"])
def test_bytes_that_are_no_text_are_refused(name, value, command):
    """Neither the tokenizer's library nor run.json can hold them."""
    assert_refused([f"--{name}", "not valid UTF-8", "Rename", "PYTHONUTF8"], checked_flags, command(**{name: value}))


@pytest.mark.parametrize("name", ["train_file", "model_name_or_path", "output_dir", "cache_dir", "resume"])
def test_a_text_in_the_place_of_a_name_is_refused(name, command):
    assert_refused([f"--{name} good", "too long for a name"], checked_flags, command(**{name: "good film " * 500}))


@pytest.mark.parametrize("name", ["output_dir", "cache_dir", "logging_dir"])
@pytest.mark.parametrize("below", ["", "/x", "/x/y"])
def test_a_file_in_the_place_of_a_folder_is_refused(name, below, command, shared_files):
    path = shared_files["test_file"] + below
    words = [f"--{name} {path}", "is a file", "Name a folder"]
    assert_refused(words, checked_flags, command(**{name: path}))


def test_a_folder_that_cannot_be_written_is_refused_before_training(command, monkeypatch, tmp_path):
    """The test may run as an administrator, whom no permission stops."""

    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(path_flags.tempfile, "TemporaryFile", refuse)
    words = ["--output_dir", "cannot be written (Permission denied)", "Name another folder"]
    assert_refused(words, checked_flags, command(output_dir=tmp_path / "new" / "out"))


def test_the_check_leaves_no_trace(command, tmp_path, monkeypatch):
    tried = []
    real = tempfile.TemporaryFile
    monkeypatch.setattr(path_flags.tempfile, "TemporaryFile", lambda dir: tried.append(dir) or real(dir=dir))
    checked_flags(command(output_dir=tmp_path / "a" / "b"))
    monkeypatch.chdir(tmp_path)
    checked_flags(command(output_dir="c/d"))
    assert tried == [str(tmp_path), "."] and not list(tmp_path.iterdir())


def test_a_value_may_begin_with_a_dash(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-a.csv").write_text("text,label\ngood,1\nbad,0\n")
    flags = checked_flags(["--train_file", "-a.csv", "--output_dir", "-out", "--weight_decay", "0"])
    assert flags.files == {"train": "-a.csv"} and flags.trainer["output_dir"] == "-out"


def test_home_is_understood_in_every_path(train, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    flags = checked_flags([*train, "--output_dir", "~/out", "--cache_dir=~/cache", "--logging_dir=~/logs"])
    assert flags.trainer["output_dir"] == f"{tmp_path}/out"
    assert (flags.model.cache_dir, flags.run.logging_dir) == (f"{tmp_path}/cache", f"{tmp_path}/logs")
