"""The table of classes: every figure equals a count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from report_rows import multi_run, random_run, single_run
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support

from classification.report.page.class_rows import Share, class_rows, class_rows_of_figures
from classification.report.scored_rows import scored_rows, split_note


def rows_of(run):
    found = class_rows(scored_rows(run), run.task.names, run.metrics.get("test_per_class") or {})
    return {row.name: row for row in found}


def probabilities_of(decisions, classes):
    return np.eye(classes)[decisions] * 0.8 + 0.1


def test_a_row_counts_its_class_and_names_what_it_is_taken_for():
    labels, decisions = [0, 0, 0, 0, 1, 1, 2], [0, 1, 1, 2, 1, 1, 0]
    found = rows_of(single_run(labels, probabilities_of(decisions, 3), names=("a", "b", "c")))
    assert (found["a"].rows, found["a"].predicted) == (4, 2)
    assert (found["a"].wrong_answer, found["a"].wrong_count) == ("b", 2)
    assert (found["b"].wrong_answer, found["b"].wrong_count) == ("", 0)
    assert found["c"].recall.value == 0 and found["c"].wrong_answer == "a"


def test_precision_recall_and_f1_are_those_of_scikit_learn():
    run = random_run(400, classes=4)
    table, rows = rows_of(run), scored_rows(run)
    precision, recall, f1, support = precision_recall_fscore_support(rows.truth, rows.decisions)
    for i, row in enumerate(table.values()):
        assert row.precision.value == pytest.approx(precision[i]) and row.recall.value == pytest.approx(recall[i])
        assert row.f1 == pytest.approx(f1[i]) and row.rows == support[i]


def test_the_wrong_answer_of_a_missed_label_is_what_was_predicted_in_its_row():
    labels = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]
    probabilities = [[0.1, 0.9, 0.1], [0.1, 0.9, 0.9], [0.9, 0.1, 0.1], [0.1, 0.9, 0.1]]
    found = rows_of(multi_run(labels, probabilities, names=("a", "b", "c")))
    assert (found["a"].wrong_answer, found["a"].wrong_count) == ("b", 2)
    assert (found["c"].rows, found["c"].recall.value, found["c"].wrong_answer) == (1, 0.0, "")
    assert found["a"].recall.count == 1 and found["a"].precision.value == 1.0


def test_a_class_without_rows_has_no_recall_and_one_never_predicted_no_precision():
    found = rows_of(single_run([0, 0], probabilities_of([0, 0], 3), names=("a", "b", "c")))
    assert found["b"].recall.value is None and found["b"].precision.value is None and found["b"].f1 is None
    assert found["a"].recall.value == 1.0 and found["a"].recall.low < 0.2


def test_the_interval_of_a_share_is_the_exact_one():
    for count, total in ((0, 7), (7, 7), (3, 10), (180, 200)):
        exact = binomtest(count, total).proportion_ci(method="exact")
        assert (Share.of(count, total).low, Share.of(count, total).high) == pytest.approx((exact.low, exact.high))


def test_a_confusion_matrix_alone_gives_the_same_table():
    run = random_run(300, classes=3)
    rows = scored_rows(run)
    counts = np.zeros((3, 3), dtype=int)
    np.add.at(counts, (rows.truth, rows.decisions), 1)
    names = run.task.names
    assert class_rows_of_figures({}, counts.tolist(), names) == class_rows(rows, names, {})


def test_the_figures_of_labels_alone_give_their_counts():
    figures = {"a": {"precision": 0.75, "recall": 0.6, "support": 5}, "b": {"precision": 0, "recall": 0, "support": 3}}
    found = class_rows_of_figures(figures, None, ("a", "b", "c"))
    assert (found[0].predicted, found[0].recall.count, found[0].precision.total) == (4, 3, 4)
    assert (found[1].rows, found[1].predicted, found[1].recall.value) == (3, None, 0.0)
    assert (found[2].rows, found[2].recall.value, found[2].f1) == (0, None, None)


def test_average_precision_is_read_from_the_results():
    metrics = {"test_per_class": {"ham": {"average_precision": 0.25}, "spam": {"average_precision": None}}}
    found = rows_of(single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]], metrics=metrics))
    assert found["ham"].average_precision == 0.25 and found["spam"].average_precision is None


def test_rows_without_a_label_or_a_finite_probability_are_left_out_and_counted():
    run = single_run([0, None, 1, 1], [[0.9, 0.1], [0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]])
    rows = scored_rows(run)
    assert rows.places.tolist() == [0, 3] and (rows.unlabelled, rows.unreadable) == (1, 1)
    assert split_note(rows) == (
        "1 test row has no label and is not in these figures. "
        "For 1 test row the model gave no finite number; it is left out."
    )


def test_a_run_without_a_labelled_row_has_no_scored_rows():
    for run in (single_run([None, None], [[0.9, 0.1]] * 2), multi_run([None, None], [[0.9, 0.1]] * 2)):
        rows = scored_rows(run)
        assert len(rows) == 0 and rows.unlabelled == 2 and rows.truth.shape == rows.decisions.shape
