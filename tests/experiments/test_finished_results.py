"""A finished run whose results were removed gets them again; what was changed stays, with a warning."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import account, assert_refused

from classification.experiments.finished_results import compare_results
from run_classification import main

FLAGS = {"num_train_epochs": 1, "resume": "auto"}


@pytest.fixture
def done(finished, tmp_path) -> Path:
    """A finished run in this test's own output folder."""
    shutil.copytree(finished(num_train_epochs=1).folder, tmp_path / "out")
    for path in (tmp_path / "out", *(tmp_path / "out").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path / "out"


def test_what_is_missing_and_what_has_changed_are_told_apart(done):
    assert compare_results(account(done), done) == ([], [])
    (done / "predictions.csv").write_text("mine", encoding="utf-8")
    (done / "config.json").unlink()
    assert compare_results(account(done), done) == (["config.json"], ["predictions.csv"])
    assert compare_results({}, done) == ([], [])  # of a version that recorded no sums


@pytest.mark.parametrize("name", ["model.safetensors", "predictions.csv"])
def test_what_was_removed_is_made_again_without_training(name, done, command, capsys):
    before = (done / name).read_bytes()
    (done / name).unlink()
    main(command(**FLAGS))
    shown = capsys.readouterr().out
    assert f"{name} is missing: made again, not trained" in shown and "[Epoch" not in shown
    assert (done / name).read_bytes() == before and account(done)["finished"] is True


def test_a_changed_file_stays_and_is_named(done, command, capsys):
    (done / "predictions.csv").write_text("mine", encoding="utf-8")
    main(command(**FLAGS))
    shown = capsys.readouterr()
    assert "predictions.csv" in shown.out + shown.err and "differs from what the run has saved" in shown.out + shown.err
    assert (done / "predictions.csv").read_text(encoding="utf-8") == "mine"


def test_without_a_checkpoint_nothing_is_made_again(done, command):
    (done / "model.safetensors").unlink()
    for checkpoint in done.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    assert_refused(["model.safetensors is missing", "no checkpoint"], main, command(**FLAGS))
