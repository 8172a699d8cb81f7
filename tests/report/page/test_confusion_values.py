"""The confusion matrix: counts, shares of the true class, the pairs that are confused most; a table per label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from report_rows import multi_run, number_run, random_run, single_run

from classification.report.page.confusion_section import Cell, confusion_section
from classification.report.page.page import draw_page


def values(run):
    return confusion_section(run).values


def test_a_cell_has_the_rows_and_their_share_of_the_true_class():
    run = single_run([0, 0, 0, 1], [[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.4, 0.6]])
    (total, first), (other, second) = values(run)["table"]
    assert (total, other) == (3, 1)
    assert [(cell.count, round(cell.share, 3)) for cell in first] == [(2, 0.667), (1, 0.333)]
    assert [cell.count for cell in second] == [0, 1]
    assert [(cell.truth, cell.prediction) for cell in values(run)["worst"]] == [(0, 1)]


def test_the_matrix_is_that_of_the_metrics():
    from sklearn.metrics import confusion_matrix

    run = random_run(400, classes=5)
    counts = [[cell.count for cell in cells] for _, cells in values(run)["table"]]
    assert counts == confusion_matrix(run.predictions.label_ids, run.predictions.decisions).tolist()


@pytest.mark.parametrize(("count", "kind"), [(40, "matrix"), (41, "pairs"), (300, "pairs")])
def test_many_classes_are_listed_as_pairs(count, kind):
    run = random_run(4000, classes=count)
    found = values(run)
    assert found["kind"] == kind
    if kind == "pairs":
        table = run.predictions
        wrong = np.array(table.label_ids) != table.decisions
        assert len(found["pairs"]) == 50
        assert sum(cell.count for cell in found["pairs"]) + found["more_rows"] == wrong.sum()
        assert [cell.count for cell in found["pairs"]] == sorted((cell.count for cell in found["pairs"]), reverse=True)
    assert len(draw_page(run, (confusion_section,))) < 2_000_000


def test_right_and_wrong_have_different_shades_that_grow_with_the_share():
    shades = [Cell(1, share, truth == 0, truth, 0).shade for truth in (0, 1) for share in (0.01, 0.1, 0.2, 0.5, 0.9)]
    assert shades == [f"{side}-{step}" for side in ("right", "wrong") for step in range(1, 6)]
    assert Cell(0, 0.0, False, 1, 0).shade == "nothing"


def test_each_label_of_several_is_found_missed_or_wrong():
    run = multi_run([[1, 0], [1, 1], [0, 0], None], [[0.9, 0.8], [0.1, 0.9], [0.2, 0.7], [0.9, 0.9]])
    (groups, rest), found = values(run)["groups"], values(run)
    counts = {one.label: (one.total, one.found.count, one.missed.count, one.false.count) for one in groups}
    assert counts == {0: (2, 1, 1, 0), 1: (1, 1, 0, 2)} and not rest
    assert [one.label for one in groups] == [1, 0] == [found["worst"][0].label, 0]
    assert {one.label: one.false.share for one in groups} == {0: 0.0, 1: pytest.approx(2 / 3)}


def test_more_than_forty_labels_are_folded():
    draw = np.random.default_rng(0)
    labels = (draw.random((50, 60)) < 0.2).astype(float).tolist()
    groups = values(multi_run(labels, draw.random((50, 60)), names=[f"l{i}" for i in range(60)]))["groups"]
    assert [len(group) for group in groups] == [40, 20]


def test_validation_is_shown_where_test_has_no_labels_and_lists_no_rows():
    run = single_run([None, None], [[0.9, 0.1], [0.2, 0.8]], metrics={"eval_confusion_matrix": [[5, 1], [0, 4]]})
    section = confusion_section(run)
    assert "validation" in section.left_out and not section.values["can_list"]
    assert [cell.count for _, cells in section.values["table"] for cell in cells] == [5, 1, 0, 4]
    assert '<button type="button" class="cell"' not in draw_page(run, (confusion_section,))


def test_a_number_has_no_matrix_and_neither_has_a_run_without_labels():
    assert confusion_section(number_run([1, 2], [1, 3])) is None
    assert confusion_section(single_run([None], [[0.9, 0.1]])) is None
    assert confusion_section(replace(random_run(5), predictions=None)) is None


def test_a_class_that_test_lacks_keeps_its_line_and_column():
    table = values(single_run([0, 0], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]], names=("a", "b", "c")))["table"]
    assert [total for total, _ in table] == [2, 0, 0] and all(len(cells) == 3 for _, cells in table)


def test_no_mistake_is_told():
    assert "No class is taken for another one" in draw_page(single_run([0], [[0.9, 0.1]]), (confusion_section,))
