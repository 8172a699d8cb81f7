"""The slices of the report: read from the results, or computed from predictions.csv for a run that measured none."""

from __future__ import annotations

import pytest
from report_rows import multi_run, number_run, random_run, single_run

from classification.report.page.slice_tables import by_column, slices_of


def entry(column, value, rows, figure, cost, metric="accuracy"):
    limits = {f"{metric}_low": figure - 0.1, f"{metric}_high": figure + 0.1}
    return {"column": column, "value": value, "rows": rows, metric: figure, **limits, "cost": cost}


def test_the_columns_come_in_the_order_of_their_costliest_value():
    results = [entry("a", "x", 10, 0.5, 3.0), entry("b", "y", 10, 0.2, 7.0), entry("a", "z", 10, 0.9, -3.0)]
    columns = by_column(slices_of(random_run(30, metrics={"test_slices": results}), "test"))
    assert list(columns) == ["b", "a"] and [one.value for one in columns["a"]] == ["x", "z"]


def test_a_slice_is_worse_where_its_whole_interval_is_on_the_worse_side():
    one = slices_of(random_run(30, metrics={"test_slices": [entry("a", "x", 10, 0.5, 3.0)]}), "test")[0]
    assert one.is_worse(0.7, "accuracy") and not one.is_worse(0.55, "accuracy") and not one.is_worse(None, "accuracy")
    assert one.is_worse(0.3, "rmse") and not one.is_worse(0.7, "rmse")


def test_the_cost_of_numbers_is_a_share_of_all_squared_error():
    results = [entry("a", "x", 10, 2.0, 30.0, "rmse"), entry("a", "y", 20, 1.0, -60.0, "rmse")]
    run = number_run([1.0, 2.0], [1.0, 3.0], metrics={"test_slices": results})
    assert [one.cost for one in slices_of(run, "test")] == pytest.approx([30 / 60, -60 / 60])


def test_a_run_without_measured_slices_gets_them_from_its_predictions():
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    run = single_run(
        [0] * 40 + [None],
        [right] * 15 + [wrong] * 5 + [right] * 20 + [right],
        slices={"source": ["web"] * 20 + ["app"] * 20 + ["app"]},
    )
    found = {(one.column, one.value): one for one in slices_of(run, "test")}
    web = found["source", "web"]
    assert (web.rows, web.figure) == (20, 0.75) and web.low < 0.75 < web.high
    assert web.cost == pytest.approx(5) and found["source", "app"].cost == pytest.approx(-5)
    assert sum(one.rows for key, one in found.items() if key[0] == "length") == 40


def test_computed_slices_work_for_every_task_and_for_no_labels():
    several = multi_run([[1.0, 0.0], [0.0, 1.0]] * 20, [[0.9, 0.1], [0.9, 0.2]] * 20)
    numbers = number_run(range(40), [value + 1 for value in range(40)])
    assert {one.column for one in slices_of(several, "test")} == {"length"}
    assert all(one.figure == pytest.approx(1.0) for one in slices_of(numbers, "test"))
    assert slices_of(single_run([None] * 3, [[0.9, 0.1]] * 3), "test") == []


def test_a_validation_figure_is_read_and_never_computed():
    run = random_run(30, metrics={"eval_slices": [entry("a", "x", 10, 0.5, 3.0)]})
    assert [one.value for one in slices_of(run, "validation")] == ["x"]
    assert slices_of(random_run(30), "validation") == []
