"""The folder of an export appears complete or not at all, and nothing but an earlier export is replaced."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import assert_refused

from classification.export.export_target import check_target, put_in_place, staged


def earlier_export(out, *others):
    """A folder that an export has made, with `others` that it has not written."""
    out.mkdir()
    (out / "export.json").write_text(json.dumps({"variant": "fp32", "files": ["export.json", "model.onnx"]}))
    for name in ("model.onnx", *others):
        (out / name).write_text("old")


def test_the_current_folder_is_not_replaced(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(["current folder"], lambda: check_target(Path("."), overwrite=True))


def test_a_folder_that_would_lose_something_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "thesis.txt").write_text("")
    (tmp_path / "empty").mkdir()
    assert_refused(["is a file"], lambda: check_target(tmp_path / "file", overwrite=True))
    assert_refused(["exists", "--overwrite"], lambda: check_target(tmp_path / "kept", overwrite=False))
    assert_refused(["this folder is none"], lambda: check_target(tmp_path / "kept", overwrite=True))
    assert_refused(["cannot be made", "no folder"], lambda: check_target(tmp_path / "file" / "out", overwrite=False))
    check_target(tmp_path / "empty", overwrite=False)
    check_target(tmp_path / "new" / "deeper", overwrite=False)


def test_a_full_disk_is_one_line(tmp_path):
    def fill():
        with staged(tmp_path / "out"):
            raise OSError(28, "No space left on device")

    assert_refused(["OUT", "No space left on device", "more room"], fill)
    assert not list(tmp_path.iterdir())


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    with staged(tmp_path / "out") as staging:
        (staging / "a").write_text("")
        put_in_place(staging, tmp_path / "out", overwrite=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "a"]


def test_what_an_export_has_not_written_is_not_removed(tmp_path):
    earlier_export(tmp_path / "out", "notes.txt")
    words = ["--overwrite would remove notes.txt", "Move it away, or name a new folder."]
    assert_refused(words, lambda: check_target(tmp_path / "out", overwrite=True))
    (tmp_path / "out" / "notes.txt").rename(tmp_path / "notes.txt")  # the remedy
    check_target(tmp_path / "out", overwrite=True)


@pytest.mark.parametrize("record", ["", "{}", "[" * 100_000, '{"variant": "fp32"}', '{"variant": "fp32", "files": 3}'])
def test_a_folder_whose_record_lists_no_files_is_no_export(tmp_path, record):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "export.json").write_text(record)
    assert_refused(["this folder is none"], lambda: check_target(tmp_path / "out", overwrite=True))


def test_two_exports_into_one_folder_do_not_replace_each_other(tmp_path):
    """Both began when there was no such folder."""
    out = tmp_path / "out"
    with staged(out) as first:
        (first / "model.onnx").write_text("first")

        def second():
            with staged(out) as other:
                put_in_place(first, out, overwrite=False)
                put_in_place(other, out, overwrite=False)

        assert_refused(["OUT", "exists", "--overwrite"], second)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["out", "out/model.onnx"]


@pytest.mark.parametrize("error", [OSError(5, "broken"), KeyboardInterrupt()])
def test_an_earlier_export_comes_back_when_the_new_one_cannot_be_renamed(tmp_path, monkeypatch, error):
    out = tmp_path / "out"
    earlier_export(out)
    rename = Path.rename

    def fails(path, target):
        if path.name.endswith(".partial"):
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises((ValueError, KeyboardInterrupt)), staged(out) as staging:
        put_in_place(staging, out, overwrite=True)
    assert (out / "model.onnx").read_text() == "old" and list(tmp_path.iterdir()) == [out]
