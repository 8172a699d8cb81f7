"""A file is written whole or not at all, and the answer of a full disk is recognised in every language."""

from __future__ import annotations

import errno
import os
import stat
import threading

import pytest
from safetensors import SafetensorError

from classification.errors import RunError, UsageError
from classification.system import files
from classification.system.files import DISK_ERRORS, LEFTOVER, REFUSED, DiskProblem, disk_problem, replacing
from classification.training.disk_errors import PROBE_FILE, disk_error, disk_errors_explained, how_to_go_on


def write(path, text: str) -> None:
    with replacing(path) as handle:
        handle.write(text)


def test_a_file_is_replaced_with_the_usual_permissions_and_nothing_is_left(tmp_path):
    (tmp_path / "usual").write_text("x")
    for text in ("old", "new\nläuft\n"):
        write(tmp_path / "run.json", text)
    assert (tmp_path / "run.json").read_text(encoding="utf-8") == "new\nläuft\n"
    assert (tmp_path / "run.json").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


def test_the_content_is_on_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(
        os, "fsync", lambda fd: (calls.append("folder" if stat.S_ISDIR(os.fstat(fd).st_mode) else "file"), sync(fd))
    )
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("rename"), replace(*paths)))
    write(tmp_path / "run.json", "x")
    assert calls == ["file", "rename", "folder"]


def test_a_folder_that_cannot_be_flushed_is_no_error(tmp_path, monkeypatch):
    """As on Windows."""
    real = os.open

    def refuse(path, *arguments, **keywords):
        if os.path.isdir(path):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(os, "open", refuse)
    write(tmp_path / "run.json", "x")
    assert (tmp_path / "run.json").read_text() == "x"


@pytest.mark.parametrize("place", ["tempfile.mkstemp", "os.fsync", "os.replace"])
@pytest.mark.parametrize("number", sorted(DISK_ERRORS))
def test_an_error_keeps_the_old_file_and_names_it(tmp_path, monkeypatch, place, number):
    write(tmp_path / "run.json", "old")

    def refuse(*arguments, **keywords):
        raise OSError(number, os.strerror(number))

    module, name = place.split(".")
    monkeypatch.setattr(getattr(files, module), name, refuse)
    with pytest.raises(OSError) as refused:
        write(tmp_path / "run.json", "new")
    monkeypatch.undo()
    assert refused.value.filename == str(tmp_path / "run.json") and str(disk_problem(refused.value)) == os.strerror(
        number
    )
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"] and (tmp_path / "run.json").read_text() == "old"


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyboardInterrupt(), MemoryError()], ids=repr)
def test_an_error_in_the_middle_keeps_the_old_file(tmp_path, error):
    write(tmp_path / "run.json", "old")
    with pytest.raises(type(error)), replacing(tmp_path / "run.json") as handle:
        handle.write("ne")
        raise error
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"] and (tmp_path / "run.json").read_text() == "old"


def test_an_error_of_another_file_keeps_its_name(tmp_path):
    with pytest.raises(OSError) as refused, replacing(tmp_path / "run.json"):
        raise OSError(errno.EIO, "Input/output error", "/data/train.arrow")
    assert refused.value.filename == "/data/train.arrow"


def test_writers_of_one_file_do_not_disturb_each_other(tmp_path):
    texts = [str(number) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write, args=(tmp_path / "run.json", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "run.json").read_text() in texts and len(list(tmp_path.iterdir())) == 1


def test_an_unfinished_file_is_recognised_by_its_name(tmp_path):
    with replacing(tmp_path / "predictions.csv"):
        (unfinished,) = tmp_path.iterdir()
        assert LEFTOVER.fullmatch(unfinished.name)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (OSError(errno.ENOSPC, "No space left"), DiskProblem(errno.ENOSPC, "No space left")),
        (OSError(errno.EIO, "its end was lost"), DiskProblem(errno.EIO, "its end was lost")),
        (SafetensorError(f"I/O error: Disk quota exceeded (os error {errno.EDQUOT})"),
         DiskProblem(errno.EDQUOT, os.strerror(errno.EDQUOT))),
        (RuntimeError("[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed"),
         DiskProblem(None, REFUSED)),
        (OSError(errno.ENOENT, "No such file"), None),
        (PermissionError(errno.EACCES, "Permission denied"), None),
        (OSError(errno.EPIPE, "Broken pipe"), None),
        (OSError("without a number"), None),
        (RuntimeError("CUDA error: an illegal memory access"), None),
        (SafetensorError("Error while deserializing header"), None),
        (ValueError("(os error 28)"), None),
    ],
)  # fmt: skip
def test_the_answers_of_a_disk_are_told_from_other_errors(error, problem):
    assert disk_problem(error) == problem


