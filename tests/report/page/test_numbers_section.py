"""The section of predicted numbers: sentences that agree with the rows, and plots of every kind of regression."""

from __future__ import annotations

import numpy as np
import pytest
from report_rows import number_run, random_run, rendered, words

from classification.report.page.number_figures import reach_of
from classification.report.page.numbers_section import numbers_section


def test_the_lead_names_the_band_with_the_largest_errors():
    truth = np.arange(100.0)
    predicted = truth + np.where(truth >= 80, 10.0, np.where(np.arange(100) % 2, 1.0, -1.0))
    text = words(rendered(numbers_section, number_run(truth, predicted, mean=50, std=29)))
    assert "largest where the true number is 80 to 99: predictions are typically off by 10 there (RMSE)" in text
    assert "and by 1 where it is 0 to 19." in text


def test_the_worst_rows_are_listed_with_their_ids_and_link_to_the_error_browser():
    html = rendered(numbers_section, number_run([0, 0, None, 0], [1, -9, 50, 3]))
    assert 'href="#errors"' in html
    assert "test-1 0 -9 -9 test-3 0 3 +3 test-0 0 1 +1" in words(html)


def test_bunched_predictions_and_regression_to_the_mean_are_said():
    truth = np.linspace(0, 100, 300)
    text = words(rendered(numbers_section, number_run(truth, 50 + (truth - 50) * 0.3)))
    assert "The predictions vary less than the true numbers: 30% as much." in text
    assert "The lowest true numbers are predicted too high, and the highest too low." in text


def test_noise_alone_is_no_bias():
    draw = np.random.default_rng(1)
    truth = draw.normal(size=400)
    text = words(rendered(numbers_section, number_run(truth, truth + draw.normal(scale=0.1, size=400))))
    assert "The lowest true numbers" not in text and "vary less" not in text


def test_half_and_nine_in_ten_are_quantiles_of_the_errors():
    text = words(rendered(numbers_section, number_run([0] * 101, range(101))))
    assert "Half of the predictions are off by at most 50, nine in ten by at most 90." in text
    assert "On average, predictions are 50 too high." in text


def test_an_outlier_does_not_flatten_the_histogram():
    errors = np.concatenate([np.random.default_rng(0).normal(size=500), [1e6]])
    assert reach_of(errors) < 10
    text = words(rendered(numbers_section, number_run(np.zeros(501), errors)))
    assert "are in the outermost bars" in text
    assert reach_of(np.array([1.0, 2.0])) == 2.0 and reach_of(np.zeros(3)) == 1.0


EDGES = {
    "one row": ([3.0], [4.0]),
    "exact": ([1, 2, 3.0], [1, 2, 3.0]),
    "equal labels": ([2.0] * 9, [1, 2, 3.0] * 3),
    "equal predictions": ([1, 2, 3.0] * 3, [2.0] * 9),
    "some not finite": ([1, 2.0, 3], [np.nan, 2, 4]),
    "huge": ([1e12, 2e12, 5e12], [1e12, 2.5e12, 4e12]),
    "tiny": ([1e-9, 2e-9], [1.1e-9, 1.5e-9]),
    "many": (np.arange(2000.0), np.arange(2000.0) ** 0.9),
    "one label": ([None, None, 1.0], [1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize(("labels", "predictions"), EDGES.values(), ids=EDGES.keys())
def test_every_regression_is_drawn_without_a_warning_or_an_undefined_number(labels, predictions):
    html = rendered(numbers_section, number_run(labels, predictions))
    assert html.count('<svg class="plot') == 3
    assert not {"nan", "None", "inf", "-0", "1.000"} & set(words(html).split())


def test_exact_predictions_are_said_to_be_exact():
    exact, one = (number_run(values, more) for values, more in (([1, 2, 3], [1, 2, 3]), ([3], [4])))
    assert "All 3 predictions equal the true number." in words(rendered(numbers_section, exact))
    assert "The one prediction is off by 1." in words(rendered(numbers_section, one))


def test_classes_and_unlabelled_rows_have_no_section_of_numbers():
    assert rendered(numbers_section, random_run(20)) == ""
    assert rendered(numbers_section, number_run([None, None], [1.0, 2.0])) == ""


def test_many_rows_give_small_plots():
    draw = np.random.default_rng(0)
    assert len(rendered(numbers_section, number_run(draw.normal(size=50_000), draw.normal(size=50_000)))) < 250_000
