"""Only labelled rows are scored, and each class has its own row."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from classification.data.tasks import infer_task
from classification.evaluation.metrics import score
from classification.evaluation.split_metrics import per_class, score_labelled

THREE = infer_task(["a", "b", "c"])
SEVERAL = infer_task([["a"], ["b"], ["c"], []])

draw = np.random.default_rng(0)
IDS, LOGITS = draw.integers(0, 3, 100), draw.normal(size=(100, 3)).astype(np.float32)
TRUTH = (draw.random((100, 3)) < [0.6, 0.3, 0.05]).astype(np.float64)


def test_classes_and_the_confusion_matrix_are_those_of_scikit_learn():
    content, predicted = per_class(LOGITS, IDS, THREE), LOGITS.argmax(-1)
    for name, function in (("precision", sk.precision_score), ("recall", sk.recall_score), ("f1", sk.f1_score)):
        expected = function(IDS, predicted, average=None)
        assert [row[name] for row in content["per_class"].values()] == expected.tolist()
    assert [row["support"] for row in content["per_class"].values()] == np.bincount(IDS).tolist()
    assert content["confusion_matrix"] == sk.confusion_matrix(IDS, predicted).tolist()


def test_labels_have_their_threshold_and_no_confusion_matrix():
    task = SEVERAL.with_thresholds({"b": 0.2})
    content = per_class(LOGITS, TRUTH, task)
    assert [row["threshold"] for row in content["per_class"].values()] == [0.5, 0.2, 0.5]
    expected = sk.recall_score(TRUTH, task.decide(LOGITS), average=None)
    assert [row["recall"] for row in content["per_class"].values()] == expected.tolist()
    assert "confusion_matrix" not in content


@pytest.mark.parametrize("classes, has_matrix", [(1000, True), (1001, False)])
def test_a_confusion_matrix_of_thousands_of_classes_is_not_written(classes, has_matrix):
    task = infer_task([f"{number:04}" for number in range(classes)])
    content = per_class(np.zeros((2, classes), np.float32), np.array([0, 1]), task)
    assert len(content["per_class"]) == classes and ("confusion_matrix" in content) == has_matrix


def test_numbers_have_no_classes():
    assert per_class(LOGITS[:, :1], LOGITS[:, 1], infer_task([1.5, 2.5])) == {}


def test_no_correct_prediction_has_metrics_too():
    result = score_labelled(np.array([[1.0, 0.0]]), [1], infer_task(["a", "b"]))
    assert result["accuracy"] == 0 and result["scored"] == 1
    assert [row["support"] for row in result["per_class"].values()] == [0, 1]


def test_rows_without_a_label_are_not_scored():
    given = [None if row % 3 == 0 else int(label) for row, label in enumerate(IDS)]
    kept = [row for row, label in enumerate(given) if label is not None]
    result = score_labelled(LOGITS, given, THREE)
    assert result["scored"] == len(kept) == 66
    assert result == score(LOGITS[kept], IDS[kept], THREE) | per_class(LOGITS[kept], IDS[kept], THREE) | {"scored": 66}
    assert score_labelled(LOGITS, [None] * 100, THREE) == {"scored": 0}


@pytest.mark.parametrize(
    ("task", "logits", "label_ids", "missing"),
    [
        (infer_task([1.5, 2.5]), [[0.1], [0.9]], [0.5, 0.5], {"pearson", "spearman"}),
        (infer_task([1.5, 2.5]), [[0.1]], [0.5], {"pearson", "spearman"}),
        (SEVERAL, [[-1.0] * 3] * 2, [[0.0] * 3] * 2, {"f1_micro", "f1_macro", "f1_weighted", "average_precision"}),
        (THREE, [[1.0, 0.0, 0.0]], [0], {"mcc"}),
        (THREE, [[1.0, 0.0, 0.0]] * 3, [1] * 3, {"mcc"}),
    ],
)  # fmt: skip
def test_a_metric_that_the_rows_do_not_allow_has_a_reason(task, logits, label_ids, missing):
    result = score_labelled(np.array(logits), label_ids, task)
    assert set(result.get("not_computed", {})) == missing
    assert {name for name, value in result.items() if isinstance(value, float) and np.isnan(value)} == missing


def test_rows_without_labels_have_no_figures():
    assert score_labelled(LOGITS[:2], [None, None], THREE) == {"scored": 0}
