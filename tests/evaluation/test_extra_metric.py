"""`--metric_name` adds any scorer of scikit-learn that fits the task, and runs nothing by accident."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.evaluation.extra_metric import LoadedMetric, check_best_metric, load_metric
from classification.evaluation.metrics import score
from classification.evaluation.split_metrics import score_labelled
from classification.training.objective import Objective

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


METRIC = """
import datasets
import evaluate

open({marker!r}, "w").close()


class Share(evaluate.Metric):
    def _info(self):
        features = datasets.Features({{"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {{"share": sum(p == r for p, r in zip(predictions, references)) / len(references)}}
"""


@pytest.fixture
def planted(tmp_path, monkeypatch):
    """A working directory with a metric wherever `evaluate` looks for one; a file that exists once one has run."""
    marker = tmp_path / "executed"
    for path in ("exotic/exotic.py", "someone/metric/metric.py", "plain.py", "accuracy/accuracy.py", "f1_weighted.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(METRIC.format(marker=str(marker)))
    monkeypatch.chdir(tmp_path)
    return marker


@pytest.mark.parametrize(
    "name", ["exotic", "someone/metric", "plain", "plain.py", "./exotic", "./plain.py", "../exotic", "elsewhere/metric",
             "exotic/", "someone/metric/metric.py", ""],
)  # fmt: skip
def test_code_is_never_run_unless_it_is_trusted(planted, name):
    with pytest.raises(UsageError, match=f"--metric_name {name}.*execute.*--trust_remote_code true"):
        load_metric(name, THREE)
    assert not planted.exists()


def test_an_absolute_path_is_code_too(planted):
    with pytest.raises(UsageError, match="--trust_remote_code true"):
        load_metric(str(planted.parent / "exotic"), THREE)
    assert not planted.exists()


@pytest.mark.parametrize("name", ["exotic", "someone/metric", "plain.py", "plain", "exotic/exotic.py"])
def test_trusted_code_is_run_from_a_path_only(planted, name):
    """The name of a metric on the Hub must not run a file that lies here."""
    with pytest.raises(UsageError, match=f"--metric_name {name}: the working directory has .*Write ./{name}"):
        load_metric(name, THREE, trusted=True)
    assert not planted.exists()


@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "f1_weighted"])
def test_a_scorer_wins_over_a_file_of_its_name(planted, name):
    load_metric(name, THREE, trusted=True)
    assert not planted.exists()


def test_the_remedy_works(planted):
    extra = load_metric("./exotic", THREE, trusted=True)
    assert planted.exists() and extra.names == ("share",)
    assert score(LOGITS, IDS, THREE, extra)["share"] == pytest.approx(np.mean(LOGITS.argmax(-1) == IDS))


def test_a_path_to_nothing_is_one_line(planted):
    with pytest.raises(UsageError, match="--metric_name ./nothing: there is no such file or folder"):
        load_metric("./nothing", THREE, trusted=True)


def test_an_error_in_trusted_code_is_one_line(planted):
    (planted.parent / "broken.py").write_text("def x(:")
    with pytest.raises(UsageError, match="--metric_name ./broken.py: cannot be loaded: "):
        load_metric("./broken.py", THREE, trusted=True)


# --------------------------------------------------------------------------------------- rows that allow no such figure

ODD_IDS = {  # label ids of a split
    "a class is missing": np.array([0, 1, 0, 1, 0, 1]),
    "one class": np.ones(6, dtype=np.int64),
    "one row": np.array([2]),
}
ODD_TRUTH = {
    "a label without positives": np.array([[1.0, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 0]]),
    "no labels": np.zeros((4, 3)),
    "all labels": np.ones((4, 3)),
    "one row": np.array([[1.0, 0, 1]]),
}
ODD_NUMBERS = {"constant": np.full(4, 0.5), "one row": np.array([0.5]), "two rows": np.array([0.5, 1.0])}
ODD = [
    (task, kind, label_ids)
    for task, splits in ((THREE, ODD_IDS), (SEVERAL, ODD_TRUTH), (NUMBER, ODD_NUMBERS))
    for kind, label_ids in splits.items()
]


@pytest.mark.parametrize(("task", "label_ids"), [pytest.param(task, ids, id=kind) for task, kind, ids in ODD])
@pytest.mark.filterwarnings("error:.*:sklearn.exceptions.UndefinedMetricWarning")
def test_no_scorer_fails_on_rows_that_allow_no_figure(task, label_ids):
    """Every scorer that fits the task gives a number, or nan with a reason."""
    logits = draw.normal(size=(len(label_ids), task.num_labels)).astype(np.float32)
    tried, reasons = 0, {}
    for name in sk.get_scorer_names():
        try:
            extra = load_metric(name, task)
        except UsageError:
            continue
        if extra is None:
            continue
        values = extra(task.in_units(label_ids), task.in_units(task.decide(logits)), task.probabilities(logits))
        assert set(values) == {name} and all(isinstance(value, float) for value in values.values())
        assert set(extra.reasons) == {key for key, value in values.items() if np.isnan(value)}
        assert all(reason.endswith(".") and "\n" not in reason for reason in extra.reasons.values())
        tried, reasons = tried + 1, reasons | extra.reasons
    assert tried > 8
    if task is THREE:
        assert "roc_auc_ovr" in reasons


def test_the_reason_for_a_figure_that_is_missing_is_reported():
    extra = load_metric("roc_auc_ovr", THREE)
    result = score_labelled(LOGITS[:6], [0, 1, 0, 1, 0, 1], THREE, extra)
    assert np.isnan(result["roc_auc_ovr"]) and "Number of classes" in result["not_computed"]["roc_auc_ovr"]
    again = score_labelled(LOGITS, IDS.tolist(), THREE, extra)
    assert np.isfinite(again["roc_auc_ovr"]) and "not_computed" not in again


def test_an_error_of_a_metric_costs_its_figure_alone():
    def compute(references, predictions, probabilities):
        raise ZeroDivisionError("division by zero")

    result = score_labelled(LOGITS, IDS.tolist(), THREE, LoadedMetric(compute, ("odd",)))
    assert np.isnan(result["odd"]) and result["not_computed"] == {"odd": "division by zero."}
    assert np.isfinite(result["accuracy"])


@pytest.mark.parametrize("value", [[0.1, 0.2], "high", None])
def test_a_metric_that_gives_no_number_is_refused_before_training(monkeypatch, value):
    module = "classification.evaluation.extra_metric.load_from_evaluate"
    monkeypatch.setattr(module, lambda *args, **kwargs: lambda *rows: {"odd": value})
    with pytest.raises(UsageError, match="--metric_name odd: cannot score this task"):
        load_metric("odd", THREE, trusted=True)


# ---------------------------------------------------------------------------------------------- --metric_for_best_model


@pytest.mark.parametrize(
    ("name", "task", "label_ids"),
    [
        ("roc_auc_ovr", THREE, [0, 1, 0, 1]),
        ("eval_roc_auc_ovr", THREE, [2]),
        ("neg_log_loss", THREE, [0, 1, 0, 1]),
        ("pearson", NUMBER, [0.5, 0.5, 0.5]),
        ("spearman", NUMBER, [0.5]),
        ("r2", NUMBER, [0.5]),
        ("average_precision", SEVERAL, [[0.0, 0.0, 0.0]] * 3),
    ],
)
def test_a_best_metric_that_validation_does_not_allow_is_refused_before_training(name, task, label_ids):
    extra, objective = load_metric(name.removeprefix("eval_"), task), Objective(task)
    with pytest.raises(UsageError) as refused:
        check_best_metric(name, task, extra, objective, label_ids)
    words = ("--metric_for_best_model", f"{len(label_ids)} rows of validation", "Choose another, such as loss")
    assert all(word in str(refused.value) for word in words)
    check_best_metric("loss", task, extra, objective, label_ids)


@pytest.mark.parametrize(
    ("name", "task", "label_ids"),
    [("roc_auc_ovr", THREE, [0, 1, 2, 1]), ("f1_macro", THREE, [0, 0, 0]), ("pearson", NUMBER, [0.5, 0.7, 0.9])],
)
def test_a_best_metric_that_validation_allows_is_accepted(name, task, label_ids):
    check_best_metric(name, task, load_metric(name, task), Objective(task), label_ids)


@pytest.mark.parametrize("count", [2, 3])
def test_two_labels_per_row_are_two_questions_and_not_two_classes(count):
    task = infer_task([list("abc")[:count], ["a"], []])
    truth, probabilities = TRUTH[:, :count].astype(int), task.probabilities(SEVERAL_LOGITS[:, :count])
    metric = load_metric("roc_auc", task)
    assert metric is not None
    value = metric(truth, (probabilities > 0.5).astype(int), probabilities)["roc_auc"]
    assert value == pytest.approx(sk.roc_auc_score(truth, probabilities))
