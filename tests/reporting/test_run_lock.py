"""Two runs never write to one folder, and what a killed run has left is no obstacle."""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import signal
import time

import pytest
from filelock import FileLock
from helpers import assert_refused

from classification.errors import UsageError
from classification.reporting import run_lock
from classification.reporting.run_lock import LOCK_FILE, LOCKS, folders_unlocked, lock_folder, unlock_folder


@pytest.fixture(autouse=True)
def unlocked():
    with folders_unlocked():
        yield


def start(folder, *, forks: bool) -> int:
    """The number of another process that has locked `folder`; with `forks` it has a child, such as a loader worker."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        lock_folder(folder)
        if not forks or os.fork():
            os.write(writer, b"x")
        time.sleep(5)
        os._exit(0)
    os.read(reader, 1)
    return child


def test_a_second_run_is_refused_with_the_process_and_host_of_the_first(tmp_path, monkeypatch):
    lock_folder(tmp_path / "out")
    monkeypatch.setattr(run_lock, "LOCKS", {})
    words = [f"--output_dir {tmp_path / 'out'}", "another run", f"process {os.getpid()}", platform.node(), "Wait"]
    assert_refused(words, lock_folder, tmp_path / "out")
    assert not run_lock.LOCKS


def test_a_path_through_a_link_is_the_same_folder(tmp_path, monkeypatch):
    lock_folder(tmp_path / "out")
    (tmp_path / "link").symlink_to(tmp_path / "out")
    monkeypatch.setattr(run_lock, "LOCKS", {})
    monkeypatch.chdir(tmp_path)
    for path in ("link", "out", "./out/../out"):
        with pytest.raises(UsageError, match="another run"):
            lock_folder(run_lock.Path(path))


def test_a_folder_that_this_process_has_locked_stays_locked(tmp_path):
    lock_folder(tmp_path)
    lock_folder(tmp_path)
    assert list(LOCKS) == [tmp_path.resolve()]


@pytest.mark.parametrize("forks", [False, True])
def test_a_live_run_is_an_obstacle_and_a_killed_one_is_none(tmp_path, forks):
    """Also where a loader worker outlives the run for a moment."""
    process = start(tmp_path, forks=forks)
    try:
        assert_refused([f"process {process}"], lock_folder, tmp_path)
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    lock_folder(tmp_path)
    assert json.loads((tmp_path / LOCK_FILE).read_text())["process"] == os.getpid()


@pytest.mark.parametrize("content", ["", "not JSON", "[]", '{"process": 1, "host": "gone", "since": "long ago"}'])
def test_a_lock_file_of_a_reboot_or_a_copy_is_no_obstacle(tmp_path, content):
    (tmp_path / LOCK_FILE).write_text(content)
    lock_folder(tmp_path)
    unlock_folder(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_copy_of_a_live_folder_is_free(tmp_path, monkeypatch):
    lock_folder(tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "copy")
    monkeypatch.setattr(run_lock, "LOCKS", {})
    lock_folder(tmp_path / "copy")


def test_the_lock_leaves_no_file_and_no_folder_of_its_own(tmp_path):
    (tmp_path / "empty").mkdir()
    with folders_unlocked():
        for folder in ("a/b/c", "empty", "used"):
            lock_folder(tmp_path / folder)
        (tmp_path / "used" / "run.json").write_text("{}")
        assert (tmp_path / "a" / "b" / "c" / LOCK_FILE).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "used"]
    assert [path.name for path in (tmp_path / "used").iterdir()] == ["run.json"]


def test_the_folder_is_free_after_an_error(tmp_path, monkeypatch):
    with pytest.raises(KeyError), folders_unlocked():
        lock_folder(tmp_path)
        raise KeyError
    monkeypatch.setattr(run_lock, "LOCKS", {})
    lock_folder(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_gives_a_warning(tmp_path, monkeypatch, caplog, number):
    def refuse(self, *args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    lock_folder(tmp_path / "out")
    assert "start no second run" in caplog.text
    unlock_folder(tmp_path / "out", keep=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
def test_a_disk_that_takes_no_file_is_refused_at_once(tmp_path, monkeypatch, number):
    def refuse(self, *args, **kwargs):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert_refused(["--output_dir", os.strerror(number), "another folder"], lock_folder, tmp_path / "out" / "x")
    assert not (tmp_path / "out").exists()


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    assert_refused(["--output_dir", "Not a directory"], lock_folder, tmp_path / "file" / "x")


def test_unfinished_files_of_killed_runs_are_removed_and_no_others(tmp_path):
    ours = [".run.json.ab12cd34.partial", ".predictions.csv.x_y12345.partial"]
    others = [".notes", "notes.partial", ".run.json.swp", ".env", "predictions.csv"]
    for name in [*ours, *others]:
        (tmp_path / name).write_text("x")
    (tmp_path / ".model.partial").mkdir()
    (tmp_path / ".model.partial" / "model.safetensors").write_text("half")
    lock_folder(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*others, LOCK_FILE}


def test_a_run_that_is_just_ending_is_waited_for(tmp_path, monkeypatch):
    """Its lock file is removed while the next run tries to lock it."""
    import threading

    lock_folder(tmp_path)
    first = dict(LOCKS)
    monkeypatch.setattr(run_lock, "LOCKS", {})

    def end():
        time.sleep(0.15)
        first[tmp_path.resolve()].release()

    thread = threading.Thread(target=end)
    thread.start()
    lock_folder(tmp_path)
    thread.join()
    assert (tmp_path / LOCK_FILE).exists()


def test_only_the_main_process_locks(tmp_path, monkeypatch):
    from types import SimpleNamespace

    monkeypatch.setattr(run_lock, "this_process", lambda: SimpleNamespace(is_main_process=False))
    lock_folder(tmp_path / "out")
    assert not LOCKS and not (tmp_path / "out").exists()
