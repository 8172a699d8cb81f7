"""A run leaves its page; parts of other commands do not, and an error costs the page only."""

from __future__ import annotations

import pytest
from helpers import account

import classification.errors
from classification.report.page.page import draw_page
from classification.report.run_files import read_run
from run_classification import main


def test_a_run_leaves_the_page_of_its_files(finished, drawn_pages):
    run = finished(save_total_limit=1)
    html = (run.folder / "report.html").read_text(encoding="utf-8")
    assert html == draw_page(read_run(run.folder)) and "report.html to read in a browser" in run.shown
    assert run.shown.index("report.html") < run.shown.index("predictions.csv")


def test_a_dry_run_draws_nothing(command, tmp_path):
    main(command(dry_run=True))
    assert not list(tmp_path.rglob("report.html"))


def test_an_error_costs_the_page_only_and_names_the_command_that_draws_it(
    command, tmp_path, drawn_pages, monkeypatch, capsys
):
    def fail(folder):
        raise ZeroDivisionError("no rows")

    monkeypatch.setattr("classification.report.page.page.write_page", fail)
    monkeypatch.setattr(classification.errors, "FORGIVING", True)
    main(command())
    shown = capsys.readouterr().out
    assert "warning: report.html is missing: ZeroDivisionError: no rows" in shown
    assert f"python scripts/report.py {tmp_path / 'out'}" in shown and account(tmp_path / "out")["finished"] is True


@pytest.mark.parametrize("flags", [{"seeds": "1,2"}])
def test_a_study_has_one_page_and_its_runs_have_none(command, tmp_path, flags):
    main(command(**flags))
    assert [path.parent.name for path in tmp_path.rglob("report.html")] == ["out"]
