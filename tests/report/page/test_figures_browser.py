"""The sections of figures in a real browser: tables sort by a click and by the keyboard, and nothing overlaps."""

from __future__ import annotations

import numpy as np
import pytest
from browsing import SCHEMES, WIDTHS, open_page
from report_rows import multi_run, number_run, random_run

from classification.report.page.classes_section import classes_section
from classification.report.page.headline_section import headline_section
from classification.report.page.numbers_section import numbers_section
from classification.report.page.page import draw_page
from classification.report.page.probabilities_section import probabilities_section
from classification.report.page.slices_section import slices_section

SECTIONS = (headline_section, classes_section, probabilities_section, numbers_section, slices_section)
CHOSEN = [
    {"precision": 0.95, "confidence": 0.88, "coverage": 0.31, "accuracy": 0.95, "rows": 620},
    {"precision": 0.99, "confidence": 0.97, "coverage": 0.12, "accuracy": 0.99, "rows": 240},
]


def several():
    draw = np.random.default_rng(0)
    probabilities = draw.random((200, 5))
    truth = (probabilities > draw.random(probabilities.shape)).astype(float).tolist()
    return multi_run(
        truth, probabilities, ["إيجابي", "<b>two</b>", "a label of sixty letters " + "x" * 35, "$4$", "五"]
    )


RUNS = {
    "two classes": lambda: random_run(2000, 2, metrics={"test_accuracy": 0.82, "test_abstention": CHOSEN}),
    "fifty classes": lambda: random_run(1500, 50, metrics={"test_accuracy": 0.6}),
    "labels": several,
    "numbers": lambda: number_run(np.arange(300.0) * 1000, np.arange(300.0) ** 1.2 * 400, metrics={"test_rmse": 3e4}),
}


@pytest.fixture(scope="module")
def page_of(tmp_path_factory):
    folder, drawn = tmp_path_factory.mktemp("figures"), {}

    def draw(name):
        if name not in drawn:
            drawn[name] = folder / f"{name}.html"
            drawn[name].write_text(draw_page(RUNS[name](), SECTIONS), encoding="utf-8")
        return drawn[name]

    return draw


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", RUNS)
def test_every_word_of_a_figure_can_be_read(browser, page_of, name, width):
    for scheme in SCHEMES:
        with open_page(browser, page_of(name), width, scheme) as opened:
            opened.assert_alone()
            opened.assert_readable()


def names_and_recall(page):
    """The names and the recall of all classes, in their order on the page; folded ones too."""
    rows = page.locator("#classes tbody tr")
    return rows.locator("th").all_text_contents(), [
        float(value) for value in rows.evaluate_all("rows => rows.map(row => row.cells[3].dataset.value)")
    ]


def test_a_click_sorts_all_classes_the_folded_ones_too(browser, page_of):
    with open_page(browser, page_of("fifty classes")) as opened:
        page = opened.page
        names, _ = names_and_recall(page)
        head = page.locator("#classes th", has_text="recall").first
        head.get_by_role("button").click()
        sorted_names, recall = names_and_recall(page)
        assert recall == sorted(recall) and sorted(sorted_names) == sorted(names) and len(names) == 50
        assert head.get_attribute("aria-sort") == "ascending"
        head.get_by_role("button").press("Enter")
        assert names_and_recall(page)[1] == sorted(recall, reverse=True)
        assert head.get_attribute("aria-sort") == "descending"
        assert page.locator("#classes [aria-sort]").count() == 2  # one per table
        opened.assert_alone()


def test_names_sort_with_their_numbers_in_order(browser, page_of):
    with open_page(browser, page_of("fifty classes")) as opened:
        opened.page.locator("#classes th", has_text="Class").first.get_by_role("button").click()
        names, _ = names_and_recall(opened.page)
        assert [name.split()[1] for name in names] == [str(i) for i in range(50)]


def test_without_scripts_every_class_is_there_the_weakest_first(browser, page_of):
    with open_page(browser, page_of("fifty classes"), scripts=False) as opened:
        assert opened.page.locator("#classes tbody tr").count() == 50
        assert opened.page.locator("#classes button").count() == 0
