"""Texts are explained one after the other, at the terminal and on one page."""

from __future__ import annotations

import io
from types import SimpleNamespace

import pytest
from helpers import assert_refused, make_bert, make_tokenizer

from classification.data.single_label import SingleLabel
from classification.data.truncation import Truncation
from classification.inference import terminal_explanations
from classification.inference.terminal_explanations import Explainer

pytest.importorskip("captum", reason="captum is not installed (requirements-extras.txt)")


@pytest.fixture
def classifier():
    task = SingleLabel(("negative", "positive"))
    return SimpleNamespace(
        name="/models/reviews", model=make_bert(), tokenizer=make_tokenizer(), task=task, truncation=Truncation()
    )


def test_a_page_has_all_texts_so_far(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(terminal_explanations, "MAX_TEXTS", 2)
    page, stream = tmp_path / "page.html", io.StringIO()
    explainer = Explainer(classifier, stream, str(page))
    explainer(["good film"], None)
    assert page.read_text().count('<h2 id="text-') == 1 and "not shown" not in page.read_text()
    explainer(["bad film", "the meal"], ["a pair", "another"])
    assert page.read_text().count('<h2 id="text-') == 2 and "1 more texts are not shown" in page.read_text()
    assert stream.getvalue().count("completeness error") == 3 and stream.getvalue().startswith("\n")


def test_a_page_alone_shows_nothing_at_the_terminal(classifier, tmp_path, capsys):
    Explainer(classifier, None, str(tmp_path / "page.html"))(["good film"], None)
    assert capsys.readouterr().out == ""


def test_what_cannot_be_explained_is_refused_before_the_first_text(classifier):
    classifier.tokenizer = SimpleNamespace(is_fast=False)
    assert_refused(["--explain", "tokenizer"], Explainer, classifier, None, None)
