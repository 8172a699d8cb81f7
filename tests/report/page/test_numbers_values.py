"""Regression: bands of true numbers, the rows that are furthest off, and points that stand for many rows."""

from __future__ import annotations

import numpy as np
import pytest
from report_rows import number_run

from classification.report.page.number_values import bands_of, points_of, worst_places
from classification.report.scored_rows import scored_rows


def test_bands_have_the_bias_and_the_error_of_their_rows():
    truth = np.arange(100.0)
    predicted = truth + np.where(truth < 20, 5.0, np.where(np.arange(100) % 2, 1.0, -1.0))
    bands = bands_of(scored_rows(number_run(truth, predicted, mean=50, std=10)))
    assert [band.rows for band in bands] == [20] * 5
    assert bands[0].bias == pytest.approx(5) and bands[0].rmse == pytest.approx(5)
    assert bands[1].bias == pytest.approx(0) and bands[1].rmse == pytest.approx(1)
    assert (bands[0].low, bands[0].high) == pytest.approx((0, 19))


def test_few_different_numbers_have_a_band_each():
    bands = bands_of(scored_rows(number_run([1, 1, 5, 2], [1, 2, 5, 2])))
    assert [(band.low, band.high, band.rows) for band in bands] == [(1, 1, 2), (2, 2, 1), (5, 5, 1)]


def test_equal_numbers_are_never_divided_between_bands():
    bands = bands_of(scored_rows(number_run([0.0] * 90 + list(range(1, 11)), [0.0] * 100)))
    assert sum(band.rows for band in bands) == 100
    assert [band.rows for band in bands if band.low <= 0 <= band.high] == [90]


def test_a_frequent_number_has_a_band_of_its_own():
    truth = [*range(10), *[50.0] * 80, *range(90, 100)]
    bands = bands_of(scored_rows(number_run(truth, truth)))
    assert [(band.low, band.high, band.rows) for band in bands] == [(0, 9, 10), (50, 50, 80), (90, 99, 10)]


def test_the_worst_rows_are_the_largest_absolute_errors():
    rows = scored_rows(number_run([0, 0, 0, None, 0], [1, -9, 3, 99, 0]))
    assert rows.places[worst_places(rows, 2)].tolist() == [1, 2]


def test_many_rows_become_cells_that_hold_all_of_them():
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(2, 100_000))
    points = points_of(x, y)
    assert points.are_cells and points.rows.sum() == 100_000 and len(points.x) <= 32 * 32
    assert (points.x * points.rows).sum() == pytest.approx(x.sum())
    assert not points_of(x[:50], y[:50]).are_cells


def test_one_value_for_all_rows_is_one_cell():
    points = points_of(np.full(1000, 3.0), np.full(1000, 4.0))
    assert (points.x, points.y, points.rows) == ([3.0], [4.0], [1000])