def test_the_cause_of_an_error_counts():
    try:
        try:
            raise OSError(errno.ENOSPC, "x")
        except OSError as cause:
            raise ValueError("the data set cannot be made") from cause
    except ValueError as error:
        assert str(disk_problem(error)) == "x"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENAMETOOLONG])
def test_a_refusal_counts_for_the_files_that_are_written_alone(tmp_path, number):
    """The user's data that cannot be read is no file of the output folder."""
    for name in (tmp_path / "out", tmp_path / "out" / "config.json", str(tmp_path / "out" / "a" / "config.json")):
        error = OSError(number, os.strerror(number), str(name))
        assert disk_problem(error, tmp_path / "out") == DiskProblem(number, os.strerror(number))
        assert disk_problem(error) is None
    for names in ((), (str(tmp_path / "train.csv"),), (str(tmp_path / "out2" / "x"),), (3,)):
        assert disk_problem(OSError(number, os.strerror(number), *names), tmp_path / "out") is None
    assert disk_problem(SafetensorError(f"I/O error (os error {number})"), tmp_path) is not None


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("ENOSPC", "Free some space"), ("EDQUOT", "Free some space"), ("EFBIG", "Allow larger files (ulimit -f)"),
     ("EACCES", "Make the folder writable"), ("EPERM", "Make the folder writable"),
     ("EROFS", "Make the folder writable"), ("ENAMETOOLONG", "Choose a shorter path"), ("EIO", "Check the disk"),
     ("ENOENT", "Check the disk")],
)  # fmt: skip
def test_each_answer_of_a_disk_has_its_remedy(name, remedy):
    assert DiskProblem(getattr(errno, name), "x").remedy == remedy
    assert DiskProblem().remedy == "Check the disk"


@pytest.mark.parametrize("error", [UsageError("--flag: wrong"), RunError("diverged"), KeyError("x"), OSError(2, "x")])
def test_other_errors_stay_as_they_are(tmp_path, error):
    with pytest.raises(type(error)) as same, disk_errors_explained(tmp_path):
        raise error
    assert same.value is error


HIDDEN = RuntimeError("PytorchStreamWriter failed writing file")


def explained(folder) -> str:
    return str(disk_error(HIDDEN, disk_problem(HIDDEN), folder))


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "(No space left on device). Free some space,"),
     (errno.EDQUOT, "(Disk quota exceeded). Free some space,"), (None, f"({REFUSED}). Check the disk,")],
)  # fmt: skip
def test_a_reason_that_a_library_hides_is_found_by_another_write(tmp_path, monkeypatch, number, words):
    def refuse(descriptor):
        raise OSError(number, os.strerror(number))

    if number:
        monkeypatch.setattr(os, "fsync", refuse)
    assert words in explained(tmp_path) and not list(tmp_path.iterdir())
    assert LEFTOVER.fullmatch(PROBE_FILE)
    assert f"({REFUSED})" in explained(tmp_path / "missing")


@pytest.mark.parametrize("name", ["study_progress.json", "search.json", "search/trial-001/x"])
def test_a_part_of_a_study_or_a_search_is_continued(tmp_path, name):
    part, begins = tmp_path / "out" / "seed-2", "--overwrite_output_dir: there is no checkpoint"
    assert begins in how_to_go_on(part)
    (tmp_path / "out" / name).parent.mkdir(parents=True)
    (tmp_path / "out" / name).touch()
    with pytest.raises(RunError, match="--resume auto: what is finished is not trained again"):
        with disk_errors_explained(tmp_path / "out"):
            raise RunError(how_to_go_on(part))
    assert begins in how_to_go_on(part)  # a command by itself
