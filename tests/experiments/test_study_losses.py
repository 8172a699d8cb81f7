"""A study that has lost a result does not end: its line names the remedy, which adds the result and ends the study."""

from __future__ import annotations

import errno
import json
import os
import shutil
from types import SimpleNamespace

import pytest
from stand_in_recipe import MADE, TWO, StandIn, study

import classification.errors
from classification.errors import RunError
from classification.experiments import run_parts
from classification.experiments import study_closing as closing
from classification.experiments.saved_predictions import FILE as PREDICTIONS
from classification.experiments.study_progress import FILE as PROGRESS
from classification.experiments.study_progress import Progress
from classification.training import checkpoints, disk_errors

CONTINUES = closing.RESUME + "$"


@pytest.fixture(autouse=True)
def as_for_a_user(monkeypatch):
    monkeypatch.setattr(classification.errors, "FORGIVING", True)
    monkeypatch.setattr(checkpoints, "problem_of", lambda path: None)
    monkeypatch.setattr(closing, "run_record", lambda argv, arguments, **facts: facts)  # git takes its time


def names_in(folder) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture
def whole(options, tmp_path):
    """A function: the names of the files that a study without an error leaves."""

    def run(*words: str) -> set[str]:
        study(options(*words), StandIn(TWO, MADE))
        names = names_in(tmp_path / "out")
        shutil.rmtree(tmp_path / "out")
        return names

    return run


@pytest.mark.parametrize(("flag", "first"), [("--seeds=1,2", "seed-1"), ("--folds=2", "fold-1")])
def test_what_a_run_has_lost_is_added_by_the_remedy(flag, first, options, tmp_path, whole):
    out, expected = tmp_path / "out", whole(flag)
    for words in ((flag,), (flag, "--resume=auto")):  # a disk that is still full changes nothing
        broken = StandIn(TWO, MADE, lost={first: ["predictions.csv"]})
        with pytest.raises(RunError, match=rf"ended without predictions.csv of {first};.*{CONTINUES}"):
            study(options(*words), broken)
        assert Progress.read(out).stage == "" and not (out / "model.safetensors").exists()
        assert (out / first / "checkpoint-8").is_dir()
        assert json.loads((out / "run.json").read_text())["lost"] == [f"predictions.csv of {first}"]
    healthy = StandIn(TWO, MADE)
    study(options(flag, "--resume=auto"), healthy)
    assert healthy.trained == [f"{first} continued"] and names_in(out) == expected
    assert not json.loads((out / "run.json").read_text())["lost"]


def test_predictions_that_cannot_be_kept_for_the_study_are_lost(options, tmp_path, monkeypatch, whole):
    expected = whole("--folds=2")
    with monkeypatch.context() as patch, pytest.raises(RunError, match=f"without {PREDICTIONS} of fold-1"):
        patch.setattr(run_parts.SavedPredictions, "write", full_disk)
        study(options("--folds=2"), StandIn(TWO, MADE))
    run = StandIn(TWO, MADE)
    study(options("--folds=2", "--resume=auto"), run)
    assert run.trained == ["fold-1 continued", "fold-2 continued"] and names_in(tmp_path / "out") == expected


def full_disk(*args, **keywords):
    raise OSError(28, "No space left on device")


def test_what_the_end_of_a_study_has_lost_is_added_without_training(options, tmp_path, monkeypatch, whole):
    words = ("--folds=2", "--suspect_labels")
    expected = whole(*words)
    with monkeypatch.context() as patch, pytest.raises(RunError, match=f"without --suspect_labels;.*{CONTINUES}"):
        patch.setattr(closing, "report_out_of_fold_errors", full_disk)
        study(options(*words), StandIn(TWO, MADE))
    assert (tmp_path / "out" / "oof.csv").exists()
    run = StandIn(TWO, MADE)
    study(options(*words, "--resume=auto"), run)
    assert not run.trained and names_in(tmp_path / "out") == expected


@pytest.mark.parametrize("flag", ["--seeds=1,2", "--folds=2"])
def test_a_page_that_is_lost_keeps_the_study_open(flag, options, tmp_path, whole):
    expected = whole(flag)

    def lose(folder, lost):
        lost.append("report.html")

    for words in ((flag,), (flag, "--resume=auto")):
        with pytest.raises(RunError, match=rf"without report\.html;.*{CONTINUES}"):
            study(options(*words), StandIn(TWO, MADE), lose)
        assert (tmp_path / "out" / PROGRESS).exists()
    run = StandIn(TWO, MADE)
    study(options(flag, "--resume=auto"), run)
    assert not run.trained and names_in(tmp_path / "out") == expected


def test_a_run_that_failed_beside_one_that_has_lost_something_stays_failed(options):
    made = {**MADE, "seed-3": MADE["seed-1"]}
    broken = StandIn(TWO, made, failing=("seed-2",), lost={"seed-1": ["run.json"]})
    with pytest.raises(RunError, match=rf"without run.json of seed-1, seed-2;.*{CONTINUES}"):
        study(options("--seeds=1,2,3"), broken)
    run = StandIn(TWO, made)
    with pytest.raises(RunError, match=r"without seed-2;.*[^.]\.$") as error:
        study(options("--seeds=1,2,3", "--resume=auto"), run)
    assert run.trained == ["seed-1 continued"] and "--resume" not in str(error.value)


def test_too_little_memory_stops_the_study_and_the_run_continues(options, monkeypatch):
    """Only a training that diverged would fail again."""
    run = StandIn(TWO, MADE)

    def no_memory(*args):
        raise RunError("--per_device_train_batch_size 1: one row does not fit into memory.") from MemoryError()

    with monkeypatch.context() as patch, pytest.raises(RunError, match="does not fit into memory"):
        patch.setattr(StandIn, "train", no_memory)
        study(options("--seeds=1,2"), run)
    assert run.trained == ["seed-1"]
    assert "failed" not in study(options("--seeds=1,2", "--resume=auto"), run)
    assert run.trained == ["seed-1", "seed-1", "seed-2"]


def test_the_copy_of_the_predictions_is_on_the_disk_before_it_has_its_name(options, tmp_path, monkeypatch):
    order, sync, rename = [], os.fsync, os.replace

    def recorded(function, what):
        def call(*arguments, **keywords):
            order.append(what(*arguments))
            return function(*arguments, **keywords)

        return call

    for folder in (tmp_path / "out", tmp_path / "out" / "seed-1"):
        folder.mkdir()
    (tmp_path / "out" / "seed-1" / "predictions.csv").write_text("id\n")
    monkeypatch.setattr(os, "fsync", recorded(sync, lambda descriptor: "flushed"))
    monkeypatch.setattr(os, "replace", recorded(rename, lambda source, target: os.path.basename(target)))
    closing.move_model(tmp_path / "out" / "seed-1", tmp_path / "out")
    assert order[:2] == ["flushed", "predictions.csv"]
    assert (tmp_path / "out" / "predictions.csv").read_text() == "id\n"


def test_an_error_of_the_disk_at_the_end_of_a_study_is_told_to_the_other_processes(options, monkeypatch):
    """The main process alone writes: the others wait for it, and would wait for ever."""
    monkeypatch.setattr(disk_errors, "this_process", lambda: SimpleNamespace(num_processes=2))
    monkeypatch.setattr(closing, "write_json", refuse_for_lack_of_room)
    with pytest.raises(RunError, match=r"\(No space left on device\)") as error:
        study(options("--folds=2"), StandIn(TWO, MADE))
    assert not error.value.is_shared


def refuse_for_lack_of_room(path, *args):
    raise OSError(errno.ENOSPC, "No space left on device", str(path))
