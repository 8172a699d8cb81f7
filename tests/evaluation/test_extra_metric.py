"""`--metric_name` adds any scorer of scikit-learn that fits the task, and runs nothing by accident."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.evaluation.extra_metric import load_metric
from classification.evaluation.metrics import score

THREE = infer_task(["a", "b", "c"])
SEVERAL = infer_task([["a"], ["b"], ["c"], []])
NUMBER = infer_task([1.5, 2.5, 5.5])

draw = np.random.default_rng(0)
LOGITS, IDS = draw.normal(size=(50, 3)).astype(np.float32), draw.integers(0, 3, 50)
TRUTH = (draw.random((100, 3)) < [0.6, 0.3, 0.05]).astype(np.float64)
SEVERAL_LOGITS = (draw.normal(size=(100, 3)) + TRUTH).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("top_k_accuracy", lambda: sk.top_k_accuracy_score(IDS, THREE.probabilities(LOGITS))),
        ("roc_auc_ovr", lambda: sk.roc_auc_score(IDS, THREE.probabilities(LOGITS), multi_class="ovr")),
        ("neg_log_loss", lambda: -sk.log_loss(IDS, THREE.probabilities(LOGITS))),
        ("jaccard_macro", lambda: sk.jaccard_score(IDS, LOGITS.argmax(-1), average="macro")),
    ],
)
def test_any_scorer_of_scikit_learn_can_be_added(name, expected):
    extra = load_metric(name, THREE)
    assert extra.names == (name,)
    assert score(LOGITS, IDS, THREE, extra)[name] == pytest.approx(expected())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("roc_auc", lambda: sk.roc_auc_score(TRUTH, SEVERAL_LOGITS)),
        ("jaccard_micro", lambda: sk.jaccard_score(TRUTH, SEVERAL_LOGITS >= 0, average="micro")),
    ],
)
def test_scorers_can_be_added_where_a_row_has_several_labels(name, expected):
    extra = load_metric(name, SEVERAL)
    assert score(SEVERAL_LOGITS, TRUTH, SEVERAL, extra)[name] == pytest.approx(expected())


def test_scorers_can_be_added_for_numbers():
    numbers = draw.normal(size=30)
    logits = (numbers[:, None] + draw.normal(size=(30, 1))).astype(np.float32)
    expected = sk.r2_score(numbers, logits[:, 0])
    assert score(logits, numbers, NUMBER, load_metric("r2", NUMBER))["r2"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "task"), [(None, THREE), ("balanced_accuracy", THREE), ("average_precision", SEVERAL)]
)
def test_what_is_reported_anyway_is_not_added(name, task):
    assert load_metric(name, task) is None


@pytest.mark.parametrize(("name", "task"), [("roc_auc_ovr", NUMBER), ("r2", infer_task(["a", "b"]).__class__(()))])
def test_a_metric_that_does_not_fit_the_task_is_refused(name, task):
    with pytest.raises(UsageError, match=f"--metric_name {name}: cannot score this task"):
        load_metric(name, task)


def test_an_unknown_metric_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match="--metric_name roc_auc_ovrr: .*Did you mean 'roc_auc_ovr'"):
        load_metric("roc_auc_ovrr", THREE)


def test_a_metric_is_never_run_from_the_working_directory_by_accident(tmp_path, monkeypatch):
    (tmp_path / "exotic").mkdir()
    (tmp_path / "exotic" / "exotic.py").write_text("raise SystemExit('executed')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="--metric_name exotic.*execute"):
        load_metric("exotic", THREE)
