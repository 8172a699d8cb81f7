"""The section of the slices: where the model is worse, how much it costs, and whether it can be chance."""

from __future__ import annotations

import re

import pytest
from report_rows import multi_run, number_run, random_run, rendered, single_run, words

from classification.report.page.slices_section import Scale, rows_of_cost, slices_section


def entry(column, value, rows, figure, cost, metric="accuracy", width=0.1):
    limits = {f"{metric}_low": figure - width, f"{metric}_high": figure + width}
    return {"column": column, "value": value, "rows": rows, metric: figure, **limits, "cost": cost}


def run_with(*entries, overall=0.9, **more):
    metrics = {"test_accuracy": overall, "test_slices": sorted(entries, key=lambda one: -one["cost"])}
    return random_run(50, metrics=metrics, **more)


def test_the_costliest_part_is_told_with_its_figures():
    run = run_with(entry("source", "web", 240, 0.6, 14), entry("source", "app", 99, 0.95, -14))
    text = words(rendered(slices_section, run))
    assert "Rows with source = web cost most: accuracy is 60.0% on these 240 rows, and 90.0% on all." in text
    assert "If the model were as good there as elsewhere, 14 more rows would be right." in text
    assert "can be chance" not in text


def test_a_part_that_is_better_than_all_rows_is_not_called_costliest():
    results = [entry("source", "web", 10, 0.9, 4.0, "f1_micro"), entry("source", "app", 20, 0.5, 3.0, "f1_micro")]
    run = multi_run([[1.0, 0.0]], [[0.9, 0.8]], metrics={"test_f1_micro": 0.8, "test_slices": results})
    assert "Rows with source = app cost most" in words(rendered(slices_section, run))


def test_a_difference_within_the_interval_is_called_chance():
    pair = entry("source", "web", 20, 0.85, 1), entry("source", "app", 99, 0.95, -1)
    assert "The difference can be chance" in words(rendered(slices_section, run_with(*pair)))


SUBJECTS = {
    ("length", "3 to 12"): "Texts of 3 to 12 tokens cost most",
    ("length", "1"): "Texts of 1 token cost most",
    ("truncated", "yes"): "Texts cut to the length limit cost most",
    ("truncated", "no"): "Texts within the length limit cost most",
    ("<b>a</b>", "بريد"): "Rows with <b>a</b> = بريد cost most",
}


@pytest.mark.parametrize(("part", "sentence"), SUBJECTS.items())
def test_the_subject_of_the_sentence_fits_the_column(part, sentence):
    page = rendered(slices_section, run_with(entry(*part, 20, 0.5, 9), entry(part[0], "other", 30, 0.9, -9)))
    assert sentence in words(page) and "<b>" not in page


def test_columns_and_values_are_ordered_by_cost():
    parts = zip(("ap", "bq", "br", "as"), (2, 5, -5, -2), strict=True)
    html = rendered(slices_section, run_with(*(entry(*part, 9, 0.5, cost) for part, cost in parts)))
    assert re.findall(r"<h3[^>]*><bdi[^>]*>(\w)", html) == ["b", "a"]
    assert re.findall(r'<th scope="row"[^>]*><bdi[^>]*>(\w)', html) == ["q", "r", "p", "s"]


def test_numbers_cost_a_share_of_the_squared_error():
    results = [entry("length", "1", 10, 2.0, 30.0, "rmse"), entry("length", "2", 20, 1.0, -60.0, "rmse")]
    run = number_run([1.0, 2.0], [1.0, 3.0], metrics={"test_rmse": 1.4, "test_slices": results})
    text = words(rendered(slices_section, run))
    assert "50.0% of the squared error would be gone." in text and "-100%" in text


def test_with_several_labels_rows_would_be_all_right():
    results = [entry("length", "1", 10, 0.5, 3.0, "f1_micro"), entry("length", "2", 20, 0.9, -3.0, "f1_micro")]
    run = multi_run([[1.0, 0.0]], [[0.9, 0.8]], metrics={"test_f1_micro": 0.8, "test_slices": results})
    assert "micro F1 is 0.500 on these 10 rows" in words(rendered(slices_section, run))
    assert "3.0 more rows would have all labels right." in words(rendered(slices_section, run))


def test_a_column_with_one_value_has_a_note_and_no_table():
    html = rendered(slices_section, run_with(entry("source", "web", 50, 0.9, 0.0)))
    assert "<table" not in html and "source: all scored rows are in one part (web)." in words(html)


def test_many_values_are_folded():
    entries = [entry("source", f"v{i}", 10, 0.8, 10 - i) for i in range(21)]
    html = rendered(slices_section, run_with(*entries))
    assert "The other 9 values" in html and html.count('<th scope="row"') == 21


def test_figures_that_are_missing_are_dashes():
    blank = dict.fromkeys(entry("a", "x", 1, 0.5, 1)) | {"column": "a", "value": "x", "rows": 1, "cost": 1}
    html = rendered(slices_section, run_with(blank, entry("a", "y", 9, 0.9, -1), overall=None))
    assert "–" in words(html) and "None" not in html and "nan" not in html


def test_an_old_run_shows_slices_from_its_predictions_and_how_to_get_more():
    html = rendered(slices_section, random_run(300, classes=2))
    assert "Length of the text in tokens" in html and "--slice_columns" in html
    record = {"arguments": {"slice_columns": "source"}}
    asked = random_run(300, classes=2, record=record, slices={"source": ["a", "b"] * 150})
    assert "--slice_columns" not in rendered(slices_section, asked)


def test_nothing_scored_has_no_slices():
    assert rendered(slices_section, single_run([None] * 5, [[0.9, 0.1]] * 5)) == ""


def test_the_axis_ends_at_the_best_value():
    run = run_with(entry("a", "x", 10, 0.55, 3.0), entry("a", "y", 10, 0.9, -3.0))
    assert "Each line runs from 40.0% to 100%" in words(rendered(slices_section, run))
    assert [Scale(0.4, 1.0).place(value) for value in (0.7, 0.1, None)] == pytest.approx([50, 0, 0])


def test_a_cost_has_no_false_precision():
    assert [rows_of_cost(cost) for cost in (0.2, 4.44, 44.4, -0.3, 1234.5)] == ["0", "4.4", "44", "0", "1,234"]


def test_parts_that_are_clearly_worse_are_counted_against_chance():
    entries = [entry("a", f"v{i}", 10, 0.7 if i < 2 else 0.95, 9 - i) for i in range(8)]
    text = words(rendered(slices_section, run_with(*entries)))
    assert "2 of 8 parts are clearly worse than all rows together: the whole interval is below" in text
