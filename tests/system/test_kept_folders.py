"""A run whose folder is moved, removed or replaced neither writes into that of another run nor loses its training."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from helpers import assert_refused

from classification.errors import RunError
from classification.reporting import run_lock
from classification.reporting.run_lock import folders_unlocked, lock_folder, unlock_folder
from classification.system import kept_folders
from classification.system.kept_folders import LOCK_FILE, keep_folders, lost_folders_explained


@pytest.fixture
def out(tmp_path):
    """A folder of this run with a checkpoint."""
    with folders_unlocked():
        lock_folder(tmp_path / "out")
        (tmp_path / "out" / "checkpoint-4").mkdir()
        yield tmp_path / "out"


def other_run(folder, monkeypatch, *, ends: bool) -> dict:
    """What another process does: it begins in `folder`, and may end there; its locks live as long as the result."""
    with monkeypatch.context() as patch:
        patch.setattr(run_lock, "LOCKS", locks := {})
        lock_folder(folder)
        (folder / "run.json").write_text("of the other run")
        if ends:
            unlock_folder(folder)
        else:
            (folder / LOCK_FILE).write_text('{"process": 1, "host": "far", "since": "now"}')
        return locks


def contents(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def is_refused_to_others(folder, monkeypatch) -> bool:
    with monkeypatch.context() as patch:
        patch.setattr(run_lock, "LOCKS", {})
        assert_refused(["another run", f"process {os.getpid()}"], lock_folder, folder)
    return True


def test_a_folder_in_its_place_stays_as_it_is(out, monkeypatch, caplog):
    keep_folders()
    assert contents(out) == [LOCK_FILE, "checkpoint-4"] and not caplog.text
    assert is_refused_to_others(out, monkeypatch)


@pytest.mark.parametrize("moves", [True, False])
def test_a_folder_that_was_moved_or_removed_is_made_and_locked_again(out, moves, monkeypatch, caplog):
    if moves:
        out.rename(out.with_name("elsewhere"))
    else:
        shutil.rmtree(out)
    keep_folders()
    assert contents(out) == [LOCK_FILE] and f"{out}: was moved, removed or replaced" in caplog.text
    assert is_refused_to_others(out, monkeypatch)
    caplog.clear()
    keep_folders()
    assert not caplog.text


def test_a_study_and_its_part_are_made_again(out, monkeypatch):
    lock_folder(out / "seed-1")
    out.rename(out.with_name("elsewhere"))
    keep_folders()
    assert is_refused_to_others(out, monkeypatch) and is_refused_to_others(out / "seed-1", monkeypatch)


@pytest.mark.parametrize("ends", [True, False])
def test_a_folder_of_another_run_is_left_alone(out, ends, monkeypatch):
    shutil.rmtree(out)
    locks = other_run(out, monkeypatch, ends=ends)
    before = contents(out)
    owner = ["other files"] if ends else ["another run", "process 1 on far"]
    for _ in range(2):
        assert_refused([f"--output_dir {out}", "moved, removed or replaced", "--resume auto", *owner], keep_folders)
    unlock_folder(out, keep=False)
    assert contents(out) == before and len(locks) == (not ends)  # its lock too


def test_a_lock_file_that_somebody_has_removed_is_made_again(out, monkeypatch, caplog):
    (out / LOCK_FILE).unlink()
    keep_folders()
    assert is_refused_to_others(out, monkeypatch) and not caplog.text


def test_a_link_that_leads_to_another_run_now_is_noticed(tmp_path, monkeypatch):
    with folders_unlocked():
        link = tmp_path / "link"
        link.symlink_to(tmp_path / "first")
        lock_folder(link)
        link.unlink()
        link.symlink_to(tmp_path / "second")
        other_run(tmp_path / "second", monkeypatch, ends=True)
        assert_refused([f"--output_dir {link}", "other files"], keep_folders)


def test_a_disk_that_numbers_its_files_anew_is_no_obstacle(out, monkeypatch, caplog):
    monkeypatch.setattr(kept_folders, "number_of", lambda path: (1, 1) if path.exists() else None)
    keep_folders()
    assert not caplog.text and contents(out) == [LOCK_FILE, "checkpoint-4"]


def test_a_disk_that_does_not_answer_for_a_moment_is_no_obstacle(out, monkeypatch, caplog):
    real = Path.stat

    def fails(path, **options):
        if path.name in (LOCK_FILE, "out"):
            raise OSError(errno.ESTALE, "Stale file handle")
        return real(path, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", fails)
        keep_folders()
    assert not caplog.text and contents(out) == [LOCK_FILE, "checkpoint-4"]


def test_a_folder_that_cannot_be_made_again_is_an_error_with_the_reason(out):
    parent = out.parent
    out.rename(parent.with_name(f"{parent.name}-moved"))
    parent.rmdir()
    parent.write_text("a file")
    try:
        assert_refused([f"--output_dir {out}", "cannot be made again (Not a directory)"], keep_folders)
    finally:
        parent.unlink()


def test_an_error_because_the_folder_is_gone_says_so(out):
    with pytest.raises(KeyError), lost_folders_explained():
        raise KeyError("a fault of the run")
    (out / LOCK_FILE).unlink()
    with pytest.raises(KeyError), lost_folders_explained():
        raise KeyError("a fault of the run")
    out.rename(out.with_name("elsewhere"))
    with pytest.raises(RunError, match="out: was moved, removed or replaced .*No such file.*moved folder") as caught:
        with lost_folders_explained():
            (out / "checkpoint-8").mkdir()
    with pytest.raises(RunError) as again, lost_folders_explained():
        raise caught.value
    assert again.value is caught.value and not again.value.is_shared
