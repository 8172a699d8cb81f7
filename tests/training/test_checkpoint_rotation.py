"""Which checkpoints are deleted: never the best one, never the last good one, and a kill leaves nothing in between."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from classification.system.files import remove
from classification.training.checkpoint_rotation import (
    clear_leftovers,
    delete,
    rotate,
    set_aside_later,
    set_aside_replaced,
)
from classification.training.checkpoint_seal import problem_of, seal
from classification.training.checkpoints import all_checkpoints, find_resume, last_good


def make_checkpoint(folder: Path, step: int, **facts: object) -> Path:
    """A sealed checkpoint of small files."""
    partial = folder / f"checkpoint-{step}.partial"
    partial.mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt", "trainer_state.json"):
        (partial / name).write_text(json.dumps({"global_step": step}), encoding="utf-8")
    (partial / "run_state.json").write_text(json.dumps({"facts": {"fingerprint": "of a run"} | facts}))
    seal(partial, folder / f"checkpoint-{step}")
    return folder / f"checkpoint-{step}"


def steps(folder: Path) -> list[int]:
    return [int(path.name.partition("-")[2]) for path in all_checkpoints(folder)]


@pytest.fixture
def five(tmp_path) -> list[Path]:
    return [make_checkpoint(tmp_path, step) for step in (4, 8, 12, 16, 100)]


@pytest.mark.parametrize(
    ("limit", "best", "left"),
    [(None, None, [4, 8, 12, 16, 100]), (0, None, [4, 8, 12, 16, 100]), (5, None, [4, 8, 12, 16, 100]),
     (2, None, [16, 100]), (1, None, [100]), (1, 8, [8, 100]), (2, 8, [8, 100]), (3, 8, [8, 16, 100]),
     (1, 100, [100]), (2, 999, [16, 100])],
)  # fmt: skip
def test_the_oldest_ones_go_and_the_best_one_stays(limit, best, left, five, tmp_path):
    rotate(tmp_path, limit, saved=five[-1], best=tmp_path / f"checkpoint-{best}" if best else None)
    assert steps(tmp_path) == left


@pytest.mark.parametrize("limit", [1, 2])
def test_a_damaged_newest_one_does_not_replace_the_last_good_one(limit, five, tmp_path):
    (five[-1] / "optimizer.pt").unlink()
    (five[-2] / "optimizer.pt").write_bytes(b"x")
    rotate(tmp_path, limit, saved=None, best=None)
    assert last_good(tmp_path) == five[2]


def test_the_order_is_that_of_the_steps_and_not_of_the_clock(five, tmp_path):
    import os

    os.utime(five[0], (4e9, 4e9))
    rotate(tmp_path, 1, saved=None, best=None)
    assert steps(tmp_path) == [100]


def test_a_kill_inside_a_deletion_leaves_nothing_that_looks_like_a_checkpoint(five, tmp_path, monkeypatch):
    """The folder loses its name before its first file goes."""
    seen = []

    def killed(path):
        seen.append(steps(tmp_path))
        (path / "optimizer.pt").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        delete(five[0])
    assert seen == [[8, 12, 16, 100]] and (tmp_path / "checkpoint-4.deleted").is_dir()
    monkeypatch.undo()
    clear_leftovers(tmp_path)
    assert not (tmp_path / "checkpoint-4.deleted").exists()


def test_a_deletion_that_fails_is_a_warning(five, tmp_path, monkeypatch, caplog):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    rotate(tmp_path, 1, saved=five[-1], best=None)
    assert "cannot be deleted: Permission denied" in caplog.text and steps(tmp_path) == [100]


def test_leftovers_of_killed_saves_go_and_other_files_stay(five, tmp_path):
    (tmp_path / "checkpoint-20.partial").mkdir()
    (tmp_path / "checkpoint-4.deleted").write_text("", encoding="utf-8")
    shutil.copytree(five[0], tmp_path / "checkpoint-4.replaced")
    five[1].rename(tmp_path / "checkpoint-8.replaced")
    kept = ("checkpoint-x.partial", "checkpoint-8.partial.txt", "my checkpoint-8.partial", "notes.deleted")
    for name in kept:
        (tmp_path / name).mkdir()
    clear_leftovers(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*kept, *(path.name for path in five)} and problem_of(five[1]) is None


def test_checkpoints_of_an_abandoned_future_are_set_aside_and_none_is_deleted(five, tmp_path, caplog):
    """A run that begins again at step 8 must not continue from step 100 of the run before."""
    set_aside_later(tmp_path, tmp_path / "checkpoint-10.partial", 10)
    assert steps(tmp_path) == [4, 8] and find_resume("auto", tmp_path) == str(five[1])
    assert (
        caplog.text.count("it is now checkpoint-") == 3 and problem_of(tmp_path / "checkpoint-100.superseded") is None
    )
    make_checkpoint(tmp_path, 100)
    set_aside_later(tmp_path, tmp_path / "checkpoint-10.partial", 10)
    assert problem_of(tmp_path / "checkpoint-100.superseded-2") is None


def test_a_checkpoint_of_another_course_is_set_aside_when_a_newer_one_takes_its_name(five, tmp_path):
    """A finished run that goes back and ends again: no later save would put the older last checkpoint in order."""
    make_checkpoint(tmp_path, 100, fingerprint="with another learning rate")
    set_aside_replaced(tmp_path)
    assert problem_of(tmp_path / "checkpoint-100.superseded") is None and steps(tmp_path) == [4, 8, 12, 16, 100]
    make_checkpoint(tmp_path, 100, fingerprint="with another learning rate", resumed_anyway=[{"step": 8}])
    set_aside_replaced(tmp_path)
    assert problem_of(tmp_path / "checkpoint-100.superseded-2") is None
    assert not list(tmp_path.glob("*.replaced"))


def test_a_checkpoint_that_the_same_run_saves_again_replaces_the_older_one(five, tmp_path):
    make_checkpoint(tmp_path, 100)
    assert (tmp_path / "checkpoint-100.replaced").is_dir()
    set_aside_replaced(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in five}


def test_a_link_is_removed_without_what_it_leads_to(five, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(five[0])
    remove(link)
    remove(tmp_path / "nothing")
    assert not link.exists() and problem_of(five[0]) is None
