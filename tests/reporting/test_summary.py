"""The end of a run shows each metric with its interval, and the slices that cost most."""

from __future__ import annotations

import pytest

from classification.data.tasks import infer_task
from classification.reporting.summary import log_metrics, split_summary

TWO = infer_task(["no", "yes"])
NUMBER = infer_task([1.5, 2.5, 5.5])


def figures_of(task, prefix: str, **more) -> dict:
    """Metrics of a split, 0.5 each."""
    return {f"{prefix}_scored": 20, f"{prefix}_loss": 0.25} | {
        f"{prefix}_{name}": value for name, value in (dict.fromkeys(task.main_metrics, 0.5) | more).items()
    }


def slice_of(column: str, value: str, cost: float, **more) -> dict:
    limits = {"accuracy": 0.5, "accuracy_low": 0.25, "accuracy_high": 0.75}
    return {"column": column, "value": value, "rows": 8, **limits, "cost": cost} | more


@pytest.fixture
def shown(caplog):
    """A function that returns what `log_metrics` prints."""
    caplog.set_level("INFO")

    def log(metrics, task=TWO) -> str:
        caplog.clear()
        log_metrics(metrics, task)
        return "\n".join(caplog.messages)

    return log


def test_a_metric_has_its_interval_and_its_split(shown):
    metrics = figures_of(TWO, "eval") | figures_of(TWO, "test", accuracy_low=0.31, accuracy_high=0.695)
    lines = {line.split()[0]: line for line in shown(metrics).splitlines() if line.strip()}
    assert lines["validation"].split() == ["validation", "test"]
    assert lines["accuracy"].split("  ")[0] == "accuracy" and lines["accuracy"].endswith(" 0.500 (0.310 to 0.695)")
    assert " 0.5000 " in lines["accuracy"]  # validation has no interval here
    assert lines["loss"].split() == ["loss", "0.2500", "0.2500"] and lines["rows"].split() == ["rows", "20", "20"]
    assert len({len(lines[name]) for name in ("accuracy", "loss", "rows", "mcc")}) == 1


def test_a_metric_that_is_nan_is_blank(shown):
    metrics = figures_of(TWO, "test", mcc=float("nan"))
    assert [line.strip() for line in shown(metrics).splitlines() if line.startswith("mcc")] == ["mcc"]


def test_the_five_costliest_slices_are_shown_and_where_the_others_are(shown):
    slices = [slice_of("kind", f"k{i}", 9.5 - i) for i in range(12)] + [slice_of("length", "3 to 5", -1.0)]
    text = shown(figures_of(TWO, "test") | {"test_slices": slices})
    assert "slices of test" in text and "kind: k4" in text and "kind: k5" not in text and "length" not in text
    assert text.index("kind: k0") < text.index("kind: k1")
    assert "0.500 (0.250 to 0.750)" in text and "9.5" in text
    assert "all 13 slices are in all_results.json (test_slices)" in text and "rows that would be right" in text


def test_slices_of_validation_are_shown_where_test_has_none(shown):
    text = shown(figures_of(TWO, "eval") | {"eval_slices": [slice_of("length", "3 to 5", 1.0)]})
    assert "slices of validation" in text and "(eval_slices)" in text


def test_no_table_of_slices_where_none_costs_anything(shown):
    assert "slices" not in shown(figures_of(TWO, "test") | {"test_slices": [slice_of("length", "3", 0.0)]})


def test_a_slice_without_an_interval_or_a_metric_is_shown(shown):
    one = slice_of("kind", "one", 2.0, accuracy_low=None, accuracy_high=None)
    none = slice_of("kind", "none", 1.0, accuracy=None, accuracy_low=None, accuracy_high=None)
    lines = shown(figures_of(TWO, "test") | {"test_slices": [one, none]}).splitlines()
    assert next(line.split() for line in lines if "kind: one" in line)[2:] == ["8", "0.5000", "2.0"]
    assert next(line.split() for line in lines if "kind: none" in line)[2:] == ["8", "1.0"]


def test_the_slices_of_numbers_cost_squared_error(shown):
    each = {"column": "kind", "value": "a", "rows": 3, "rmse": 2.0, "rmse_low": 1.0, "rmse_high": 3.0, "cost": 4.0}
    assert "squared error" in shown(figures_of(NUMBER, "test") | {"test_slices": [each]}, NUMBER)


def test_a_long_or_wide_value_keeps_the_columns_in_place(shown):
    slices = [slice_of("kind", "電影" * 30, 3.0), slice_of("kind", "a\nb", 2.0), slice_of("kind", "x", 1.0)]
    lines = shown(figures_of(TWO, "test") | {"test_slices": slices}).splitlines()
    assert [line.split()[-1] for line in lines if "0.500 (" in line] == ["3.0", "2.0", "1.0"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"accuracy_low": 0.42, "accuracy_high": 0.58}, "[Test] loss=0.2500 acc=0.5000 (0.420 to 0.580)"),
        ({}, "[Test] loss=0.2500 acc=0.5000"),
        ({"accuracy": float("nan")}, "[Test] loss=0.2500"),
    ],
)
def test_the_line_of_test_ends_with_the_interval_of_its_headline(more, text):
    (line,) = split_summary("Test", {"loss": 0.25, "accuracy": 0.5} | more, TWO)
    assert line.text == text


def test_a_test_without_labels_has_no_line():
    assert split_summary("Test", {"samples": 3}, TWO) == []
