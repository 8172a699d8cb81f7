"""Full disks, links, pipes and strangers: complete parts stay, and nothing of anybody else is touched."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest
from helpers import assert_refused
from made_parts import counted, no_room, predict
from made_streams import answer

from classification.errors import RunError
from classification.inference import part_files
from classification.inference.part_folders import check_target


@pytest.mark.parametrize("place", ["part-000002.csv", "part-000002.done.json", "out.csv", "done-1-of-1.json"])
def test_a_full_disk_is_one_line_and_all_complete_parts_stay(tmp_path, monkeypatch, expected, place):
    def no_room(prefix, **how):
        if prefix == f".{place}.":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return make(prefix=prefix, **how)

    from classification.system import files

    make = files.tempfile.mkstemp
    monkeypatch.setattr(files.tempfile, "mkstemp", no_room)
    with pytest.raises(RunError) as error:
        predict(tmp_path / "out.csv")
    complete = 2 if "000002" in place else 5
    words = [f"{place} cannot be written", "No space left", "Free some space", "--resume", f"{complete} complete parts"]
    assert not [word for word in words if word not in str(error.value)], str(error.value)
    assert "\n" not in str(error.value) and not (tmp_path / "out.csv").exists()
    monkeypatch.setattr(files.tempfile, "mkstemp", make)
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), resume=True)
    assert len(numbers) == 5 - complete and (tmp_path / "out.csv").read_bytes() == expected


@pytest.mark.parametrize("name", ["csv", "json", "parquet", "arrow"])
def test_a_disk_that_fills_up_while_a_part_is_written_is_recognised(tmp_path, monkeypatch, name):
    """Also where the bytes come from Arrow's writers."""

    def full(self, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(part_files.Summing, "write", full)
    with pytest.raises(RunError, match=f"part-000000.{name} cannot be written .No space left"):
        predict(tmp_path / f"out.{name}", name)


def test_parts_that_cannot_be_removed_cost_nothing(tmp_path, monkeypatch, caplog, expected):
    from classification.inference import part_folders

    def refuse(folder):
        raise OSError(errno.EBUSY, "busy")

    monkeypatch.setattr(part_folders, "remove_folder", refuse)
    predict(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == expected and "could not be removed (busy)" in caplog.text


def test_an_error_at_the_end_leaves_output_and_parts(tmp_path, expected):
    def fail(parts):
        raise KeyError

    with pytest.raises(KeyError):
        predict(tmp_path / "out.csv", at_end=fail)
    numbers: list[int] = []
    predict(tmp_path / "out.csv", answers=counted(numbers), resume=True)
    assert numbers == [] and (tmp_path / "out.csv").read_bytes() == expected


def test_a_disk_that_is_full_at_the_end_is_one_line_and_the_remedy_works(tmp_path, expected):
    with pytest.raises(
        RunError, match=r"out\.csv\.metrics\.json cannot be written .*the same command with --resume: 5"
    ):
        predict(tmp_path / "out.csv", at_end=no_room)
    predict(tmp_path / "out.csv", resume=True)
    assert (tmp_path / "out.csv").read_bytes() == expected


def test_parts_that_somebody_removes_during_the_run_are_one_line(tmp_path):
    def robbed(batches):
        for batch, columns in answer(batches):
            if batch.number == 2:
                shutil.rmtree(tmp_path / "out.csv.parts")
            yield batch, columns

    with pytest.raises(RunError, match="part-000002.csv cannot be written .No such file.*--resume: 0 complete parts"):
        predict(tmp_path / "out.csv", answers=robbed)
    with pytest.raises(RunError, match="out.csv.parts cannot be written"):
        predict(tmp_path / "gone" / "out.csv")


def test_a_link_stays_a_link(tmp_path, expected):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "out.csv").symlink_to("real.csv")
    predict(tmp_path / "out.csv", overwrite=True)
    assert (tmp_path / "out.csv").is_symlink() and (tmp_path / "real.csv").read_bytes() == expected


def test_a_device_is_never_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for place in (Path("/dev/null"), tmp_path / "pipe"):
        assert_refused(["device or a pipe"], lambda place=place: predict(place, overwrite=True))


def test_strangers_are_not_touched(tmp_path):
    folder = tmp_path / "out.csv.parts"
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    assert_refused(["thesis.tex", "another -o"], lambda: predict(tmp_path / "out.csv", overwrite=True))
    assert (folder / "thesis.tex").exists()
    (tmp_path / "b.csv.parts").write_text("x")
    assert_refused(["is a file"], predict, tmp_path / "b.csv")
    (tmp_path / "c.csv").mkdir()
    assert_refused(["is a folder"], lambda: check_target(tmp_path / "c.csv", resume=False, overwrite=True))
