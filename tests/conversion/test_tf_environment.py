"""The Python with TensorFlow: one that is named, or an environment that is complete or not there."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from classification.conversion import tf_environment
from classification.conversion.tf_environment import check_python, own_python, package
from classification.errors import RunError, UsageError
from classification.system.file_locks import lock_file


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def steps(monkeypatch):
    """Have venv and pip do nothing but make the file of Python; returns the command lines. `answers` are their ends."""
    made, answers = [], {}

    def run(command, **how):
        made.append(command)
        step = "venv" if "venv" in command else "pip" if "pip" in command else "import"
        if step in answers:
            return answers[step]() if callable(answers[step]) else answers[step]
        if step == "venv":
            python = tf_environment.python_of(tf_environment.Path(command[-1]))
            python.parent.mkdir(parents=True)
            python.touch()
        return SimpleNamespace(returncode=0, stdout="")

    monkeypatch.setattr(tf_environment.subprocess, "run", run)
    monkeypatch.setattr(tf_environment, "free_bytes", lambda folder: 10**12)
    return SimpleNamespace(made=made, answers=answers)


def test_the_environment_is_made_once_and_named_when_it_is_complete(tmp_path, steps, caplog):
    caplog.set_level("INFO")
    python = own_python(str(tmp_path / "cache"))
    folder = (
        tmp_path / "cache" / f"{package().replace('==', '-')}-python{sys.version_info.major}.{sys.version_info.minor}"
    )
    assert python == [str(folder / "bin" / "python"), "-I"] and (folder / "complete").is_file()
    own = f"{folder}.partial/bin/python"
    assert [command[0] for command in steps.made] == [sys.executable, own, own]
    assert steps.made[2][1:] == ["-I", "-c", "import tensorflow"]  # it has proved to run
    assert steps.made[1][-1] == package() == f"tensorflow-cpu=={tf_environment.VERSION}"
    assert "once" in caplog.text and "(1.6 GB)" in caplog.text and "--python" in caplog.text
    assert own_python(str(tmp_path / "cache")) == python and len(steps.made) == 3


@pytest.mark.parametrize(
    ("system", "machine", "name"),
    [("linux", "x86_64", "tensorflow-cpu"), ("win32", "AMD64", "tensorflow-cpu"), ("linux", "aarch64", "tensorflow"),
     ("darwin", "arm64", "tensorflow")],
)  # fmt: skip
def test_the_package_fits_the_machine(monkeypatch, system, machine, name):
    monkeypatch.setattr(tf_environment.sys, "platform", system)
    monkeypatch.setattr(tf_environment.platform, "machine", lambda: machine)
    assert package() == f"{name}==2.21.0"


@pytest.mark.parametrize(
    ("step", "printed", "words"),
    [
        ("pip", "Collecting tensorflow\nERROR: No matching distribution found for tensorflow-cpu\n\nnotice: new pip\n",
         "cannot be installed: ERROR: No matching distribution found for tensorflow-cpu. Pass --python"),
        ("pip", "", "cannot be installed: it printed nothing. Pass --python"),
        ("import", "Traceback\nImportError: no AVX\n",
         "is installed and does not run: ImportError: no AVX. Pass --python"),
        ("venv", "ensurepip is not available\n", "an environment cannot be made: ensurepip is not available. Pass"),
    ],
)  # fmt: skip
def test_a_failed_installation_is_one_line_and_leaves_no_environment(tmp_path, steps, step, printed, words):
    steps.answers[step] = SimpleNamespace(returncode=1, stdout=printed)
    with pytest.raises(RunError) as failed:
        own_python(str(tmp_path))
    assert words in str(failed.value) and "\n" not in str(failed.value) and not failed.value.is_shared
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]
    steps.answers.clear()
    assert own_python(str(tmp_path))  # the next try works


def test_ctrl_c_leaves_no_environment(tmp_path, steps):
    def stop():
        raise KeyboardInterrupt

    steps.answers["pip"] = stop
    with pytest.raises(KeyboardInterrupt):
        own_python(str(tmp_path))
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_what_a_killed_process_left_is_replaced(tmp_path, steps):
    folder = tmp_path / own_python(str(tmp_path))[0].removeprefix(f"{tmp_path}/").partition("/")[0]
    (folder / "complete").unlink()
    partial = folder.with_name(f"{folder.name}.partial")
    (partial / "bin").mkdir(parents=True)
    (partial / "bin" / "python").touch()
    (folder / "old").touch()
    own_python(str(tmp_path))
    assert (folder / "complete").is_file() and not (folder / "old").exists() and not partial.exists()


def test_an_environment_whose_python_is_gone_is_made_again(tmp_path, steps):
    python = own_python(str(tmp_path))[0]
    os.unlink(python)
    assert own_python(str(tmp_path))[0] == python and os.path.exists(python) and len(steps.made) == 6


def test_two_processes_do_not_install_at_the_same_time(tmp_path, steps):
    folder = tmp_path / own_python(str(tmp_path))[0].removeprefix(f"{tmp_path}/").partition("/")[0]
    (folder / "complete").unlink()
    lock = lock_file(folder.with_name(f"{folder.name}.lock"))
    try:
        with pytest.raises(UsageError, match="another process is installing TensorFlow there.*Wait for it."):
            own_python(str(tmp_path))
    finally:
        lock.release(force=True)
    own_python(str(tmp_path))


def test_a_disk_without_room_and_a_folder_that_cannot_be_written_are_named(tmp_path, steps, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="--cache_dir .*file: cannot be written .*Name another folder."):
        own_python(str(tmp_path / "file"))
    monkeypatch.setattr(tf_environment, "free_bytes", lambda folder: 10**9)
    with pytest.raises(UsageError, match="TensorFlow needs 2.5 GB there, and 1.0 GB are free. Name another folder"):
        own_python(str(tmp_path))
    assert not steps.made


@pytest.mark.skipif(os.name == "nt", reason="programs are shell scripts")
def test_a_python_that_is_named_must_run_and_have_tensorflow(tmp_path):
    with pytest.raises(UsageError, match="--python nope/python: there is no such program."):
        check_python("nope/python")
    bare = program(tmp_path / "bare", "exit 9")
    with pytest.raises(UsageError, match=f"has no TensorFlow. Install it there: {bare} -m pip install tensorflow"):
        check_python(str(bare))
    for text in ("exit 1", "exit 127"):
        with pytest.raises(UsageError, match="is no Python that runs. Pass another one"):
            check_python(str(program(tmp_path / "broken", text)))
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(UsageError, match="is no Python that runs"):
        check_python(str(tmp_path / "text"))
    good = program(tmp_path / "good", "exit 0")
    (tmp_path / "link").symlink_to(good)
    assert check_python(str(tmp_path / "link")) == [str(tmp_path / "link")]  # of an environment, not what it points to


def test_the_question_for_tensorflow_is_answered_without_importing_it(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('imported')")
    command = [sys.executable, "-S", "-c", tf_environment.HAS_TENSORFLOW]
    for path, code in ((str(tmp_path), 0), ("", 9)):  # in the working directory it does not count
        done = subprocess.run(command, env={"PYTHONPATH": path}, cwd=tmp_path)
        assert done.returncode == code
