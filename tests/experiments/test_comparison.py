"""The best baseline is chosen by validation and compared on test; a table tells what every method reaches and costs."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from classification.cli.flag_values import BASELINES
from classification.cli.flags import BILSTM
from classification.data.rules.cost_tables import CostTable
from classification.data.rules.rule_choice import RuleChoice
from classification.data.tasks import infer_task
from classification.evaluation.predictions import Predictions
from classification.experiments.classical_models import METHODS
from classification.experiments.comparison import (
    Comparison,
    Result,
    baseline_notes,
    baseline_table,
    best_baseline,
    compare_with_best,
    comparison_lines,
    labelled_metrics,
    result_of_run,
    task_of_baselines,
)
from classification.experiments.embedding_baselines import VECTOR_METHODS

TWO = infer_task(["no", "yes"])
NUMBER = infer_task([1.5, 2.5])
SEVERAL = infer_task([["a"], ["b"]])
IDS = np.arange(100) % 2


def logits_with(correct: int) -> np.ndarray:
    """Logits [100, 2] of which the first `correct` rows are correct."""
    return np.eye(2)[np.where(np.arange(100) < correct, IDS, 1 - IDS)]


def splits(**labels) -> DatasetDict:
    return DatasetDict({split: Dataset.from_dict({"label": values}) for split, values in labels.items()})


def result(title: str, validation: float, correct: int, splits=("validation", "test")) -> Result:
    logits = dict.fromkeys(splits, logits_with(correct))
    return Result(title, {"validation": {"accuracy": validation}}, logits, train_seconds=1.0, size_bytes=2_000_000)


def test_every_baseline_has_its_method():
    assert set(BASELINES) == {*METHODS, *VECTOR_METHODS, BILSTM}


def test_validation_chooses_the_best_baseline():
    results = {"a": result("A", 0.7, 90), "b": result("B", 0.8, 60), "c": result("C", float("nan"), 99)}
    assert best_baseline(results, TWO) == "b"
    errors = {name: Result(name, {"validation": {"rmse": value}}) for name, value in (("a", 0.7), ("b", 0.8))}
    assert best_baseline(errors, NUMBER) == "a"
    assert best_baseline({"a": Result("A", not_applicable="of a reason")}, TWO) is None


def test_the_model_is_compared_on_the_labelled_rows_of_test():
    given = [None if row < 10 else int(label) for row, label in enumerate(IDS)]
    data = splits(validation=IDS, test=given)
    best = compare_with_best(result("this model", 0.9, 95), {"a": result("A", 0.7, 50)}, data, TWO, RuleChoice())
    assert best["baseline"] == "a" and best["split"] == "test"
    figures = best["figures"]
    assert figures["rows"] == 90 and figures["verdict"] == "the model wins"
    assert (figures["model"], figures["baseline"]) == pytest.approx((85 / 90, 40 / 90))


@pytest.mark.parametrize("test", [{}, {"test": [None] * 100}])
def test_without_test_labels_validation_is_compared(test):
    data, model = splits(validation=IDS, **test), result("this model", 0.9, 95)
    comparison = Comparison(
        {"a": result("A", 0.7, 50)}, compare_with_best(model, {"a": result("A", 0.7, 50)}, data, TWO, RuleChoice())
    )
    assert comparison.best["split"] == "validation" and comparison.best["figures"]["rows"] == 100
    assert "the same rows were used to select both models" in comparison_lines(comparison)[0].text


def test_without_predictions_nothing_is_compared():
    data = splits(validation=IDS, test=IDS)
    model, baselines = result("this model", 0.9, 95, ()), {"a": result("A", 0.7, 50)}
    assert compare_with_best(model, baselines, data, TWO, RuleChoice()) == {}
    assert compare_with_best(result("this model", 0.9, 95), {}, data, TWO, RuleChoice()) == {}
    assert comparison_lines(Comparison()) == []


def test_one_sentence_names_the_winner():
    data, results = splits(validation=IDS, test=IDS), {"a": result("NB-SVM", 0.7, 95)}
    comparison = Comparison(results, compare_with_best(result("this model", 0.6, 60), results, data, TWO, RuleChoice()))
    (line,) = comparison_lines(comparison)
    assert line.topic == "versus"
    assert line.text.startswith("the baseline wins: accuracy 0.6000 against 0.9500 of NB-SVM on 100 rows of test (")
    assert (
        "(the baseline was chosen on validation; difference -0.3500, 95% interval -0." in line.text
        and "McNemar's p = " in line.text
    )


def test_the_thresholds_of_the_model_are_not_those_of_the_baselines():
    tuned = replace(SEVERAL.with_thresholds(0.2), temperatures=(2.0, 2.0))
    assert task_of_baselines(tuned, RuleChoice(tune_thresholds="global")) == SEVERAL
    assert task_of_baselines(tuned, RuleChoice(thresholds={"b": 0.7})).thresholds == (0.5, 0.7)
    assert task_of_baselines(TWO.with_thresholds(0.2), RuleChoice(target_recall=0.9)) == TWO


def test_costs_decide_for_the_baselines_too():
    costs = RuleChoice(costs=CostTable("--costs", {name: 1 + i for i, name in enumerate(TWO.names)}))
    assert task_of_baselines(TWO, costs).costs == ((0.0, 1.0), (2.0, 0.0))


def test_the_table_has_a_dash_for_what_there_is_not():
    metrics = {"validation": {"accuracy": 0.5}, "test": {"accuracy": 0.25, "f1_macro": 0.125, "loss": None}}
    results = {
        "a": Result("A", metrics, train_seconds=1.26, rows_per_second=98.76, size_bytes=12_345_678),
        "b": Result("B", not_applicable="why"),
    }
    columns, rows = baseline_table(results, TWO)
    assert columns == ["val accuracy", "test accuracy", "test f1_macro", "test loss", "train s", "rows/s", "MB"]
    assert rows == {"A": ["0.5000", "0.2500", "0.1250", "-", "1.3", "98.8", "12.3"], "B": ["-"] * 7}
    notes = [line.text for line in baseline_notes(results)]
    assert notes == ["B does not apply to this task: why", "SVMs have no loss: their outputs are not probabilities"]
    assert baseline_notes({"a": result("A", 0.5, 50)}) == []


def test_rows_without_a_label_are_not_scored():
    rows = Dataset.from_dict({"label": [None, *IDS[1:].tolist()]})
    metrics = labelled_metrics(logits_with(50), rows, TWO, has_loss=False)
    assert metrics["scored"] == 99 and metrics["loss"] is None and metrics["accuracy"] == pytest.approx(49 / 99)
    assert "per_class" not in metrics
    unlabelled = Dataset.from_dict({"id": ["x"] * 100})
    assert labelled_metrics(logits_with(50), unlabelled, TWO) == {"scored": 0}


def test_the_cost_of_a_run_is_its_training_its_speed_and_its_files(tmp_path):
    for name, size in (("model.safetensors", 300), ("tokenizer.json", 50), ("predictions.csv", 1000)):
        (tmp_path / name).write_bytes(b"x" * size)
    rows = Dataset.from_dict({"label": IDS})
    finished = SimpleNamespace(
        metrics={},
        predictions={"test": Predictions(rows, logits_with(70), IDS, IDS)},
        seconds={"prepare": 9.0, "train": 3.0, "predict": 0.5, "total": 12.5},
        task=TWO,
        output_dir=tmp_path,
    )
    made = result_of_run("this model", finished, TWO, 12.5)
    assert (
        made.train_seconds == 3.0
        and made.rows_per_second == 12.5
        and made.size_bytes == 350
        and made.metrics["test"]["accuracy"] == 0.7
    )
    finished.metrics["train_runtime"] = 60.0  # a run that was killed: `seconds` has those since then
    assert result_of_run("this model", finished, TWO, 12.5).train_seconds == 60.0


def test_the_file_has_methods_and_comparison(tmp_path):
    results = {"a": result("A", 0.7, 50), "b": Result("B", not_applicable="why")}
    Comparison(results, {"baseline": "a"}).write(tmp_path / "new")
    content = json.loads((tmp_path / "new" / "baselines.json").read_text())
    assert content["comparison"] == {"baseline": "a"} and content["methods"]["b"] == {"title": "B", "absent": "why"}
    assert content["methods"]["a"] == {
        "title": "A",
        "train_seconds": 1.0,
        "rows_per_second": None,
        "size_bytes": 2_000_000,
        "validation_accuracy": 0.7,
    }
