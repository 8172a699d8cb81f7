"""Scores that do not measure the model are recognised, also in results of others; honest scores are left alone."""

from __future__ import annotations

import pytest

from classification.evaluation.suspicious_scores import find_suspicions, suspicion_lines, suspicions


def kinds(metrics: dict, record: dict | None = None) -> list[str]:
    return [one.kind for one in find_suspicions(metrics, record or {})]


def table(**supports: int) -> dict:
    return {name: {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": rows} for name, rows in supports.items()}


def scored(prefix: str = "test", **figures) -> dict:
    return {f"{prefix}_{name}": value for name, value in figures.items()}


def leak(count: int, level: str = "exact", split: str = "train, test") -> dict:
    return {"findings": [{"kind": f"{level}_duplicates", "split": split, "count": count}], "labels": ["a", "b"]}


# Accuracy and F1 of three public model cards that were scored on one class.
@pytest.mark.parametrize(("accuracy", "f1"), [(0.8895, 0.9415), (0.8224, 0.9025460930640913), (88.95, 94.15)])
def test_the_f1_of_one_class_is_recognised_without_a_table_of_classes(accuracy, f1):
    assert kinds({"eval_accuracy": accuracy, "eval_f1": f1}) == ["one_class"]
    assert kinds({"test_accuracy": accuracy, "test_f1_weighted": f1}) == ["one_class"]
    assert kinds({"test_accuracy": accuracy, "test_f1_macro": f1 / 2}) == ["one_class"]


@pytest.mark.parametrize(
    ("accuracy", "f1"),
    [(0.9230, 0.9229), (0.8928, 0.8927), (0.9237, 0.9301), (0.9988, 0.9994), (1.0, 1.0), (0.5, 0.6), (0.0, 0.0)],
)
def test_other_f1s_are_honest(accuracy, f1):
    """Near 1, every F1 of a good model has this form."""
    assert kinds({"test_accuracy": accuracy, "test_f1": f1, "test_f1_macro": f1, "test_f1_weighted": f1}) == []


def test_with_a_table_of_classes_only_the_rows_decide():
    figures = {"accuracy": 0.8, "f1_weighted": 2 * 0.8 / 1.8, "scored": 30}
    assert kinds(scored(**figures, per_class=table(a=10, b=20))) == []
    assert kinds(scored(**figures, per_class=table(a=0, b=30))) == ["one_class"]


def test_a_single_row_is_described_in_the_singular():
    (text,) = suspicions(scored(accuracy=1.0, scored=1, per_class=table(no=0, yes=1)), {})
    assert text.startswith("The only scored row of test has the label yes.")


def test_one_class_is_named_in_validation_too():
    metrics = scored("eval", accuracy=1.0, scored=24, per_class=table(no=0, yes=24))
    (text,) = suspicions(metrics, {})
    assert "All 24 scored rows of validation have the label yes." in text and "Score rows of every class" in text


def test_several_labels_that_are_the_same_in_every_row():
    assert kinds(scored(f1_micro=1.0, scored=20, per_class=table(a=20, b=0, c=20))) == ["one_class"]
    assert "have no label" in suspicions(scored(f1_micro=0.0, loss=1, scored=20, per_class=table(a=0, b=0)), {})[0]
    assert kinds(scored(f1_micro=0.9, scored=20, per_class=table(a=20, b=3, c=20))) == []


def test_all_right_with_shared_texts_is_a_leak():
    figures = {"scored": 100, "per_class": table(a=50, b=50)}
    (text,) = suspicions(scored(accuracy=1.0, **figures), leak(3))
    assert "100%" in text and "3 texts of test are in train too" in text and "--drop_leaked" in text
    assert kinds(scored(accuracy=0.996, **figures), leak(40)) == ["leak"]
    assert kinds(scored(accuracy=1.0, **figures), leak(1, level="near")) == ["leak"]
    assert kinds(scored("eval", accuracy=1.0, **figures), leak(3, split="train, validation")) == ["leak"]


@pytest.mark.parametrize(
    ("accuracy", "record"),
    [
        (1.0, {"findings": []}),
        (0.996, leak(3)),  # a few texts explain nothing
        (0.9230, leak(40)),  # the finding about the data warns of it
        (1.0, leak(3, split="train")),
        (1.0, leak(3, split="validation, test")),
    ],
)
def test_a_good_accuracy_alone_is_no_leak(accuracy, record):
    assert kinds(scored(accuracy=accuracy, scored=100, per_class=table(a=50, b=50)), record) == []


def test_fewer_rows_than_labels():
    many = {f"c{i}": 0 for i in range(28)} | {"c1": 5, "c2": 6}
    assert kinds(scored(accuracy=0.5, scored=11, per_class=table(**many))) == ["few_rows"]
    assert kinds({"test_accuracy": 0.5, "test_scored": 2, "test_loss": 1}, {"labels": ["a", "b", "c"]}) == ["few_rows"]
    assert kinds(scored(pearson=0.5, loss=1, scored=3), {"labels": ["score"]}) == []


def test_one_prediction_for_all_rows():
    matrix = [[0, 12], [0, 12]]
    metrics = scored(accuracy=0.5, scored=24, per_class=table(a=12, b=12), confusion_matrix=matrix)
    (text,) = suspicions(metrics, {})
    assert text.startswith("The model predicts b for all 24 rows of test.")
    few = scored(accuracy=0.5, scored=4, per_class=table(a=2, b=2), confusion_matrix=[[0, 2], [0, 2]])
    assert kinds(few) == []  # four rows agree by chance
    assert kinds(scored(rmse=3.0, loss=1.0, scored=24, collapsed="it predicts 3 for all 24 rows")) == ["one_prediction"]
    assert suspicion_lines(metrics | {"test_collapsed": "it predicts b"}, {}) == []  # the log has it already


def test_test_far_above_validation():
    intervals = {
        "eval_accuracy_low": 0.75,
        "eval_accuracy_high": 0.85,
        "test_accuracy_low": 0.93,
        "test_accuracy_high": 0.97,
    }
    assert kinds({"eval_accuracy": 0.8, "test_accuracy": 0.95, **intervals}) == ["far_better"]
    wide = intervals | {"eval_accuracy_high": 0.94}
    assert kinds({"eval_accuracy": 0.8, "test_accuracy": 0.95, **wide}) == []
    assert kinds({"eval_accuracy": 0.95, "test_accuracy": 0.8}) == []


def test_old_results_get_the_interval_of_an_accuracy_from_their_rows():
    both = {"eval_accuracy": 0.8, "test_accuracy": 0.95}
    assert kinds(both | {"eval_scored": 1000, "test_scored": 1000}) == ["far_better"]
    assert kinds(both | {"eval_scored": 20, "test_scored": 20}) == []
    assert kinds({"eval_f1_micro": 0.8, "test_f1_micro": 0.95, "eval_scored": 1000, "test_scored": 1000}) == []


def test_a_study_has_the_suspicions_of_its_runs_once():
    run = scored(accuracy=1.0, scored=24, per_class=table(a=24, b=0))
    assert kinds({"runs": {"seed-1": run, "seed-2": run}, "test_accuracy_mean": 1.0}) == ["one_class"]


# Validation and test of docs/results.md, the data's findings beside them.
def accuracies(validation: float, rows: int, test: float, test_rows: int) -> dict:
    return {"eval_accuracy": validation, "eval_scored": rows, "test_accuracy": test, "test_scored": test_rows}


HONEST = {
    "reviews": (accuracies(0.74, 100, 0.687, 150), {}),
    "IMDB, NB-SVM": (accuracies(0.9208, 1250, 0.9149, 25000), leak(123)),
    "IMDB, the model": (accuracies(0.8856, 200, 0.8788, 4000), leak(20)),
    "IMDB, LDA": (accuracies(0.8064, 1250, 0.8137, 25000), leak(123)),
    "SMS": (accuracies(0.9865, 446, 0.9928, 1115), leak(12, "near")),
    "TREC": (accuracies(0.93, 545, 0.966, 500), leak(2)),
    "tickets": ({"eval_f1_micro": 0.877, "test_f1_micro": 0.817, "test_scored": 150}, {}),
    "urgency": ({"eval_pearson": 0.85, "test_pearson": 0.834, "test_scored": 100, "test_loss": 0.3}, {}),
}


@pytest.mark.parametrize("name", HONEST)
def test_honest_results_raise_no_alarm(name):
    metrics, record = HONEST[name]
    assert suspicions(metrics, record) == []


@pytest.mark.parametrize(
    "metrics", [{}, {"train_loss": 0.1}, {"test_scored": 0}, {"test_accuracy": None, "test_loss": 1}]
)
def test_results_without_scores_raise_no_alarm(metrics):
    assert suspicions(metrics, {}) == []
