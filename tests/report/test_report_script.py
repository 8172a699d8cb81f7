"""`python scripts/report.py OUTPUT_DIR` draws the page again from the files alone, from anywhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import report as script
from helpers import ROOT

from classification.errors import UsageError


@pytest.fixture
def files_alone(finished, tmp_path):
    """Only what the page is made of, in a folder of another name."""
    folder = tmp_path / "moved run"
    folder.mkdir()
    run = finished().folder
    for name in ("run.json", "all_results.json", "predictions.csv", "neighbours.json"):
        if (run / name).exists():
            shutil.copy(run / name, folder / name)
            (folder / name).chmod(0o644)
    return folder


def test_the_page_is_drawn_again_from_any_folder(files_alone, tmp_path):
    command = [sys.executable, str(ROOT / "scripts" / "report.py"), "moved run"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0 and done.stdout.split("\n") == ["moved run/report.html", ""], done.stdout + done.stderr
    assert "<h1>" in (files_alone / "report.html").read_text(encoding="utf-8")


def test_the_same_files_give_the_same_page(files_alone, finished):
    script.main([str(files_alone)])
    first = (files_alone / "report.html").read_bytes()
    script.main([str(files_alone)])
    assert (files_alone / "report.html").read_bytes() == first


def test_a_folder_of_no_run_is_refused(tmp_path):
    with pytest.raises(UsageError, match="is not the folder of a run"):
        script.main([str(tmp_path)])


def test_a_page_that_cannot_be_written_leaves_the_old_one(files_alone, monkeypatch):
    script.main([str(files_alone)])
    before = (files_alone / "report.html").read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("classification.system.files.os.fsync", full)
    with pytest.raises(UsageError, match=r"report.html cannot be written \(No space left on device\)"):
        script.main([str(files_alone)])
    assert (files_alone / "report.html").read_bytes() == before and not list(files_alone.glob(".*partial"))
