"""A learning curve is continued only where its points allow it, and its interval is that of resampled rows."""

from __future__ import annotations

import numpy as np
import pytest

from classification.data.tasks import infer_task
from classification.evaluation.curve_fit import Resampled, distrust, extrapolate, fit_power_law
from classification.evaluation.significance import Decided

TWO, NUMBER = infer_task(["no", "yes"]), infer_task([1.5, 2.5, 5.5])
ROWS = [100, 250, 500, 1000]


def points(shares, num_rows: int) -> list[Decided]:
    """Points with these shares of right rows; the larger ones are right where the smaller ones are."""
    generator = np.random.default_rng(3)
    label_ids, place = generator.integers(0, 2, num_rows), generator.permutation(num_rows)
    return [Decided(np.where(place < share * num_rows, label_ids, 1 - label_ids), label_ids, TWO) for share in shares]


@pytest.mark.parametrize(("a", "b", "c"), [(0.05, 0.1, 0.5), (0.0, 0.2, 0.3), (0.1, 0.05, 1.2)])
def test_a_power_law_is_found_again(a, b, c):
    errors = np.array([a + b * (rows / 1000) ** -c for rows in ROWS])
    law = fit_power_law(ROWS, errors, np.full(4, 0.01))
    assert (law.a, law.b, law.c) == pytest.approx((a, b, c), abs=1e-3)
    assert law.error(2000) == pytest.approx(a + b * 2**-c, abs=1e-4)


def test_the_figure_for_twice_the_rows_lies_on_the_law_and_inside_its_interval():
    shares = [1 - (0.05 + 0.1 * (rows / 1000) ** -0.5) for rows in ROWS]
    resampled = Resampled.of(points(shares, 1000))
    assert not distrust(ROWS, resampled)
    found = extrapolate(ROWS, resampled, 2000)
    assert found["value"] == pytest.approx(1 - 0.05 - 0.1 / 2**0.5, abs=2e-3)
    assert found["low"] < found["value"] < found["high"] and found["high"] - found["low"] > 0.02
    assert found["gain"] == pytest.approx(found["value"] - shares[-1], abs=1e-3)
    assert found == extrapolate(ROWS, Resampled.of(points(shares, 1000)), 2000)  # the same in a run that is continued


def test_more_validation_rows_give_a_narrower_interval():
    shares = [1 - (0.05 + 0.1 * (rows / 1000) ** -0.5) for rows in ROWS]
    few, many = (extrapolate(ROWS, Resampled.of(points(shares, size)), 2000) for size in (300, 10_000))
    assert many["high"] - many["low"] < 0.3 * (few["high"] - few["low"])


@pytest.mark.parametrize(
    ("rows", "shares", "reason"),
    [
        (ROWS[1:], [0.7, 0.8, 0.9], "4 points or more, and there are 3"),
        (ROWS, [0.86, 0.86, 0.86, 0.86], "nothing is gained clearly"),
        (ROWS, [0.9, 0.86, 0.84, 0.8], "nothing is gained clearly"),
        (ROWS, [0.7, 0.9, 0.72, 0.91], "no power law comes near the point of 250 rows"),
        (ROWS, [0.8, 0.9, 0.95, 1.0], "no row of validation is wrong any more"),
        (ROWS, [0.7, 0.7, 0.7, 0.78], "the last point is better already"),
    ],
)
def test_a_curve_that_is_no_power_law_is_not_continued(rows, shares, reason):
    assert reason in distrust(rows, Resampled.of(points(shares, 400)))


def test_an_error_in_units_of_the_label_falls_as_it_is():
    generator = np.random.default_rng(0)
    label_ids, noise = generator.normal(size=500), generator.normal(size=500)
    decided = [Decided(label_ids + scale * noise, label_ids, NUMBER) for scale in (0.8, 0.6, 0.5, 0.42)]
    resampled = Resampled.of(decided)
    std, _ = NUMBER.output_scale
    assert resampled.values[0] == pytest.approx(0.8 * std * np.sqrt((noise**2).mean()))
    found = extrapolate(ROWS, resampled, 2000)
    assert found["low"] <= found["value"] < resampled.values[-1] and found["gain"] > 0
