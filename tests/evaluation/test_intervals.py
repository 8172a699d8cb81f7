"""Intervals cover the truth at their rate, are honest at the edges, and are those of drawing rows one by one."""

from __future__ import annotations

import time

import numpy as np
import pytest
from datasets import Dataset
from scipy.stats import binomtest, bootstrap
from sklearn.metrics import average_precision_score, f1_score

from classification.data.tasks import infer_task
from classification.evaluation import intervals as intervals_file
from classification.evaluation.intervals import interval_keys, intervals, shown_with_interval
from classification.evaluation.labelled_rows import LabelledRows, equal_texts
from classification.evaluation.metrics import METRICS
from classification.evaluation.predictions import Predictions
from classification.evaluation.slices import spread_and_slices

TWO = infer_task(["no", "yes"])
THREE = infer_task(["a", "b", "c"])
SEVERAL = infer_task([["a", "b"], ["c"], []])
NUMBER = infer_task([1.5, 2.5, 5.5])


def rows_of(task, label_ids, logits, units=None) -> LabelledRows:
    units = np.arange(len(label_ids)) if units is None else units
    return LabelledRows(task, label_ids, task.decide(logits), task.probabilities(logits), units)


def drawn_rows(task, count: int, seed: int = 0) -> LabelledRows:
    """Rows of a model that is right more often than not."""
    draw = np.random.default_rng(seed)
    noise = draw.normal(size=(count, task.num_labels))
    if task is SEVERAL:
        label_ids = (draw.random((count, 3)) < (0.5, 0.3, 0.1)).astype(float)
        return rows_of(task, label_ids, 3 * label_ids - 1.5 + noise)
    if task is NUMBER:
        label_ids = draw.normal(size=count)
        return rows_of(task, label_ids, label_ids[:, None] + noise)
    label_ids = draw.integers(0, task.num_labels, count)
    return rows_of(task, label_ids, 1.5 * np.eye(task.num_labels)[label_ids] + noise)


def main_values(rows: LabelledRows) -> dict[str, float]:
    return {name: rows.score(name) for name in rows.task.main_metrics}


def two_rows(wrong: int, count: int) -> LabelledRows:
    """Rows of two classes in turn, of which the first ones are wrong."""
    label_ids = np.arange(count) % 2
    decisions = np.where(np.arange(count) < wrong, 1 - label_ids, label_ids)
    return rows_of(TWO, label_ids, 2.0 * np.eye(2)[decisions])


# ------------------------------------------------------------------------------------------------------------ coverage


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
@pytest.mark.parametrize("count", [50, 500])
def test_95_of_100_intervals_cover_the_accuracy_of_the_source(count, share):
    draw, covered = np.random.default_rng(1), []
    for _ in range(300):
        label_ids = np.zeros(count, dtype=np.int64)
        rows = LabelledRows(TWO, label_ids, (draw.random(count) >= share).astype(int), None, np.arange(count))
        low, high = intervals({"accuracy": rows.score("accuracy")}, rows)["accuracy"]
        covered.append(low - 1e-9 <= share <= high + 1e-9)
    assert 0.91 <= np.mean(covered) <= 1.0  # 80% intervals cover at most 0.87
    if share == 0.5:
        assert np.mean(covered) <= 0.985  # exact ones of 99% cover more


def test_most_intervals_of_a_correlation_cover_that_of_the_source():
    draw, covered = np.random.default_rng(2), []
    for _ in range(40):
        label_ids = draw.normal(size=100)
        rows = rows_of(NUMBER, label_ids, (label_ids + draw.normal(size=100))[:, None])
        low, high = intervals({"pearson": rows.score("pearson")}, rows)["pearson"]
        covered.append(low <= np.sqrt(0.5) <= high)
    assert np.mean(covered) >= 0.875


# --------------------------------------------------------------------------------------------------- the same as scipy


