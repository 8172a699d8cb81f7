"""A slice has its rows, its metric and its cost; what costs most comes first."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset

from classification.data.tasks import infer_task
from classification.evaluation.predictions import Predictions
from classification.evaluation.slices import describe_cost, slice_results, spread_and_slices

TWO = infer_task(["no", "yes"])
SEVERAL = infer_task([["a", "b"], ["c"], []])
NUMBER = infer_task([1.0, 2.5, 5.5])


def predictions_of(label_ids, logits, lengths=None, read=None, **slices) -> Predictions:
    """Rows with other texts and the columns `slice.<name>`; texts of one length that are not cut."""
    count = len(logits)
    lengths = np.full(count, 8) if lengths is None else np.array(lengths)
    columns = {"id": [f"r{i}" for i in range(count)], "text": [f"text {i}" for i in range(count)]}
    columns |= {"label": list(label_ids)} | {f"slice.{name}": list(cells) for name, cells in slices.items()}
    return Predictions(
        Dataset.from_dict(columns), np.array(logits), lengths if read is None else np.array(read), lengths
    )


def right_or_wrong(right, **more) -> Predictions:
    """Rows of the class `no`, of which the model has some right."""
    return predictions_of([0] * len(right), np.eye(2)[[0 if each else 1 for each in right]], **more)


def test_rows_whose_text_is_in_train_are_a_slice():
    """The result without them is the one to trust."""
    predictions = right_or_wrong([1, 1, 1, 0, 1, 0])
    seen = replace(predictions, in_train=np.array([True, True, False, False, False, False]))
    found = by_value(slice_results(seen, TWO), "in train")
    assert {value: (one["rows"], one["accuracy"]) for value, one in found.items()} == {"yes": (2, 1.0), "no": (4, 0.5)}
    for same in (np.zeros(6, bool), np.ones(6, bool), None):
        assert not by_value(slice_results(replace(predictions, in_train=same), TWO), "in train")


def by_value(results, column) -> dict[str, dict]:
    return {result["value"]: result for result in results if result["column"] == column}


def test_the_cost_is_the_number_of_rows_that_would_be_right_as_well():
    """10 of 20 rows of irony are right, and 72 of the 80 others: 18 would be, if irony were as good."""
    right = [1] * 10 + [0] * 10 + [1] * 72 + [0] * 8
    results = slice_results(right_or_wrong(right, kind=["irony"] * 20 + ["plain"] * 80), TWO)
    kinds = by_value(results, "kind")
    assert (kinds["irony"]["rows"], kinds["irony"]["accuracy"], kinds["irony"]["cost"]) == (20, 0.5, pytest.approx(8))
    assert kinds["plain"]["cost"] == pytest.approx(80 * (0.5 - 0.9))
    assert kinds["irony"]["accuracy_low"] < 0.5 < kinds["irony"]["accuracy_high"] < 0.9
    assert [result["cost"] for result in results] == sorted((result["cost"] for result in results), reverse=True)
    assert results[0]["value"] == "irony"


def test_a_large_slice_a_little_worse_costs_more_than_a_small_one_much_worse():
    right = [1] * 100 + [0] * 100 + [1] * 95 + [0, 0] + [1] * 3
    results = slice_results(
        right_or_wrong(right, kind=["large"] * 200 + ["fine"] * 95 + ["small"] * 2 + ["x"] * 3), TWO
    )
    costs = {value: result["cost"] for value, result in by_value(results, "kind").items()}
    assert costs["large"] > 90 and 0 < costs["small"] < 2


def test_a_slice_of_all_rows_costs_nothing():
    (result,) = by_value(slice_results(right_or_wrong([1, 0, 1, 0], kind=["a"] * 4), TWO), "kind").values()
    assert result["cost"] == 0.0 and result["rows"] == 4


def test_long_lengths_have_separators():
    results = slice_results(right_or_wrong([1] * 20 + [0] * 20, lengths=[5] * 20 + [200_003] * 20), TWO)
    assert set(by_value(results, "length")) == {"5", "200,003"}


def test_lengths_are_always_there_and_count_the_whole_text():
    lengths = [5] * 30 + [40] * 30 + [300] * 30
    read = [min(length, 64) for length in lengths]
    results = slice_results(right_or_wrong([1] * 60 + [0] * 30, lengths=lengths, read=read), TWO)
    assert {value: each["rows"] for value, each in by_value(results, "length").items()} == {
        "5": 30,
        "40": 30,
        "300": 30,
    }
    cut = by_value(results, "truncated")
    assert (cut["yes"]["rows"], cut["yes"]["accuracy"], cut["no"]["accuracy"]) == (30, 0.0, 1.0)


@pytest.mark.parametrize("read", [8, 4])
def test_truncation_is_no_slice_where_all_rows_are_cut_or_none(read):
    results = slice_results(right_or_wrong([1] * 20, read=[read] * 20), TWO)
    assert not by_value(results, "truncated") and len(by_value(results, "length")) == 1


def test_rows_without_a_label_do_not_count():
    made = predictions_of([0, None, 0, None], np.eye(2)[[0, 1, 1, 1]], kind=["a", "a", "b", "c"])
    assert {value: each["rows"] for value, each in by_value(slice_results(made, TWO), "kind").items()} == {
        "a": 1,
        "b": 1,
    }


def test_one_row_has_a_metric_and_no_interval():
    one = by_value(slice_results(right_or_wrong([1, 0, 0], kind=["a", "b", "b"]), TWO), "kind")["a"]
    assert one["accuracy"] == 1.0 and one["accuracy_low"] is None is one["accuracy_high"]


def test_several_labels_have_their_headline_and_the_cost_counts_rows_that_are_all_right():
    label_ids = [[1.0, 0, 0], [1.0, 1, 0], [0.0, 0, 0], [0.0, 0, 1]]
    logits = [[1.0, -1, -1], [1.0, -1, -1], [-1.0, -1, -1], [-1.0, -1, 1]]
    kinds = by_value(slice_results(predictions_of(label_ids, logits, kind=["a", "a", "b", "b"]), SEVERAL), "kind")
    assert kinds["a"]["f1_micro"] == pytest.approx(0.8) and kinds["a"]["cost"] == pytest.approx(1.0)
    assert kinds["b"]["cost"] == pytest.approx(-1.0) and "rows" in describe_cost(SEVERAL)


def test_a_slice_without_any_label_given_or_predicted_has_no_f1():
    made = predictions_of([[0.0, 0, 0], [1.0, 0, 0]], [[-1.0, -1, -1], [1.0, -1, -1]], kind=["empty", "full"])
    empty = by_value(slice_results(made, SEVERAL), "kind")["empty"]
    assert empty["f1_micro"] is None and json.dumps(empty, allow_nan=False)


def test_the_cost_of_numbers_is_squared_error_in_their_own_units():
    """Errors of 2 units in two rows, of 1 unit in the other two: 2 x 4 - 2 x 1."""
    encoded = [NUMBER.encode(value) for value in (1.0, 2.0, 3.0, 4.0)]
    decided = [[NUMBER.encode(value)] for value in (3.0, 4.0, 4.0, 3.0)]
    kinds = by_value(slice_results(predictions_of(encoded, decided, kind=["a", "a", "b", "b"]), NUMBER), "kind")
    assert kinds["a"]["rmse"] == pytest.approx(2) and kinds["b"]["rmse"] == pytest.approx(1)
    assert kinds["a"]["cost"] == pytest.approx(6) and "squared error" in describe_cost(NUMBER)


class ByMacroF1(type(TWO)):
    headline = "f1_macro"


def test_a_task_may_have_another_headline():
    task = ByMacroF1(("no", "yes"))
    results = slice_results(right_or_wrong([1] * 15 + [0] * 5, kind=["a", "b"] * 10), task)
    assert all(each["f1_macro_low"] <= each["f1_macro"] <= each["f1_macro_high"] for each in results)
    assert by_value(results, "kind")["a"]["cost"] == pytest.approx(-1 if results[0]["value"] == "b" else 1)


def test_metrics_intervals_and_slices_come_together():
    made = right_or_wrong([1] * 15 + [0] * 5, kind=["a", "b"] * 10)
    found = spread_and_slices(made, {"accuracy": 0.75, "f1_macro": float("nan"), "loss": 0.3}, TWO)
    assert found.keys() == {"accuracy_low", "accuracy_high", "slices"}
    assert {each["column"] for each in found["slices"]} == {"kind", "length"}
