"""The section about the learning curve: its verdict, its table, and where the plot has room for numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_rows import rendered, single_run, words

from classification.report.page.figures import drawing, write_figure
from classification.report.page.learning_curve_figure import apart, draw_learning_curve
from classification.report.page.learning_curve_section import learning_curve_section
from classification.report.page.learning_curve_words import extrapolation_words, verdict_words

RUN = single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]])
GAIN = {
    "percent": 50, "from_rows": 500, "to_rows": 1000, "rows": 200, "difference": 0.021, "low": 0.004, "high": 0.039,
    "verdict": "the model wins",
}  # fmt: skip
FURTHER = {
    "rows": 2000, "value": 0.891, "low": 0.87, "high": 0.912, "gain": 0.011, "gain_low": 0.001, "gain_high": 0.02,
    "a": 0.05, "b": 0.08, "c": 0.5, "scale": 1000.0,
}  # fmt: skip
CURVE = {
    "metric": "accuracy", "validation_rows": 200, "gain": GAIN, "extrapolation": FURTHER,
    "points": [
        {"percent": percent, "rows": round(10 * percent), "val_loss": 0.5, "accuracy": value, "low": value - 0.05,
         "high": value + 0.05, "seconds": percent}
        for percent, value in ((12.5, 0.7), (25, 0.8), (50, 0.86), (100, 0.88))
    ],
    "left_out": [{"percent": 1, "why": "its 10 rows are less than one batch of 16"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "gain", "verdict"),
    [
        ("accuracy", {}, "more labels would help: 50% to 100% of train raised accuracy by 2.1 points (0.4 to 3.9)"),
        ("accuracy", {"verdict": "within noise", "low": -0.012},
         "no clear gain: 50% to 100% of train changed accuracy by +2.1 points (−1.2 to +3.9)"),
        ("accuracy", {"verdict": "the baseline wins", "difference": -0.03, "low": -0.05, "high": -0.01},
         "more labels did not help: 50% to 100% of train changed accuracy by −3.0 points (−5.0 to −1.0)"),
        ("f1_micro", {}, "raised micro F1 by 0.021 (0.004 to 0.039)"),
        ("rmse", {"difference": -1.2, "low": -2.0, "high": -0.4},
         "more labels would help: 50% to 100% of train lowered root mean squared error by 1.20 (0.400 to 2)"),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_the_paired_test(metric, gain, verdict):
    words = verdict_words(CURVE | {"metric": metric, "gain": GAIN | gain})
    assert verdict in words and words.endswith("on 200 validation rows")


def test_a_point_that_has_collapsed_is_named_in_the_verdict():
    points = [CURVE["points"][0] | {"collapsed": "it predicts yes for all rows"}, *CURVE["points"][1:]]
    assert "(the model has collapsed at 12.5%: change the training first)" in verdict_words(CURVE | {"points": points})


def test_twice_the_rows_have_an_interval_or_a_reason():
    assert extrapolation_words(CURVE) == (
        "2,000 rows may give accuracy 89.1% (87.0% to 91.2%), better by 1.1 points (0.1 to 2.0), if the power law of "
        "these points goes on"
    )
    absent = CURVE | {"extrapolation": {"absent": "nothing is gained clearly"}}
    assert extrapolation_words(absent) == "not continued beyond 1,000 rows: nothing is gained clearly"


def test_the_section_has_the_verdict_the_plot_and_each_point():
    text = words(rendered(learning_curve_section, replace(RUN, record={"learning_curve": CURVE})))
    assert "More labels would help: 50% to 100% of train raised accuracy" in text
    assert "100% this run 1,000 88.0% (83.0% to 93.0%) 0.500 1 min 40 s" in text and "12.5% 125 70.0%" in text
    assert "1% is left out: its 10 rows are less than one batch of 16." in text
    assert learning_curve_section(replace(RUN, record={"learning_curve": {}})) is None


def test_the_plot_continues_the_curve_only_where_it_is_known(tmp_path):
    with drawing():
        known = draw_learning_curve(CURVE)
        unknown = draw_learning_curve(CURVE | {"extrapolation": {"absent": "too few points"}})
    ends = [max(line.get_xdata().max() for line in figure.axes[0].lines) for figure in (known, unknown)]
    assert ends == [2000, 1000]
    write_figure(tmp_path / "curve.svg", lambda: draw_learning_curve(CURVE))
    assert "training rows" in (tmp_path / "curve.svg").read_text(encoding="utf-8")


def test_numbers_on_the_axis_do_not_touch():
    assert apart([100, 110, 250, 480, 500, 1000]) == [110, 250, 500, 1000]
    assert apart([7]) == [7]
