"""What the error browser holds: what is left out is told, texts share a budget, neighbours fit the predictions."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from report_rows import multi_run, number_run, random_run, single_run

from classification.report.page.browser_rows import make_browser
from classification.report.page.errors_section import errors_section
from classification.report.page.page import MAX_BYTES, draw_page
from classification.report.shown_rows import choose_rows


def section(run):
    made = errors_section(run)
    assert made is not None
    return made


def with_texts(run, texts):
    return replace(run, predictions=replace(run.predictions, texts=[(text,) for text in texts]))


def browser_of(run):
    return make_browser(run, run.predictions, choose_rows(run.predictions, run.task))


def size(run) -> int:
    return len(draw_page(run, (errors_section,)).encode())


@pytest.mark.parametrize("sign", ["a", "电", "<", "\n", "'"])
def test_two_thousand_long_texts_keep_within_the_page(sign):
    run = with_texts(random_run(2000), [sign * 20_000] * 2000)
    rows = browser_of(run).rows
    shown = [len(row.texts[0]) for row in rows]
    assert min(shown) == max(shown) < 20_000 == rows[0].lengths[0]
    assert 3_000_000 < size(run) < MAX_BYTES


def test_one_text_of_a_million_characters_is_whole_and_costs_the_others_nothing():
    run = with_texts(random_run(500), ["x" * 1_000_000, *(f"text {i}" for i in range(1, 500))])
    assert all(len(row.texts[0]) == row.lengths[0] for row in browser_of(run).rows)
    assert "cut" not in " ".join(section(run).values["notes"]) and size(run) < 3_000_000


def test_a_smaller_budget_cuts_more_and_the_cut_is_told():
    run = with_texts(random_run(500), ["x" * 5000, *("short" for _ in range(499))])
    notes = " ".join(section(replace(run, byte_budget=10_000)).values["notes"])
    assert "1 long text is cut, so that the page stays small." in notes
    rows = browser_of(replace(run, byte_budget=10_000)).rows
    assert [len(row.texts[0]) < row.lengths[0] for row in rows].count(True) == 1
    long = with_texts(run, ["x" * 5000] * 500)
    assert size(replace(long, byte_budget=0)) < 0.5 * size(replace(long, byte_budget=1_000_000)) < 0.5 * size(long)


def test_what_is_left_out_is_told_with_numbers():
    made = section(random_run(9000))
    shown = choose_rows(random_run(9000).predictions, random_run(9000).task)
    assert (
        made.left_out
        == "2,000 of 9,000 test rows are on this page, and 7,000 are not. predictions.csv has all of them."
    )
    assert f" of {shown.total['mistake']:,} mistakes" in made.values["lead"]
    assert f"the {shown.total['right']:,} right rows" in made.values["lead"]
    assert section(random_run(90)).left_out == ""


def test_the_lead_describes_every_kind_of_test():
    right = [[0.9, 0.1], [0.2, 0.8]]
    assert section(single_run([0, 1], right)).values["lead"].startswith("No row is wrong; then 2 right rows")
    assert "1 mistake, " in section(single_run([1, 1], right)).values["lead"]
    unlabelled = section(single_run([None, None], right))
    assert unlabelled.values["lead"].startswith("2 rows without a label (not scored)")
    assert unlabelled.title == "Predictions, row by row"
    assert "largest errors first" in section(number_run([1, 2], [1, 3])).values["lead"]


def test_a_run_without_predictions_has_no_browser():
    assert errors_section(replace(random_run(5), predictions=None)) is None
    assert errors_section(single_run([], np.zeros((0, 2)))) is None


def test_the_data_are_json_that_no_text_can_end():
    run = with_texts(random_run(60), ["</script><script>alert(1)</script> <!-- \u2028"] * 60)
    data = str(section(run).values["data"])
    assert "<" not in data and ">" not in data
    assert json.loads(data)["rows"][0][9] == ["</script><script>alert(1)</script> <!-- \u2028"]


def test_a_row_has_its_labels_probabilities_and_slices():
    run = single_run([1, None], [[0.8, 0.2], [0.4, 0.6]], slices={"source": ["web", ""]})
    first, second = browser_of(run).rows
    assert (first.label, first.prediction, first.top) == ((1,), (0,), ((0, 0.8), (1, 0.2)))
    assert second.label == () and browser_of(run).slices["source"][second.slices[0]] == ""
    several = browser_of(multi_run([[1, 0]], [[0.9, 0.7]])).rows[0]
    assert (several.label, several.prediction) == ((0,), (0, 1))
    number = browser_of(number_run([12.34567], [10], mean=3, std=2)).rows[0]
    assert (number.label_text, number.prediction_text, number.sure) == ("12.35", "10", pytest.approx(2.34567))


def neighbours(count: int) -> dict:
    rows = {str(i): {"id": f"test-{i}", "nearest": [[0, 0.91, 0]]} for i in range(count)}
    train = [{"id": "t0", "labels": ["spam"], "texts": ["offer"]}]
    return {"train_rows": 8, "searched": 4, "test_rows": count, "shown": count, "rows": rows, "train": train}


def test_neighbours_of_other_predictions_are_left_out():
    run = single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]])
    fitting = browser_of(replace(run, neighbours=neighbours(2)))
    assert [row.nearest[0].similarity for row in fitting.rows] == [0.91, 0.91] and not fitting.problem
    assert fitting.training[0].labels == ("spam",) and fitting.training[0].texts == ("offer",)
    more = browser_of(replace(run, neighbours=neighbours(3)))
    other = neighbours(2)
    other["rows"]["1"]["id"] = "test-7"
    renamed = browser_of(replace(run, neighbours=other))
    for found in (more, renamed):
        assert "belongs to other predictions" in found.problem and not found.training and not found.rows[0].nearest


@pytest.mark.parametrize(
    "damage",
    [
        {"rows": [1]}, {"rows": {"x": {}}}, {"train": None}, {"test_rows": None}, {"train": [{}]},
        {"rows": {"0": {"id": "test-0", "nearest": [[5, 0.9, 0]]}}}, {"rows": {"0": {"id": "test-0", "nearest": 3}}},
    ],
)  # fmt: skip
def test_a_damaged_file_of_neighbours_costs_the_neighbours_alone(damage):
    run = replace(single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]]), neighbours=neighbours(2) | damage)
    browser = browser_of(run)
    assert browser.problem and not browser.training and len(browser.rows) == 2
    assert browser.problem in section(run).values["notes"]


def test_the_notes_tell_how_many_training_rows_were_searched():
    run = replace(single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]]), neighbours=neighbours(2) | {"shown": 9})
    notes = " ".join(section(run).values["notes"])
    assert "among 4 of 8 training rows" in notes and "Only the first 2 rows have them" in notes


def test_without_texts_the_neighbours_have_none_either():
    run = single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]], record={"arguments": {"report_texts": False}})
    run = replace(run, neighbours=neighbours(2))
    page = draw_page(run, (errors_section,))
    assert "offer" not in page and "text 0" not in page and "t0" in page and "--report_texts false" in page


def test_long_ids_and_slice_values_are_shortened():
    run = single_run([0], [[0.9, 0.1]], slices={"s": ["v" * 5000]})
    run.predictions.ids[0] = "i" * 5000
    (row,) = browser_of(run).rows
    assert len(row.row_id) == 200 and len(browser_of(run).slices["s"][0]) == 200
