"""The page of explanations: escaped, complete, alone, and legible on a phone and in the dark."""

from __future__ import annotations

import pytest
from browsing import SCHEMES, WIDTHS, open_page, started_browser
from explanation_facts import COMPLETE

from classification.inference.explanation import Explanation, LabelExplanation, WordScore
from classification.inference.explanation_page import MAX_TEXTS, draw_explanations, write_explanations

HOSTILE = "<script>alert(1)</script> & \"good\" 'bad' 电影 \u202eabc {{ 7 * 7 }} " + "x" * 300


def explained(text=HOSTILE, pair=None, label="<b>positive</b>", **changes) -> Explanation:
    start = text.index("good")
    words = (WordScore("good", start, start + 4, 1.5), WordScore("bad", start + 7, start + 10, -0.9))
    texts = (text,) if pair is None else (text, pair)
    unread = (((len(text) - 20, len(text)),),) + ((),) * (len(texts) - 1)
    return Explanation(texts, (LabelExplanation(label, words, **COMPLETE | changes),) * 2, unread, False)


def test_every_value_is_escaped():
    page = draw_explanations([explained()], "/models/<i>reviews</i>")
    assert "<script" not in page and "<b>" not in page and "<i>" not in page and "{{ 7 * 7 }}" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "default-src &#39;none&#39;" not in page


def test_marks_have_signs_scores_and_what_was_not_read():
    page = draw_explanations([explained(is_exact=False, is_predicted=False)], "model")
    assert '<mark class="for strong" title="+1.5000">good<span class="sign">++</span></mark>' in page
    assert '<mark class="against strong" title="-0.9000">bad<span class="sign">--</span></mark>' in page
    assert f'<span class="unread">{"x" * 20}</span>' in page
    assert "not predicted" in page and "more than 1%" in page and "0.3% of the change, with 16 steps" in page


def test_a_page_shows_the_first_texts_and_counts_the_others():
    page = draw_explanations([explained()] * (MAX_TEXTS + 3), "model", left_out=2)
    assert page.count('<h2 id="text-') == MAX_TEXTS and "5 more texts are not shown" in page
    assert "not shown" not in draw_explanations([explained()], "model")


def test_halves_of_a_character_do_not_end_the_page(tmp_path):
    write_explanations(tmp_path / "page.html", [explained("good 'bad' \ud83d" + "y" * 30)], "model")
    assert (tmp_path / "page.html").read_bytes().decode("utf-8")


@pytest.fixture(scope="module")
def browser():
    with started_browser() as found:
        yield found


def test_the_page_is_legible_at_every_width_and_in_both_schemes(browser, tmp_path):
    page = tmp_path / "page.html"
    write_explanations(page, [explained(), explained("good, bad: a text" + " and more" * 9, "second <text>")], "model")
    for width in WIDTHS:
        for scheme in SCHEMES:
            with open_page(browser, page, width, scheme) as opened:
                opened.page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
                opened.assert_alone()
                opened.assert_readable()
                opened.assert_accessible()
