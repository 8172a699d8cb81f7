"""Numbers as people read them."""

from __future__ import annotations

import doctest
import math

import pytest

from classification.report import number_format
from classification.report.number_format import count, duration, number, percent, size
from classification.report.page import baselines_section, findings_section, headline_section


@pytest.mark.parametrize("module", [number_format, baselines_section, findings_section, headline_section])
def test_the_examples_of_the_docstrings_hold(module):
    tested = doctest.testmod(module)
    assert tested.attempted and not tested.failed


@pytest.mark.parametrize("show", [number, percent, count, duration, size])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, "text", True])
def test_what_is_no_number_is_a_dash(show, value):
    assert show(value) == "–"


def test_nearly_all_is_never_shown_as_all():
    assert (
        percent(0.9999) == ">99.9%" and percent(1.0) == "100%" and percent(0.0001) == "<0.1%" and percent(0.0) == "0%"
    )
