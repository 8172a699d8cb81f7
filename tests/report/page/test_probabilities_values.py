"""The numbers behind the plots of probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_rows import multi_run, random_run, single_run
from sklearn.metrics import average_precision_score

from classification.evaluation.probability_quality import expected_calibration_error
from classification.report.page.confidence_figures import draw_reliability
from classification.report.page.confidence_values import (
    Answers,
    abstention_points,
    answers_of,
    confidence_histogram,
    coverage_of,
    reliability_bins,
    stated_probabilities,
    thin,
    widest_gap,
)
from classification.report.page.figures import drawing
from classification.report.page.precision_recall_values import class_curve, pooled_curve, weakest_first
from classification.report.scored_rows import scored_rows


def test_the_confidence_of_a_row_is_the_probability_of_its_decision():
    run = single_run([0, 1], [[0.7, 0.3], [0.6, 0.4]])
    answers = answers_of(scored_rows(run), run.task)
    assert answers.confidence.tolist() == [0.7, 0.6] and answers.is_right.tolist() == [True, False]


def test_every_label_of_every_row_is_an_answer_where_rows_have_several():
    run = multi_run([[1.0, 0.0]], [[0.3, 0.9]])
    answers = answers_of(scored_rows(run), run.task)
    assert answers.confidence.tolist() == [0.3, 0.9] and answers.is_right.tolist() == [True, False]


def test_a_confidence_of_one_is_in_the_last_bin_and_zero_in_the_first():
    bins = reliability_bins(Answers(np.array([0.0, 1.0, 1.0]), np.array([False, True, False]), "rows"))
    assert [(one.low, one.right.total) for one in bins] == [(0.0, 1), (14 / 15, 2)]
    assert bins[1].right.value == 0.5 and bins[1].confidence == 1.0


def test_a_confidence_at_an_edge_is_in_the_lower_bin():
    bins = reliability_bins(Answers(np.array([0.8, 0.8, 0.81]), np.array([True, False, True]), "rows"))
    assert [(one.low, one.right.total) for one in bins] == [(11 / 15, 2), (12 / 15, 1)]


def test_a_planted_overconfidence_is_the_widest_gap():
    confidence = np.repeat([0.9, 0.6], [200, 200])
    is_right = np.arange(400) % 10 < np.repeat([5, 6], [200, 200])
    gap = widest_gap(reliability_bins(Answers(confidence, is_right, "rows")))
    assert gap.confidence == pytest.approx(0.9) and gap.right.value == 0.5 and gap.right.total == 200


def test_a_calibrated_model_has_no_gap_and_neither_have_few_rows():
    right = np.arange(100) % 10 < 9
    assert widest_gap(reliability_bins(Answers(np.full(100, 0.9), right, "rows"))) is None
    assert widest_gap(reliability_bins(Answers(np.array([0.9]), np.array([False]), "rows"))) is None


def test_the_histogram_counts_every_answer_once():
    for confidence in ([0.35, 0.5, 1.0, 0.999], [1.0, 1.0], [0.0, 1.0], []):
        values = np.array(confidence)
        histogram = confidence_histogram(Answers(values, np.arange(len(values)) % 2 == 0, "rows"))
        assert histogram.right.sum() + histogram.wrong.sum() == len(values)
        assert histogram.edges[0] <= min([*confidence, 1.0]) and histogram.edges[-1] == 1.0


def test_the_curve_of_a_class_has_its_average_precision_and_the_point_of_the_decisions():
    rows = scored_rows(random_run(600, classes=3))
    curve = class_curve(rows, 1, "class 1")
    truth, decided = rows.truth == 1, rows.decisions == 1
    assert curve.average_precision == pytest.approx(average_precision_score(truth, rows.probabilities[:, 1]))
    assert curve.share == pytest.approx(truth.mean())
    right = (truth & decided).sum()
    assert curve.chosen == pytest.approx((right / truth.sum(), right / decided.sum()))
    assert curve.recall[0] == 0 and curve.recall[-1] == 1 and len(curve.recall) <= 202


def test_a_thinned_curve_keeps_its_area():
    rows = scored_rows(random_run(20_000, classes=2))
    curve = class_curve(rows, 1, "class 1")
    area = (np.diff(curve.recall) * curve.precision[1:]).sum()
    assert len(curve.recall) <= 202 and area == pytest.approx(curve.average_precision, abs=0.01)


def test_a_class_that_no_row_or_every_row_has_gives_no_curve():
    rows = scored_rows(single_run([0, 0], [[0.9, 0.1], [0.8, 0.2]]))
    assert class_curve(rows, 0, "ham") is None and class_curve(rows, 1, "spam") is None
    assert pooled_curve(rows).average_precision == 1.0


def test_a_class_that_is_never_predicted_has_a_curve_without_a_point():
    curve = class_curve(scored_rows(single_run([0, 1], [[0.9, 0.1], [0.8, 0.2]])), 1, "spam")
    assert curve.chosen is None and curve.average_precision == 1.0


def test_the_weakest_classes_come_first_and_those_without_a_figure_are_left_out():
    assert weakest_first([0.9, None, 0.2, 0.5]) == [2, 3, 0]


def test_costs_decide_what_is_an_answer_and_the_most_probable_class_what_was_stated():
    run = single_run([1, 0], [[0.7, 0.3], [0.9, 0.1]])
    run = replace(run, predictions=replace(run.predictions, decisions=np.array([1, 0])))
    assert answers_of(scored_rows(run), run.task).confidence.tolist() == [0.3, 0.9]
    stated = stated_probabilities(scored_rows(run), run.task)
    assert stated.confidence.tolist() == [0.7, 0.9] and stated.is_right.tolist() == [False, True]


@pytest.mark.parametrize("make", [random_run, lambda count: single_run([0] * count, [[1.0, 0.0]] * count)])
def test_the_bins_are_those_of_the_calibration_error(make):
    run = make(700)
    answers = stated_probabilities(scored_rows(run), run.task)
    bins = reliability_bins(answers)
    gaps = sum(abs(one.confidence - one.right.value) * one.right.total for one in bins) / 700
    assert gaps == pytest.approx(expected_calibration_error(answers.confidence, answers.is_right), abs=1e-12)


def test_one_bin_of_many_outside_its_interval_is_chance():
    """Fifteen bins of a calibrated model: about half of such models have a bin outside its 95% interval."""
    found = 0
    for seed in range(40):
        run = random_run(600, classes=2, seed=seed)
        found += widest_gap(reliability_bins(stated_probabilities(scored_rows(run), run.task))) is not None
    assert found <= 6


def test_the_surest_rows_are_answered_first_and_equal_ones_together():
    confidence = np.array([0.6, 0.9, 0.9, 0.8] * 10)
    coverage = coverage_of(Answers(confidence, confidence == 0.9, "rows"))
    assert coverage.share.tolist() == [0.5, 0.75, 1.0]
    assert coverage.right.tolist() == pytest.approx([1.0, 2 / 3, 0.5])


def test_chosen_confidences_are_read_with_those_that_nothing_reaches():
    entries = [
        {"precision": 0.95, "confidence": 0.9, "coverage": 0.7, "accuracy": 0.94, "rows": 70},
        {"precision": 0.99, "confidence": None, "coverage": None, "accuracy": None, "rows": 0},
    ]
    points = abstention_points({"test_abstention": entries})
    assert [(point.target, point.confidence) for point in points] == [(0.95, 0.9), (0.99, None)]
    drawn = coverage_of(Answers(np.array([0.5, 0.6]), np.array([True, False]), "rows"), points).points
    assert [point.target for point in drawn] == [0.95] and abstention_points({"test_abstention": None}) == []


def test_thinning_keeps_the_ends_in_both_directions():
    for values in (np.linspace(0, 1, 5000), np.linspace(1, 0, 5000)):
        places = thin(values, 50)
        assert places[0] == 0 and places[-1] == 4999 and len(places) <= 52 and (np.diff(places) > 0).all()


@pytest.mark.parametrize("confidence", [[0.9] * 20, [0.9] * 3, [0.9] * 20 + [0.3] * 3])
def test_a_plot_keeps_its_room_where_all_points_or_none_have_few_answers(confidence):
    bins = reliability_bins(Answers(np.array(confidence), np.arange(len(confidence)) % 2 == 0, "rows"))
    with drawing():
        figure = draw_reliability(bins, noun="rows")
        figure.draw_without_rendering()
    assert figure.axes[0].get_position().height > 0.5 and figure.axes[0].get_position().width > 0.6
