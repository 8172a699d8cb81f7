"""The interval of a share is inside 0 and 1, and is Wilson's."""

from __future__ import annotations

import pytest
from scipy.stats import binomtest

from classification.evaluation.share_interval import wilson_interval


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_an_interval_holds_its_share(count):
    low, high = wilson_interval(0.3, count, 2.6)
    assert low < 0.3 < high
    assert wilson_interval(0, count, 2.6)[0] >= -1e-12 and wilson_interval(1, count, 2.6)[1] <= 1 + 1e-12


def test_the_interval_is_that_of_scipy():
    expected = binomtest(30, 100).proportion_ci(0.95, method="wilson")
    assert wilson_interval(0.3, 100, 1.959964) == pytest.approx((expected.low, expected.high), abs=1e-6)
