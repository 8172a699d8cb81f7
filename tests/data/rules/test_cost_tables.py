"""A table of costs has every class once, and warns about what is probably not meant."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from helpers import assert_refused

from classification.data.rules.cost_problems import describe_problems, never_cheapest
from classification.data.rules.cost_tables import CostTable, costs_in_order, table_of, weights_of

NAMES = ("1", "2", "10")


def ordered(rows):
    return costs_in_order(CostTable("--costs c.csv", rows).checked(), NAMES)


def test_names_decide_the_order_and_a_diagonal_may_be_left_out():
    """A number is one class however it is written."""
    rows = {"10": {"1": 5, "2": 6}, "1.0": {"10": 1, "1": 0.5, "2.0": 2}, "2": 3}
    assert ordered(rows) == ((0.5, 2, 1), (3, 0, 3), (5, 6, 0))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"1": 1, "2": 1}, ["--costs c.csv", "no cost for true class '10'", "every class once"]),
        ({"1": 1, "2": 1, "10": {"1": 2}}, ["true class '10' has no cost for predicted class '2'"]),
        ({"1": 1, "2": 1, "10": 1, "3": 1}, ["true class '3' is unknown", "1, 2, 10"]),
        ({"1": 1, "2": 1, "10": {"1": 1, "2": 1, "02": 1}}, ["predicted class '02' is unknown"]),
        ({"1": 1, "1.0": 2, "2": 1, "10": 1}, ["true class '1' is there twice"]),
        ({"1": 1, "2": 1, "10": {"1": 1, "2": None}}, ["true '10', predicted '2' is None"]),
        ({"1": 1, "2": 1, "10": {"1": 1, "2": True}}, ["predicted '2' is True"]),
        ({"1": 1, "2": 1, "10": {"1": 1, "2": [3]}}, ["predicted '2' is [3]"]),
        ({"1": 1, "2": 1, "10": float("inf")}, ["true '10' is inf", "finite"]),
        ({"1": 1, "2": 1, "10": -1e-9}, ["true '10' is -1e-09", "from 0 on"]),
        ({"1": 1, "2": 1, "10": 1e308}, ["true '10' is above 1e+100", "Divide"]),
        ({"1": 1, "2": 1, "10": 10**400}, ["true '10' is above 1e+100", "Divide"]),
        ({}, ["by true and predicted class"]),
        ([[0, 1]], ["by true and predicted class"]),
    ],
)
def test_a_table_that_does_not_fit_is_refused(rows, words):
    assert_refused(words, ordered, rows)


def test_a_table_by_true_class_only_is_written_short():
    short, long = (
        ((0.0, 2.0, 2.0), (1.0, 0.0, 1.0), (3.0, 3.0, 0.0)),
        ((0.0, 2.0, 1.0), (1.0, 0.0, 1.0), (3.0, 3.0, 0.0)),
    )
    assert weights_of(short) == (2.0, 1.0, 3.0) and weights_of(long) is None and weights_of(()) is None
    assert table_of(short, NAMES) == {"1": 2.0, "2": 1.0, "10": 3.0}
    assert table_of(long, NAMES)["1"] == {"1": 0.0, "2": 2.0, "10": 1.0}
    assert ordered(table_of(short, NAMES)) == short and ordered(table_of(long, NAMES)) == long


@pytest.mark.parametrize(
    ("costs", "words"),
    [
        (((0, 1, 1), (1, 0, 1), (1, 1, 0)), []),
        (
            ((0, 1, 1), (1, 0, 1), (0.5, 1, 1)),
            ["right answer is not the cheapest one for '10' (predicting '1'", "never"],
        ),
        (((1, 1, 1), (2, 2, 2), (3, 3, 3)), ["change nothing"]),
        (((0, 1, 2), (1, 0, 2), (1, 1, 3)), ["not the cheapest one for '10'", "'10' can never be predicted"]),
        (((0, 4, 1), (4, 0, 1), (2, 2, 2)), []),  # 10 is the safe answer between the two others
    ],
)
def test_costs_that_are_probably_not_meant_get_a_warning(costs, words):
    lines = describe_problems(costs, NAMES, "--costs c.csv")
    assert all(line.level == logging.WARNING and line.text.startswith("--costs c.csv: ") for line in lines)
    assert len(lines) == len(words) and all(word in line.text for word, line in zip(words, lines, strict=True))


def test_a_class_that_only_a_mixture_beats_is_never_predicted():
    """No single prediction is always cheaper than the third, but where the first two cost the same, both are."""
    costs = np.array([[0.0, 2.0, 1.5], [2.0, 0.0, 1.5]])
    assert never_cheapest(costs, 2) and not never_cheapest(costs, 0)
    assert not never_cheapest(np.array([[0.0, 2.0, 0.5], [2.0, 0.0, 0.5]]), 2)


def test_random_search_finds_what_the_linear_program_promises():
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet(np.ones(4) * 0.4, size=20_000)
    for _ in range(30):
        costs = draw.random((4, 4))
        predicted = set((probabilities @ costs).argmin(axis=1).tolist())
        for chosen in range(4):
            assert chosen not in predicted if never_cheapest(costs, chosen) else True
