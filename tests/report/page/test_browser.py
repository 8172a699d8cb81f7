"""The page of each kind of task in a real browser: it loads nothing, and everything can be read on every screen."""

from __future__ import annotations

import random

import pytest
from browsing import SCHEMES, WIDTHS, open_page
from corpus import FILLER, make_rows, number_rows, several_rows, stars, write_csv, write_splits

from classification.report.page.page import draw_page
from classification.report.run_files import read_run

ODD = [
    "إيجابي جدا",
    "负面评价",
    "<script>alert(1)</script>",
    "=1+1",
    "$x^2$",
    "a label of sixty letters, with spaces and more: abcdefghijk",
]
TEXTS = [
    "<img src=x onerror=alert(2)> & more",
    "هذا كتاب جميل",
    "这部电影很好",
    "$\\frac{1}{2}$",
    "x" * 400,
    "two\nlines",
]


def odd_rows(count: int, seed: int) -> list[dict]:
    """Labels and texts in several scripts and directions, markup, formulas, and a word without a break."""
    draw = random.Random(seed)
    rows = []
    for i in range(count):
        words = [TEXTS[i % len(TEXTS)], *draw.choices(FILLER, k=5)]
        rows.append({"id": f"<b>{i}</b>", "text": " ".join(words), "label": ODD[i % 5 if i % 7 else 5]})
    return rows


def pair_rows(count: int, seed: int) -> list[dict]:
    return [row | {"text_pair": "the other text was fine"} for row in make_rows(count, seed)]


def unlabelled(folder) -> str:
    rows = [{name: row[name] for name in ("id", "text")} for row in make_rows(24, 5)]
    return write_csv(folder / "unlabelled.csv", rows)


SEVERAL = {"label_column_name": "labels", "label_delimiter": "|"}
KINDS = ["single", "multi", "regression", "pairs", "unlabelled", "validation only"]


@pytest.fixture(scope="module")
def page_of(finished, tmp_path_factory):
    """A function that trains once per kind of task and draws its page."""
    folder, drawn = tmp_path_factory.mktemp("browser"), {}
    flags = {
        "single": lambda: write_splits(folder, "odd", odd_rows, 90, 40, 60) | {"num_train_epochs": 3},
        "multi": lambda: write_splits(folder, "several", several_rows) | SEVERAL,
        "regression": lambda: write_splits(folder, "numbers", number_rows(stars)),
        "pairs": lambda: write_splits(folder, "pairs", pair_rows) | {"text_column_names": "text,text_pair"},
        "unlabelled": lambda: {"test_file": unlabelled(folder)},
        "validation only": lambda: {"test_file": None},
    }  # fmt: skip

    def draw(kind: str):
        if kind not in drawn:
            run = finished(baselines="majority,linear_svm", **flags[kind]())
            drawn[kind] = folder / f"{kind}.html"
            drawn[kind].write_text(draw_page(read_run(run.folder)), encoding="utf-8")
        return drawn[kind]

    return draw


@pytest.mark.parametrize("kind", KINDS)
def test_everything_can_be_read_on_a_desk_and_on_a_phone_light_and_dark(browser, page_of, kind):
    for width, scheme in zip(WIDTHS, SCHEMES, strict=True):
        with open_page(browser, page_of(kind), width, scheme) as opened:
            opened.assert_readable()
            opened.assert_alone()


LINES = """heads => heads.map(head => {
    const range = document.createRange(); range.selectNodeContents(head); return range.getClientRects().length })"""


def test_no_heading_of_the_labels_is_broken_inside_a_word_on_a_phone(browser, page_of):
    with open_page(browser, page_of("multi"), 390) as opened:
        assert opened.page.locator("#confusion thead th.column").evaluate_all(LINES) == [1, 1, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_screen_reader_finds_names_headings_and_table_heads(browser, page_of, kind):
    with open_page(browser, page_of(kind)) as opened:
        opened.assert_accessible()


def test_hidden_parts_can_be_read_when_they_are_opened(browser, page_of):
    with open_page(browser, page_of("single"), 390, "dark") as opened:
        opened.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        opened.assert_readable()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_first_screen_has_the_result_the_rows_and_the_warnings(browser, page_of, width):
    with open_page(browser, page_of("single"), width) as opened:
        for part in ("h1", ".about", ".headline-value", ".verdicts li:last-child"):
            box = opened.page.locator(part).bounding_box()
            assert box and box["y"] + box["height"] <= WIDTHS[width], part


def test_the_page_is_whole_without_scripts(browser, page_of):
    with open_page(browser, page_of("single"), scripts=False) as opened:
        opened.assert_alone()
        assert opened.page.locator("section.card").count() >= 8
        assert opened.page.locator("table:visible").count() >= 3


def test_the_first_tab_is_a_link_to_the_details_with_a_visible_ring(browser, page_of):
    with open_page(browser, page_of("single")) as opened:
        opened.page.keyboard.press("Tab")
        assert opened.page.evaluate("document.activeElement.className") == "skip"
        assert opened.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        opened.page.keyboard.press("Enter")
        assert opened.page.evaluate("document.activeElement.id") == "main"


def test_the_keyboard_reaches_every_link_and_control(browser, page_of):
    with open_page(browser, page_of("single")) as opened:
        kinds = ("a[href]", "summary", "input", "select", "button")
        wanted = opened.page.locator(", ".join(f"{kind}:not([tabindex='-1']):visible" for kind in kinds)).count()
        reached = 0
        for _ in range(4 * wanted):
            opened.page.keyboard.press("Tab")
            if opened.page.evaluate("document.activeElement === document.body"):
                break
            reached += opened.page.evaluate(f"document.activeElement.matches('{', '.join(kinds)}')")
        assert reached >= wanted


def test_a_printed_page_is_light_and_cuts_nothing_off(browser, page_of):
    with open_page(browser, page_of("single"), 1440, "dark") as opened:
        opened.page.emulate_media(media="print")
        assert opened.page.evaluate("getComputedStyle(document.body).color") == "rgb(22, 25, 29)"
        opened.page.set_viewport_size({"width": 720, "height": 1000})
        opened.assert_readable()
        assert opened.page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


# --------------------------------------------------------------------------------------- the checks themselves can fail

BROKEN = {
    "cut off": "<p style='width:50px;overflow:hidden;white-space:nowrap'>words that are cut off</p>",
    "outside the window": "<p style='margin-left:-90px'>words outside</p>",
    "scrolls sideways": "<p style='width:3000px'>words <span style='float:right'>far away</span></p>",
    "overlap": "<p>one line of words</p><p style='margin-top:-2em'>another line of words</p>",
    "contrast": "<p style='color:#999'>faint words</p>",
    "without a name": "<svg width='9' height='9'></svg>",
    "follows a heading": "<h4>far below</h4>",
    "without scope": "<table><tr><th>head</th></tr></table>",
    "to nowhere": "<a href='#nowhere'>link</a>",
    "without a label": "<input>",
    "the id twice": "<p id='twice'>a</p><p id='twice'>b</p>",
    "in an attribute": "<p onclick='x()'>words</p>",
}


@pytest.mark.parametrize("fault", BROKEN)
def test_the_checks_find(browser, tmp_path, fault):
    file = tmp_path / "broken.html"
    file.write_text(f"<!DOCTYPE html><body style='background:#fff;margin:8px'><h1>Title</h1>{BROKEN[fault]}</body>")
    with open_page(browser, file) as opened, pytest.raises(AssertionError, match=fault.removesuffix(" twice")):
        opened.assert_readable()
        opened.assert_accessible()
