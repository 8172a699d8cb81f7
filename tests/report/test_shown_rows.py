"""One place chooses the rows of the error browser: mistakes first, the surest first, then a sample of the others."""

from __future__ import annotations

import numpy as np
import pytest
from report_rows import multi_run, number_run, random_run, single_run

from classification.report.shown_rows import LIMIT, MISTAKE, RIGHT, UNSCORED, cells_of, choose_rows, judge


def chosen(run, limit=LIMIT):
    return choose_rows(run.predictions, run.task, limit)


def test_mistakes_come_first_the_surest_first_then_right_rows_the_least_sure_first():
    run = single_run([0, 0, 1, 1, None], [[0.9, 0.1], [0.3, 0.7], [0.4, 0.6], [0.95, 0.05], [0.2, 0.8]])
    shown = chosen(run)
    assert shown.rows == (3, 1, 2, 0, 4)
    assert shown.shown == shown.total == {MISTAKE: 2, RIGHT: 2, UNSCORED: 1} and not shown.left_out


def test_equal_confidence_keeps_the_order_of_the_file():
    run = single_run([1, 1, 0, 0], [[0.6, 0.4]] * 4)
    assert chosen(run).rows == (0, 1, 2, 3)


def test_rows_without_a_label_are_sorted_by_the_least_confidence():
    run = single_run([None] * 4, [[0.9, 0.1], [0.45, 0.55], [0.3, 0.7], [0.5, 0.5]])
    shown = chosen(run)
    assert shown.rows == (3, 1, 2, 0)
    assert set(shown.judgement.kinds) == {UNSCORED}


def test_confidence_is_that_of_the_decision_and_not_the_highest_probability():
    """A rule with costs may predict the less probable class."""
    run = single_run([0, 0], [[0.7, 0.3], [0.6, 0.4]])
    run.predictions.decisions[:] = 1
    assert judge(run.predictions, run.task).confidence == pytest.approx([0.3, 0.4])
    assert chosen(run).rows == (1, 0)


def test_several_labels_are_judged_by_the_surest_wrong_decision():
    run = multi_run([[1, 0], [1, 0], [0, 0], None], [[0.9, 0.6], [0.2, 0.95], [0.4, 0.1], [0.55, 0.9]])
    judgement = judge(run.predictions, run.task)
    assert judgement.kinds.tolist() == [MISTAKE, MISTAKE, RIGHT, UNSCORED]
    assert judgement.confidence == pytest.approx([0.6, 0.95, 0.6, 0.55])
    assert chosen(run).rows == (1, 0, 2, 3)


def test_numbers_are_sorted_by_their_error_in_own_units():
    run = number_run([10, 20, None, 40], [12, 29, 50, 39], mean=20, std=10)
    shown = chosen(run)
    assert shown.rows == (1, 0, 3, 2)
    assert shown.judgement.errors == pytest.approx([2, 9, np.nan, 1], nan_ok=True)
    assert shown.judgement.confidence is None


@pytest.mark.parametrize(("count", "limit"), [(500, 100), (3000, 2000), (9000, 2000)])
def test_the_limit_holds_and_what_is_left_out_is_counted(count, limit):
    shown = chosen(random_run(count), limit)
    assert len(shown.rows) == len(set(shown.rows)) == limit == sum(shown.shown.values())
    assert shown.left_out == count - limit == sum(shown.total.values()) - limit


def test_all_mistakes_that_fit_are_shown():
    run = random_run(3000)
    shown = chosen(run)
    mistakes = set(np.flatnonzero(np.array(run.predictions.label_ids) != run.predictions.decisions))
    assert 0 < len(mistakes) < LIMIT and set(shown.rows[: len(mistakes)]) == mistakes


def test_of_too_many_mistakes_the_surest_are_shown():
    run = random_run(12000, classes=3)
    shown = chosen(run)
    confidence, kinds = shown.judgement.confidence, shown.judgement.kinds
    left = set(np.flatnonzero(kinds == MISTAKE)) - set(shown.rows)
    sure = [confidence[row] for row in shown.rows if kinds[row] == MISTAKE]
    assert shown.total[MISTAKE] > LIMIT > 0.95 * LIMIT < shown.shown[MISTAKE]
    assert sure == sorted(sure, reverse=True)
    assert sum(confidence[row] > sure[-40] for row in left) == 0  # but for the few that a cell keeps


@pytest.mark.parametrize("count", [4000, 12000])
def test_every_cell_of_the_matrix_keeps_a_row(count):
    run = random_run(count, classes=6)
    table = run.predictions
    cells = {cell: 0 for row in range(count) for cell in cells_of(table.label_ids[row], table.decisions[row])}
    for row in chosen(run).rows:
        for cell in cells_of(table.label_ids[row], table.decisions[row]):
            cells[cell] += 1
    assert len(cells) == 36 and min(cells.values()) >= 3


def test_the_cells_of_several_labels_are_those_that_the_row_has_or_gets():
    assert cells_of([1, 0, 1, 0], np.array([True, True, False, False])) == [(0, 1, 1), (1, 0, 1), (2, 1, 0)]


def test_right_and_unlabelled_rows_share_what_the_mistakes_leave():
    labels = [0] * 100 + [1] * 600 + [None] * 300
    shown = chosen(single_run(labels, [[0.1, 0.9]] * 1000), 400)
    assert shown.shown == {MISTAKE: 100, RIGHT: 201, UNSCORED: 99}  # a cell keeps 3


def test_of_many_numbers_the_largest_errors_and_a_sample_are_shown():
    errors = np.random.default_rng(0).permutation(5000)
    shown = chosen(number_run([0.0] * 5000, errors))
    found = shown.judgement.errors[list(shown.rows)]
    assert len(found) == LIMIT and found.tolist() == sorted(found, reverse=True)
    assert found[:1000].min() == 4000 and 1500 < np.median(found[1000:]) < 2500


def test_the_choice_is_the_same_each_time():
    assert chosen(random_run(5000)).rows == chosen(random_run(5000)).rows


def test_a_large_file_is_judged_quickly():
    """200,000 rows; a page has seconds for all of its sections."""
    import time

    run = random_run(200_000, classes=10)
    start = time.perf_counter()
    chosen(run)
    assert time.perf_counter() - start < 5


def test_one_row_and_no_rows():
    assert chosen(single_run([0], [[0.9, 0.1]])).rows == (0,)
    assert chosen(single_run([], np.zeros((0, 2)))).rows == ()
    assert chosen(multi_run([], np.zeros((0, 2)))).rows == ()
    assert chosen(number_run([], [])).rows == ()
