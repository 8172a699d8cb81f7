"""The error browser and the confusion matrix in a browser: every filter, a click on a cell, the keyboard, any text."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsing import open_page
from report_rows import multi_run, number_run, random_run, single_run

from classification.report.page.confusion_section import confusion_section
from classification.report.page.errors_section import errors_section
from classification.report.page.headline_section import headline_section
from classification.report.page.page import draw_page

NAMES = ("<script>alert(1)</script>", "إيجابي جدا", "=1+1", "🙂 👩‍👩‍👧")
TEXTS = ("<script>alert('x')</script><img src=x onerror=alert(2)>", '=HYPERLINK("x")', "هذا كتاب جميل", "🙂 $x^2$ Café")


def draw(run, folder: Path) -> Path:
    """The page of a run with these sections alone."""
    page = draw_page(run, (headline_section, confusion_section, errors_section))
    (folder / "report.html").write_text(page, encoding="utf-8")
    return folder / "report.html"


def with_texts(run, texts):
    return replace(run, predictions=replace(run.predictions, texts=[tuple(one) for one in texts]))


@pytest.fixture(scope="module")
def odd_run():
    """120 rows of 4 classes; names and texts in several scripts, and such that a careless page would run."""
    draw_number = np.random.default_rng(1)
    probabilities = draw_number.dirichlet(np.ones(4), size=120)
    labels = np.where(draw_number.random(120) < 0.7, probabilities.argmax(1), draw_number.integers(0, 4, 120)).tolist()
    sources = ["web", "<b>app</b>", ""]
    run = single_run(
        labels, probabilities, names=NAMES, slices={"مصدر": [sources[i % 3] for i in range(120)]}, record={}
    )
    train = [{"id": f"t{i}", "labels": [NAMES[i % 4]], "texts": [TEXTS[i % 4]]} for i in range(9)]
    rows = {str(i): {"id": f"test-{i}", "nearest": [[i % 9, 0.9, 1], [(i + 1) % 9, 0.8, 0]]} for i in range(120)}
    found = {"train_rows": 9, "searched": 9, "reason": "", "test_rows": 120, "shown": 120, "rows": rows, "train": train}
    texts = [(f"{TEXTS[i % 4]} number{i}", "long " * (300 if i % 10 == 0 else 1)) for i in range(120)]
    return replace(with_texts(run, texts), neighbours=found)


@pytest.fixture(scope="module")
def odd_page(odd_run, tmp_path_factory):
    return draw(odd_run, tmp_path_factory.mktemp("odd"))


def wait(page, condition: str) -> None:
    """Until a condition holds, at most 5 seconds. The page forbids code in strings, which playwright waits with."""
    for _ in range(100):
        if page.evaluate(condition):
            return
        time.sleep(0.05)
    raise AssertionError(condition)


def status(page) -> str:
    return page.locator("#error-status").inner_text()


def count(page) -> int:
    return int(status(page).split(" ")[0].replace(",", ""))


def expected(run, keep) -> int:
    table = run.predictions
    return sum(bool(keep(i, table.label_ids[i], int(table.decisions[i]))) for i in range(len(table.ids)))


def sure(run, row):
    return run.predictions.probabilities[row].max()


def test_every_filter_keeps_the_rows_that_it_names(browser, odd_page, odd_run):
    cases = {
        ("kind", "0"): lambda i, label, decision: label != decision,
        ("kind", "1"): lambda i, label, decision: label == decision,
        ("label", "1"): lambda i, label, decision: label == 1,
        ("prediction", "2"): lambda i, label, decision: decision == 2,
        ("slice-0", "1"): lambda i, label, decision: i % 3 == (0, 1, 2)[["", "<b>app</b>", "web"].index("<b>app</b>")],
        ("least", "60"): lambda i, label, decision: sure(odd_run, i) >= 0.6,
        ("most", "50"): lambda i, label, decision: sure(odd_run, i) <= 0.5,
        ("words", "NUMBER7 alert"): lambda i, label, decision: i % 4 == 0 and "number7" in f"number{i}",
        ("words", "cafe\u0301"): lambda i, label, decision: i % 4 == 3,  # two characters for the é of the text
        ("words", "كتاب هذا"): lambda i, label, decision: i % 4 == 2,
        ("words", "nowhere"): lambda i, label, decision: False,
    }
    with open_page(browser, odd_page) as opened:
        page = opened.page
        assert count(page) == 120
        for (name, value), keep in cases.items():
            field = page.locator(f"#error-filters [name='{name}']")
            field.select_option(value) if field.evaluate("e => e.tagName") == "SELECT" else field.fill(value)
            assert count(page) == expected(odd_run, keep), (name, value)
            shown = page.locator("#error-rows > li").count()
            assert shown == min(50, count(page))
            page.get_by_role("button", name="Clear filters").click()
            wait(page, "document.getElementById('error-status').textContent.startsWith('120 rows')")
        opened.assert_alone()


def test_filters_work_together(browser, odd_page, odd_run):
    with open_page(browser, odd_page) as opened:
        opened.page.locator("[name='label']").select_option("0")
        opened.page.locator("[name='least']").fill("40")
        opened.page.locator("[name='words']").fill("number1")
        assert count(opened.page) == expected(
            odd_run, lambda i, label, _: label == 0 and sure(odd_run, i) >= 0.4 and "number1" in f"number{i}"
        )


def test_a_click_on_a_cell_lists_its_rows_and_moves_the_focus_there(browser, odd_page, odd_run):
    with open_page(browser, odd_page) as opened:
        page = opened.page
        cells = page.locator("button.cell")
        total = 0
        for place in range(cells.count()):
            cell = cells.nth(place)
            label, prediction, number = (
                int(cell.get_attribute(f"data-{name}")) for name in ("label", "prediction", "count")
            )
            cell.click()
            wait(page, "document.activeElement.id === 'error-status'")
            pair = (label, prediction)
            assert count(page) == number == expected(odd_run, lambda i, a, b, pair=pair: (a, b) == pair)
            total += number
            page.get_by_role("button", name="Back to the matrix").click()
            assert cell.evaluate("e => e === document.activeElement")
        assert total == 120


def test_the_keyboard_reaches_cells_filters_and_rows(browser, odd_page):
    with open_page(browser, odd_page) as opened:
        page = opened.page
        page.locator(".contents a").last.focus()
        for _ in range(3):  # a box that scrolls can come before the cell
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.className") == "cell":
                break
        places = []
        for key in ("Home", "ArrowDown", "ArrowRight", "ArrowUp", "End", "ArrowLeft", "End"):
            page.keyboard.press(key)
            data = page.evaluate("({...document.activeElement.dataset})")
            places.append((int(data["label"]), int(data["prediction"])))
        (top, first), down, right, up, last, left, end = places
        assert down[0] > top and down[1] == first and right[0] == down[0] and right[1] > first
        assert up[0] < right[0] and up[1] == right[1] and last == end == (up[0], 3) and left[1] < 3 == last[1]
        page.keyboard.press("Enter")
        wait(page, "document.activeElement.id === 'error-status'")
        assert [page.locator(f"[name='{name}']").input_value() for name in ("label", "prediction")] == [*map(str, end)]
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "error-back"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.dataset.prediction") == "3"
        page.keyboard.press("Tab")  # one cell alone is in the order of the tab key
        assert page.evaluate("document.activeElement.closest('form')?.id") == "error-filters"
        page.locator("[name='words']").focus()
        page.keyboard.type("long")
        page.get_by_role("button", name="Clear filters").focus()
        page.keyboard.press("Enter")
        wait(page, "document.getElementById('error-status').textContent.startsWith('120 rows')")
        page.locator("#error-more").focus()
        page.keyboard.press("Enter")
        assert page.locator("#error-rows > li").count() == 100
        assert (
            page.evaluate("[...document.getElementById('error-rows').children].indexOf(document.activeElement)") == 50
        )


def test_long_texts_and_neighbours_open(browser, odd_page):
    with open_page(browser, odd_page) as opened:
        page = opened.page
        row = page.locator("#error-rows > li", has=page.locator("details.long-text")).first
        summary = row.locator("details.long-text summary")
        assert "Show all 1,500 characters" in summary.inner_text()
        summary.click()
        row.locator("details.long-text .row-text").wait_for()
        assert len(row.locator("details.long-text .row-text").inner_text()) >= 1499
        assert not row.locator(".beginning").is_visible()
        nearest = row.locator("details.nearest")
        assert "(0.900)" in nearest.locator("summary").inner_text()
        nearest.locator("summary").click()
        nearest.locator("li").nth(1).wait_for()
        assert nearest.locator("li").count() == 2 and nearest.get_by_text("same text").count() == 1


@pytest.mark.parametrize("scripts", [True, False])
def test_names_and_texts_stay_text(browser, odd_page, odd_run, scripts):
    with open_page(browser, odd_page, scripts=scripts) as opened:
        page = opened.page
        assert page.locator("#error-rows > li").count() == 50
        assert not page.locator("main img, #error-rows script, main b:has-text('app')").count()
        shown = page.locator("#error-rows").inner_text()
        assert all(name in shown for name in NAMES) and all(text in shown for text in TEXTS)
        first = page.locator("#error-rows .row-text").first
        assert first.get_attribute("dir") == "auto"
        opened.assert_alone()


def test_without_its_script_the_page_shows_what_the_script_shows(browser, odd_page):
    seen = []
    for scripts in (True, False):
        with open_page(browser, odd_page, scripts=scripts) as opened:
            rows = opened.page.locator("#error-rows > li")
            seen.append([" ".join(rows.nth(place).inner_text().split()) for place in (0, 7, 49)])
            assert opened.page.locator("#error-filters").is_visible() == scripts
    assert seen[0] == seen[1]


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_at_both_widths_and_in_both_colours(browser, odd_page, width, scheme):
    with open_page(browser, odd_page, width, scheme) as opened:
        opened.assert_readable()
        opened.assert_accessible()
        opened.assert_alone()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_numbers_of_every_shade_have_contrast(browser, tmp_path, scheme):
    """Cells from a small to the whole share of their class, right and wrong."""
    shares = [0.01, 0.1, 0.25, 0.5, 0.9]
    labels, decisions = [], []
    for place, share in enumerate(shares):
        wrong = round(100 * share)
        labels += [place] * 100
        decisions += [(place + 1) % 5] * wrong + [place] * (100 - wrong)
    run = single_run(labels, np.eye(5)[decisions] * 0.6 + 0.08, names="abcde")
    with open_page(browser, draw(run, tmp_path), scheme=scheme) as opened:
        shades = set(
            opened.page.evaluate("[...document.querySelectorAll('.matrix td')].map(e => e.className.split(' ').pop())")
        )
        assert {f"wrong-{step}" for step in range(1, 6)} <= shades and {"right-2", "right-4", "right-5"} <= shades
        opened.assert_readable()


def test_several_labels_are_filtered_by_what_became_of_one(browser, tmp_path):
    draw_number = np.random.default_rng(2)
    labels = (draw_number.random((90, 3)) < 0.4).astype(float)
    probabilities = np.clip(0.7 * labels + 0.5 * draw_number.random((90, 3)), 0, 1)
    labels = [None if i % 9 == 0 else row for i, row in enumerate(labels.tolist())]
    run = multi_run(labels, probabilities, names=("a", "<i>b</i>", "c"))
    given = np.array([row if row else [-1] * 3 for row in labels])
    gets = probabilities >= 0.5
    with open_page(browser, draw(run, tmp_path), 390) as opened:
        page = opened.page
        for cell in page.locator("button.cell").all():
            label, outcome = int(cell.get_attribute("data-several")), cell.get_attribute("data-outcome")
            has, got = given[:, label], gets[:, label]
            number = {"found": (has == 1) & got, "missed": (has == 1) & ~got, "false": (has == 0) & got}[outcome].sum()
            cell.click()
            wait(page, "document.activeElement.id === 'error-status'")
            assert count(page) == number == int(cell.get_attribute("data-count"))
        opened.assert_readable()
        opened.assert_accessible()


def test_numbers_are_filtered_by_the_size_of_the_error(browser, tmp_path):
    run = number_run([10, 20, None, 40], [12, 29, 50, 39], mean=20, std=10)
    with open_page(browser, draw(run, tmp_path)) as opened:
        page = opened.page
        assert not page.locator("#confusion").count()
        assert "Off by 9" in page.locator("#error-rows > li").first.inner_text()
        page.locator("[name='least']").fill("2")
        assert count(page) == 2
        page.locator("[name='most']").fill("2.5")
        assert count(page) == 1
        opened.assert_readable()
        opened.assert_accessible()


def test_two_thousand_rows_are_filtered_at_once_on_a_phone(browser, tmp_path):
    run = random_run(5000, classes=4)
    run = with_texts(run, [("word " * 400 + f"number{i}",) for i in range(5000)])
    with open_page(browser, draw(run, tmp_path), 390) as opened:
        page = opened.page
        assert count(page) == 2000
        page.locator("[name='words']").fill("word")  # the first search prepares the texts
        taken = page.evaluate(
            """() => ['number1', 'number12', 'word', 'nowhere', ''].map((words) => {
                const start = performance.now();
                const field = document.querySelector("[name='words']");
                field.value = words;
                field.dispatchEvent(new Event('input', {bubbles: true}));
                document.body.getBoundingClientRect();
                return performance.now() - start;
            })"""
        )
        assert sorted(taken)[2] < 200, taken


def test_without_texts_only_ids_are_on_the_page(browser, tmp_path):
    run = with_texts(random_run(60, record={"arguments": {"report_texts": False}}), [("canary text",)] * 60)
    file = draw(run, tmp_path)
    assert "canary" not in file.read_text(encoding="utf-8")
    with open_page(browser, file) as opened:
        page = opened.page
        assert (
            not page.locator("[name='words']").count()
            and "test-" in page.locator("#error-rows > li").first.inner_text()
        )
        page.locator("[name='label']").select_option("1")
        assert 0 < count(page) < 60
        opened.assert_alone()
