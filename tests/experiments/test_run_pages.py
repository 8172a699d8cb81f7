"""A page or a model card that cannot be written costs itself only, and the log names the command that writes it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import classification.errors
from classification.experiments import run_pages


def full_disk(*args):
    raise OSError(28, "No space left on device")


@pytest.fixture
def forgiving(monkeypatch):
    monkeypatch.setattr(classification.errors, "FORGIVING", True)
    monkeypatch.setattr(run_pages, "write_card", full_disk)


def test_the_card_of_a_run(forgiving, tmp_path, caplog):
    lost: list[str] = []
    (tmp_path / "my run").mkdir()
    run_pages.write_pages(SimpleNamespace(is_part=False, trains=True, output_dir=tmp_path / "my run"), lost)
    assert lost == ["README.md"]
    assert "README.md is missing: OSError" in caplog.text
    assert (
        f"to write README.md from the files of the run: python scripts/report.py '{tmp_path / 'my run'}'" in caplog.text
    )


def test_the_card_of_a_study_also_where_its_files_are_damaged(forgiving, tmp_path, caplog):
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    lost: list[str] = []
    run_pages.write_study_pages(tmp_path, lost)
    assert not lost, "it would be missing each time"
    assert "README.md is missing: UsageError" in caplog.text and "to write README.md" in caplog.text
