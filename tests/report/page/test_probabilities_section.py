"""The section of the probabilities: each sentence agrees with the rows, and every run can be drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_rows import multi_run, number_run, random_run, rendered, single_run, words

from classification.report.page.confidence_sentences import describe_points
from classification.report.page.confidence_values import AbstentionPoint
from classification.report.page.precision_recall_values import MOST_PANELS
from classification.report.page.probabilities_section import probabilities_section


def planted_run(**more):
    """The model says 90% and is right in 84% of 300 rows, then says 60% and is right in 60% of 200."""
    confidence = np.repeat([0.9, 0.6], [300, 200])
    right = np.concatenate([np.arange(300) < 252, np.arange(200) < 120])
    return single_run((~right).astype(int).tolist(), np.stack([confidence, 1 - confidence], axis=1), **more)


def test_the_reliability_sentence_names_the_gap_and_its_rows():
    text = words(rendered(probabilities_section, planted_run()))
    assert "Where the model says about 90%, it is right in 84% of 300 rows: less often than it says." in text


def test_the_histogram_and_coverage_sentences_agree_with_the_rows():
    text = words(rendered(probabilities_section, planted_run()))
    assert "right answers have a probability of 90.0% or more, half of the wrong ones 60.0% or more." in text
    assert "48 of 128 wrong answers have at least 90%." in text
    assert "only the surest 60% of the rows, 84.0% of the answers are right; of the answers to all rows, 74.4%." in text


def test_the_precision_recall_sentence_is_about_the_second_of_two_classes():
    probabilities = [[0.2, 0.8]] * 50 + [[0.7, 0.3]] * 50
    text = words(rendered(probabilities_section, single_run([1] * 40 + [0] * 10 + [1] * 10 + [0] * 40, probabilities)))
    assert "The model finds 80% of the rows with spam, and 80% of these answers are right." in text
    assert "If it found 95% of them, 50% of these answers would be right." in text


def test_the_calibration_error_is_that_of_the_results_before_and_after():
    metrics = {"test_ece": 0.081, "test_ece_calibrated": 0.032}
    text = words(rendered(probabilities_section, planted_run(metrics=metrics)))
    assert "is 3.2 percentage points away" in text and "Before they were corrected on validation" in text
    assert "it was 8.1 percentage points" in text


def test_an_old_run_gets_its_calibration_error_from_its_predictions():
    text = words(rendered(probabilities_section, planted_run()))
    assert "(expected calibration error 0.036)" in text  # 300 / 500 * 0.06
    assert "were not corrected on validation" in text


def test_confidences_chosen_on_validation_are_told_with_what_they_give_on_test():
    entries = [
        {"precision": 0.95, "confidence": 0.93, "coverage": 0.71, "accuracy": 0.946, "rows": 71},
        {"precision": 0.99, "confidence": None, "coverage": None, "accuracy": None, "rows": 0},
    ]
    html = rendered(probabilities_section, planted_run(metrics={"test_abstention": entries}))
    assert "93% sure or more" in html  # in the plot
    text = words(html)
    assert (
        "From 93.0% on, 95% of the answers were right on validation. The model then answers 71.0% of the test rows"
        in text
    )
    assert "No confidence gave 99% right answers on validation." in text


def test_several_classes_show_all_together_and_the_weakest_three():
    html = rendered(probabilities_section, random_run(500, classes=6))
    assert html.count("<figcaption>") == 4 and "all 6 classes" in html
    assert "3 classes with higher average precision or without rows are not drawn." in words(html)


@pytest.mark.parametrize(("labels", "panels"), [(3, 3), (30, MOST_PANELS)])
def test_labels_have_a_plot_each_up_to_twelve(labels, panels):
    draw = np.random.default_rng(0)
    probabilities = draw.random((200, labels))
    truth = (probabilities > draw.random(probabilities.shape)).astype(float).tolist()
    html = rendered(probabilities_section, multi_run(truth, probabilities, [f"label {i}" for i in range(labels)]))
    assert html.count("<figcaption>") == 1 + panels and "Where the model gives a label about" in words(html)


def test_unlabelled_rows_show_how_sure_the_model_is():
    text = words(rendered(probabilities_section, single_run([None] * 9, [[0.7, 0.3]] * 8 + [[0.55, 0.45]])))
    assert "The 9 test rows have no labels" in text and "have 70.0% or more; 1 have less than 60%" not in text
    assert "70.0% or more; 1 has less than 60%." in text
    text = words(rendered(probabilities_section, single_run([None] * 9, [[0.7, 0.3]] * 9)))
    assert "70.0% or more; none has less than 60%." in text


def test_goals_that_no_confidence_reaches_are_one_sentence():
    points = [AbstentionPoint(target, None, float("nan"), float("nan")) for target in (0.95, 0.99)]
    assert describe_points(points, "test") == "No confidence gave 95% or 99% right answers on validation."


EDGES = {
    "one class only": single_run([0] * 30, [[0.9, 0.1]] * 30),
    "all right": single_run([0, 1] * 20, [[0.9, 0.1], [0.2, 0.8]] * 20),
    "all wrong": single_run([1, 0] * 20, [[0.9, 0.1], [0.2, 0.8]] * 20),
    "one row": single_run([1], [[0.9, 0.1]]),
    "certain": single_run([0, 1, 1, 0] * 10, [[1, 0], [0, 1], [1, 0], [1, 0]] * 10),
    "undecided": single_run([0, 1, 2] * 30, [[1 / 3] * 3] * 90, names="abc"),
    "some not finite": single_run([0, 1] * 20, [[0.7, 0.3], [np.nan, np.nan]] * 20),
    "one label": single_run([None] * 9 + [1], [[0.7, 0.3]] * 10),
    "a class without rows": single_run([0, 2] * 20, [[0.9, 0.05, 0.05], [0.1, 0.8, 0.1]] * 20, names="abc"),
    "metrics are null": random_run(50, metrics={"test_ece": None, "test_abstention": None, "test_per_class": None}),
    "no label is given": multi_run([[0.0, 0.0]] * 20, [[0.1, 0.2]] * 20),
    "every label is given": multi_run([[1.0, 1.0]] * 20, [[0.9, 0.8]] * 20),
    "labels of one row": multi_run([[1.0, 0.0]], [[0.9, 0.8]]),
    "labels unknown": multi_run([None] * 20, [[0.9, 0.8]] * 20),
}


@pytest.mark.parametrize("run", EDGES.values(), ids=EDGES.keys())
def test_every_run_is_drawn_without_a_warning_or_an_undefined_number(run):
    html = rendered(probabilities_section, run)
    assert "<svg" in html and "<h3>" in html
    assert not {"nan", "nan%", "None", "inf"} & set(words(html).replace(".", " ").split())


def test_what_cannot_be_shown_has_no_section():
    assert rendered(probabilities_section, number_run([1.0], [1.0])) == ""
    assert rendered(probabilities_section, single_run([0], [[np.nan, np.nan]])) == ""
    assert rendered(probabilities_section, replace(random_run(9), predictions=None)) == ""


def test_a_name_from_the_data_stays_text_in_sentences_and_plots():
    run = planted_run(names=("<script>alert(1)</script>", "<b>$x^2$</b>"))
    html = rendered(probabilities_section, run)
    assert "<script" not in html and "<b>" not in html and "$x^2$" in words(html)


def test_large_runs_give_small_plots():
    assert len(rendered(probabilities_section, random_run(50_000, classes=2))) < 100_000