def test_the_interval_of_macro_f1_is_that_of_scipy():
    rows = drawn_rows(THREE, 200)
    low, high = intervals({"f1_macro": rows.score("f1_macro")}, rows)["f1_macro"]
    theirs = bootstrap(
        (rows.references, rows.predictions), lambda *sides: f1_score(*sides, average="macro"), paired=True,
        vectorized=False, n_resamples=200, method="percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_the_interval_of_average_precision_is_that_of_scipy():
    rows = drawn_rows(TWO, 150)
    low, high = intervals({"average_precision": rows.score("average_precision")}, rows)["average_precision"]

    def metric(truth, yes):
        return (average_precision_score(truth, yes) + average_precision_score(1 - truth, 1 - yes)) / 2

    theirs = bootstrap(
        (rows.references, rows.probabilities[:, 1]), metric, paired=True, vectorized=False, n_resamples=300,
        method="percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.02)


def test_several_labels_are_resampled_by_row_and_not_by_label():
    """All labels of a row are right or wrong together, so that there are 60 answers and not 180."""
    draw = np.random.default_rng(0)
    label_ids = np.ones((60, 3))
    logits = np.where(draw.random(60) < 0.7, 1.0, -1.0)[:, None] * label_ids
    rows = rows_of(SEVERAL, label_ids, logits)
    low, high = intervals({"f1_micro": rows.score("f1_micro")}, rows)["f1_micro"]
    theirs = bootstrap(
        (np.arange(60),), lambda drawn: rows.take(drawn).score("f1_micro"), vectorized=False,
        n_resamples=100, method="percentile", rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.04)


@pytest.mark.parametrize("task", [TWO, THREE, SEVERAL, NUMBER])
@pytest.mark.parametrize("count", [2, 7, 300])
def test_every_main_metric_is_resampled_fast_and_without_another_definition(task, count):
    rows = drawn_rows(task, count, seed=count)
    values = {name: value for name, value in main_values(rows).items() if np.isfinite(value)}
    assert intervals_file.resampled(values, rows).keys() == values.keys()
    for name, (low, high) in intervals(values, rows).items():
        assert low <= values[name] <= high


def test_equal_probabilities_and_equal_numbers_share_their_ranks():
    draw = np.random.default_rng(0)
    label_ids = draw.integers(0, 2, 200)
    ties = rows_of(TWO, label_ids, np.round(draw.normal(size=(200, 2)) + np.eye(2)[label_ids]))
    numbers = rows_of(NUMBER, np.round(draw.normal(size=200)), np.round(draw.normal(size=(200, 1))))
    for rows, name in ((ties, "average_precision"), (numbers, "spearman")):
        value = rows.score(name)
        assert name in intervals_file.resampled({name: value}, rows)
        low, high = intervals({name: value}, rows)[name]
        assert low < value < high


def test_a_metric_of_another_definition_is_computed_anew(monkeypatch):
    """A task of another kind may have a metric of a known name."""
    monkeypatch.setitem(METRICS["single_label"], "mcc", lambda references, predictions, probabilities: 10.0
                        + (references == predictions).mean())  # fmt: skip
    rows = drawn_rows(TWO, 80)
    low, high = intervals({"mcc": rows.score("mcc")}, rows)["mcc"]
    assert 10 < low < rows.score("mcc") < high <= 11


# ------------------------------------------------------------------------------------------------------------ the edges


@pytest.mark.parametrize("wrong", [0, 20])
def test_where_all_rows_are_right_or_wrong_the_interval_is_exact(wrong):
    rows = two_rows(wrong, 20)
    found = intervals(main_values(rows), rows)
    exact = binomtest(20 - wrong, 20).proportion_ci(method="exact")
    assert found["accuracy"] == pytest.approx((exact.low, exact.high))
    for name in ("balanced_accuracy", "f1_macro"):
        assert found[name] == pytest.approx((exact.low, exact.high), abs=1e-9)
    other = 2 * (exact.low if wrong == 0 else exact.high) - 1  # of two classes of 10 rows each
    assert found["mcc"] == pytest.approx((other, 1.0) if wrong == 0 else (-1.0, other))


def test_a_perfect_order_has_no_interval_of_no_width():
    rows = two_rows(0, 20)
    assert intervals({"average_precision": 1.0}, rows)["average_precision"][0] == pytest.approx(0.8316, abs=1e-3)


def test_one_error_more_does_not_raise_the_limits():
    """But for two hundredths where the exact interval ends and the bootstrap begins."""
    limits = [intervals({"accuracy": two_rows(wrong, 30).score("accuracy")}, two_rows(wrong, 30))["accuracy"]
              for wrong in range(31)]  # fmt: skip
    for better, worse in zip(limits, limits[1:], strict=False):
        assert worse[0] <= better[0] + 0.02 and worse[1] <= better[1] + 0.02
    assert all(low < high for low, high in limits)


def test_several_labels_that_are_all_right_have_an_interval():
    label_ids = (np.random.default_rng(0).random((30, 3)) < 0.5).astype(float)
    rows = rows_of(SEVERAL, label_ids, 4 * label_ids - 2)
    found = intervals(main_values(rows), rows)
    assert found.keys() == set(SEVERAL.main_metrics)
    assert all(0.7 < low < 1.0 == high for low, high in found.values())


def test_what_hardly_differs_between_resamples_has_no_interval():
    """A model with one answer has a balanced accuracy of 0.5 in every resample: nothing tells how far off that is."""
    rows = rows_of(TWO, np.arange(40) % 2, np.tile([1.0, 0.0], (40, 1)))
    assert intervals(main_values(rows), rows).keys() == {"accuracy", "f1_macro"}


@pytest.mark.parametrize("task", [TWO, SEVERAL, NUMBER])
def test_one_row_has_no_interval(task):
    rows = drawn_rows(task, 1)
    assert intervals(main_values(rows), rows) == {}


def test_a_metric_that_is_nan_has_no_interval():
    rows = rows_of(NUMBER, np.zeros(30), np.random.default_rng(0).normal(size=(30, 1)))
    found = interval_keys(main_values(rows), rows)
    assert found.keys() == {"mae_low", "mae_high", "rmse_low", "rmse_high"}


def test_a_metric_that_few_resamples_define_has_no_interval():
    """Two rows of two classes: half of the resamples have one class, for which there is no correlation."""
    rows = rows_of(NUMBER, np.array([0.0, 1.0]), np.array([[0.1], [0.5]]))
    assert "pearson" not in intervals(main_values(rows), rows)


def test_a_class_that_a_resample_lacks_does_not_count_in_it():
    label_ids = np.array([0] * 39 + [1])
    rows = rows_of(TWO, label_ids, np.eye(2)[np.where(np.arange(40) < 4, 1, label_ids)])
    low, high = intervals({"f1_macro": rows.score("f1_macro")}, rows)["f1_macro"]
    assert 0 < low < rows.score("f1_macro") < high <= 1


# --------------------------------------------------------------------------------------------------------- equal texts


def test_rows_with_one_text_are_drawn_together():
    rows = drawn_rows(TWO, 100)
    four = rows.take(np.repeat(np.arange(100), 4))
    apart = LabelledRows(TWO, four.label_ids, four.decisions, four.probabilities, np.arange(400))
    values = main_values(rows)
    once, together, alone = (intervals(values, each) for each in (rows, four, apart))
    for name in values:
        assert together[name] == pytest.approx(once[name], abs=0.02)
        assert np.diff(alone[name]) < 0.7 * np.diff(together[name])


def test_one_text_in_all_rows_has_no_interval():
    rows = drawn_rows(TWO, 20).take(np.arange(20))
    assert intervals(main_values(rows), LabelledRows(**{**vars(rows), "units": np.zeros(20, dtype=int)})) == {}


def test_predictions_of_repeated_texts_have_wider_intervals():
    right = np.random.default_rng(0).random(50) < 0.7
    widths = {}
    for name, texts in (
        ("apart", [f"text {i}" for i in range(200)]),
        ("together", [f"text {i // 4}" for i in range(200)]),
    ):
        columns = {"id": [str(i) for i in range(200)], "text": texts, "label": [0] * 200}
        logits = np.eye(2)[np.where(np.repeat(right, 4), 0, 1)]
        made = Predictions(Dataset.from_dict(columns), logits, np.ones(200), np.ones(200))
        found = spread_and_slices(made, {"accuracy": right.mean()}, TWO)
        widths[name] = found["accuracy_high"] - found["accuracy_low"]
    assert 1.5 < widths["together"] / widths["apart"] < 2.6  # twice, as of a quarter of the rows


def test_equal_texts_are_found_in_single_texts_and_pairs():
    texts, seconds = ["a", "b", "a", "a"], ["x", "x", "y", "x"]
    assert equal_texts(Dataset.from_dict({"text": texts})).tolist() == [0, 1, 0, 0]
    one, two, three, four = equal_texts(Dataset.from_dict({"text": texts, "text_pair": seconds}))
    assert one == four and len({one, two, three}) == 3
    assert len(set(equal_texts(Dataset.from_dict({"text": ["a", "a"], "text_pair": [None, "x"]})))) == 2


# ------------------------------------------------------------------------------------------------------ of predictions


def test_rows_without_a_label_do_not_count():
    rows = Dataset.from_dict({"id": list("abcd"), "text": list("abcd"), "label": [0, None, 1, None]})
    logits = np.array([[1.0, 0], [0, 1], [0, 1], [0, 1]])
    labelled, places = LabelledRows.of(Predictions(rows, logits, np.ones(4), np.ones(4)), TWO)
    assert places.tolist() == [0, 2] and labelled.score("accuracy") == 1.0


@pytest.mark.parametrize("label", [None, [None, None]])
def test_rows_without_any_label_have_nothing(label):
    columns = {"id": ["a", "b"], "text": ["a", "b"]} | ({"label": label} if label else {})
    made = Predictions(Dataset.from_dict(columns), np.zeros((2, 2)), np.ones(2), np.ones(2))
    assert spread_and_slices(made, {}, TWO) == {}


def test_a_model_that_has_diverged_has_nothing():
    rows = Dataset.from_dict({"id": ["a", "b"], "text": ["a", "b"], "label": [0, 1]})
    made = Predictions(rows, np.full((2, 2), np.nan), np.ones(2), np.ones(2))
    assert spread_and_slices(made, {"accuracy": float("nan")}, TWO) == {}


def test_the_same_rows_have_the_same_interval():
    first, second = (intervals(main_values(rows), rows) for rows in (drawn_rows(TWO, 90), drawn_rows(TWO, 90)))
    assert first == second


@pytest.mark.slow
def test_large_splits_cost_seconds():
    """Processor time of one core; the limits leave room for a slow machine."""
    small, large = drawn_rows(TWO, 25_000), drawn_rows(TWO, 200_000)
    for rows, names, limit in (
        (small, ("average_precision",), 2.0),
        (large, ("average_precision",), 15.0),
        (large, ("accuracy", "f1_macro", "mcc"), 1.0),
    ):
        values = {name: rows.score(name) for name in names}
        start = time.process_time()
        assert intervals(values, rows).keys() == set(names)
        assert time.process_time() - start < limit


# -------------------------------------------------------------------------------------------------------------- printed


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ((0.873, 0.861, 0.885), "0.873 (0.861 to 0.885)"),
        ((0.98331, 0.98172, 0.98496), "0.9833 (0.9817 to 0.9850)"),
        ((1.0, 0.8316, 1.0), "1.000 (0.832 to 1.000)"),
        ((0.000412, 0.000391, 0.00044), "0.000412 (0.000391 to 0.000440)"),
        ((15300.2, 14100.7, 16900.1), "15300.2 (14100.7 to 16900.1)"),
        ((-0.25, -0.5, 0.1), "-0.250 (-0.500 to 0.100)"),
        ((0.5, None, None), "0.500"),
    ],
)
def test_an_interval_is_printed_with_the_digits_that_it_supports(figures, text):
    assert shown_with_interval(*figures) == text
