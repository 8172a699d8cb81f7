"""The section of the classes, as people read it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from report_rows import multi_run, number_run, random_run, rendered, single_run, words

from classification.data.rules.cost_tables import CostTable
from classification.report.page.classes_section import classes_section, rule_column

LONG = "a class whose name has exactly sixty letters, spaces too: ab"
ODD = ("<script>alert(1)</script>", "=1+1", "$x^2$", "إيجابي جدا", "负面评价", "🙂 emoji", LONG, "a\x01b\nc")


def names_in_order(html):
    return [re.sub(r"<[^>]+>", "", name) for name in re.findall(r'<th scope="row"[^>]*><bdi[^>]*>(.*?)</bdi>', html)]


def test_the_weakest_class_with_enough_rows_is_named_with_what_it_is_taken_for():
    labels = [0] * 30 + [1] * 30 + [2] * 3
    decisions = [0] * 30 + [1] * 18 + [0] * 12 + [0] * 3
    run = single_run(labels, np.eye(3)[decisions] * 0.7 + 0.1, names=("good", "bad", "rare"))
    text = words(rendered(classes_section, run))
    assert "The weakest class is bad: the model finds 18 of its 30 rows (60.0%)" in text
    assert "all of the 18 answers with it are right. It is most often taken for good (12 rows)." in text
    assert "The model never answers with rare." in text
    assert "1 class has fewer than 20 test rows." in text and text.count("rare few rows") == 1


def test_the_worst_class_comes_first():
    html = rendered(classes_section, random_run(300, classes=4))
    figures = [float(value) for value in re.findall(r'<td class="number">(0\.\d+)</td>', html)]
    assert figures == sorted(figures) and len(figures) == 4


def test_classes_beyond_forty_are_folded():
    html = rendered(classes_section, random_run(4000, classes=200))
    folded = html[html.index("<details") :]
    assert "The other 160 classes" in folded and len(names_in_order(folded)) == 160 and len(names_in_order(html)) == 200
    assert "<details" not in rendered(classes_section, random_run(400, classes=40))


def test_names_in_any_script_stay_text():
    html = rendered(classes_section, random_run(800, classes=8).__class__(**odd_run()))
    assert "<script" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert all(name in words(html) for name in ("=1+1", "$x^2$", "إيجابي جدا", "负面评价", "🙂 emoji", LONG))


def odd_run():
    run = random_run(800, classes=8)
    return vars(run) | {"task": replace(run.task, names=ODD)}


def test_a_class_without_rows_is_named_and_shows_no_share():
    run = single_run([0] * 30, [[0.9, 0.1]] * 30)
    html = rendered(classes_section, run)
    assert "No test row has spam" in words(html) and "share-none" in html
    assert "Every row of every class is found, and every answer is right." in words(html)


def test_labels_show_the_threshold_from_which_they_are_predicted():
    run = multi_run([[1.0, 0.0], [0.0, 1.0]] * 20, [[0.9, 0.1], [0.6, 0.8]] * 20)
    run = replace(run, task=replace(run.task, thresholds=(0.3, 0.7)))
    html = rendered(classes_section, run)
    assert ">Threshold<" in html and ">0.300<" in html and ">0.700<" in html and "Labels" not in html
    assert "taken for" not in html and "Wrong label when missed" in html


@pytest.mark.parametrize(
    ("table", "title", "texts"),
    [({"ham": 1, "spam": 3}, "Threshold", {"ham": "0.750", "spam": "0.250"}),
     ({"a": 1, "b": 3, "c": 2}, "Weight of its probability", {"a": "1", "b": "3", "c": "2"}),
     ({"a": {"a": 0, "b": 5, "c": 2}, "b": {"a": 1, "b": 0, "c": 1}, "c": {"a": 3, "b": 3, "c": 0}},
      "A missed row costs", {"a": "2 to 5", "b": "1", "c": "3"})],
)  # fmt: skip
def test_costs_show_as_a_threshold_a_weight_or_the_cost_of_a_miss(table, title, texts):
    task = single_run([0], [[0.9, 0.1]], names=tuple(table)).task
    column = rule_column(task.with_costs(CostTable("costs", table).checked()))
    assert (column.title, column.texts) == (title, texts)
    assert rule_column(task) is None


def test_validation_stands_in_where_test_has_no_labels():
    figures = {name: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 30} for name in ("ham", "spam")}
    metrics = {"eval_loss": 1.0, "eval_per_class": figures, "eval_confusion_matrix": [[15, 15], [15, 15]]}
    text = words(rendered(classes_section, single_run([None] * 5, [[0.9, 0.1]] * 5, metrics=metrics)))
    assert "No test row has a label, so these figures are those of validation." in text
    assert "finds 15 of its 30 rows" in text


def test_numbers_have_no_classes():
    assert rendered(classes_section, number_run([1.0, 2.0], [1.0, 2.0])) == ""
