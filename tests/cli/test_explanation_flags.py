"""Flags about explanations and rows worth labelling are refused before a model is loaded, and the remedies work."""

from __future__ import annotations

import json

import pytest
from helpers import assert_refused

from classification.cli import prediction_combinations
from classification.cli.prediction_flags import read_prediction_flags


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text(json.dumps({}))
    (tmp_path / "rows.csv").write_text("text\ngood\n")
    return tmp_path


@pytest.mark.parametrize("flags", [["rows.csv", "--explain"], ["--text", "a", "--explain_html", "page.html"]])
def test_without_captum_one_line_names_the_command(flags, paths, monkeypatch):
    monkeypatch.setattr(prediction_combinations, "find_spec", lambda name: None)
    assert_refused(
        ["--explain", "captum", "pip install -r requirements-extras.txt"], read_prediction_flags, ["out", *flags]
    )


def test_a_page_that_exists_is_replaced_only_with_overwrite(paths):
    pytest.importorskip("captum", reason="captum is not installed (requirements-extras.txt)")
    (paths / "page.html").write_text("mine")
    words = ["out", "--text", "a", "--explain_html", "page.html"]
    assert_refused(["page.html", "--overwrite"], read_prediction_flags, words)
    assert read_prediction_flags([*words, "--overwrite"]).overwrite


def test_labelled_rows_are_replaced_only_with_overwrite(paths):
    """The default file may have labels that somebody has filled in."""
    (paths / "rows.predictions.csv.uncertain.csv").write_text("text,label\ngood,positive\n")
    words = ["out", "rows.csv", "--most_uncertain", "5"]
    assert_refused(["rows.predictions.csv.uncertain.csv", "--overwrite"], read_prediction_flags, words)
    assert read_prediction_flags([*words, "--overwrite"]).most_uncertain == 5
    assert read_prediction_flags([*words, "--uncertain_file", "more.csv"]).uncertain_file == "more.csv"


def test_another_format_of_rows_is_refused_with_those_that_work(paths):
    words = ["out", "rows.csv", "--most_uncertain", "5", "--uncertain_file"]
    assert_refused(
        ["--uncertain_file more.parquet", ".csv, .tsv, .jsonl"], read_prediction_flags, [*words, "more.parquet"]
    )
    for ending in prediction_combinations.UNCERTAIN_ENDINGS:
        assert read_prediction_flags([*words, f"more{ending}"])


def test_the_endings_are_those_that_are_written():
    from classification.inference.uncertain_rows import WRITERS

    assert tuple(WRITERS) == prediction_combinations.UNCERTAIN_ENDINGS
