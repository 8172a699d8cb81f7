"""What a study plans, keeps and summarises."""

from __future__ import annotations

import json
import logging
from statistics import mean, stdev

import numpy as np
import pytest
from datasets import Dataset
from stand_in_recipe import TWO, StandIn, study

from classification.cli.options import Study
from classification.data.tasks import infer_task
from classification.errors import RunError
from classification.evaluation.predictions import Predictions
from classification.evaluation.split_metrics import score_labelled
from classification.experiments.seeds_and_folds import plan_runs
from classification.experiments.study_closing import (
    has_collapsed,
    mean_and_deviation,
    move_model,
    tidy_study,
)
from classification.experiments.study_table import study_summary, study_table

SEVERAL = infer_task([["a"], ["b"]])
NUMBER = infer_task([1.5, 2.5])


def test_each_seed_is_a_run_in_a_folder_of_its_own_and_the_first_guards_the_study(options, tmp_path):
    parsed, runs = options("--seeds=3,5", "--overwrite_output_dir=true"), []
    run = StandIn(TWO, dict.fromkeys(("seed-3", "seed-5"), (np.array([[2.0, -2], [-2, 2]]), [0, 1])))

    def recorded(plan, fold=None):
        runs.append(plan)
        return run(plan, fold)

    study(parsed, recorded)
    for seed, plan in zip((3, 5), runs, strict=True):
        assert plan.seed == plan.trainer["data_seed"] == seed and plan.study is None and plan.member_of == parsed.study
        assert plan.output_dir == tmp_path / "out" / f"seed-{seed}"
    first, second = runs
    assert first.guarded_dir == tmp_path / "out" and first.run.overwrite_output_dir
    assert second.guarded_dir == second.output_dir and not second.run.overwrite_output_dir


def test_a_data_seed_that_was_given_stays(options):
    parsed = options("--seeds=3,5", "--data_seed=7")
    plans = plan_runs(parsed, parsed.study)
    assert {name: plan.trainer for name, plan in plans.items()} == {"seed-3": {"seed": 3}, "seed-5": {"seed": 5}}
    runs = [parsed.for_one_run(name, first=False, **plan.trainer) for name, plan in plans.items()]
    assert [run.trainer["data_seed"] for run in runs] == [7, 7]


def test_each_fold_is_a_run_with_the_same_seed(options):
    parsed = options("--folds=3")
    plans = plan_runs(parsed, parsed.study)
    assert {name: plan.fold for name, plan in plans.items()} == {"fold-1": (0, 3), "fold-2": (1, 3), "fold-3": (2, 3)}
    assert not any(plan.trainer for plan in plans.values())


def test_mean_and_deviation_are_those_of_a_sample():
    runs = {"seed-1": {"eval_loss": 0.5, "rows": 3}, "seed-2": {"eval_loss": 0.7, "rows": 3, "test_loss": 1.0}}
    metrics = mean_and_deviation(runs)
    assert metrics["eval_loss_mean"] == pytest.approx(mean([0.5, 0.7]))
    assert metrics["eval_loss_sd"] == pytest.approx(stdev([0.5, 0.7]))
    assert set(metrics) == {"runs", "eval_loss_mean", "eval_loss_sd"}  # what all runs have as a number with a fraction


def test_intervals_and_lists_have_no_mean_and_a_missing_figure_is_left_out():
    first = {"test_accuracy": 0.5, "test_accuracy_low": 0.4, "test_slices": [{"cost": 1.0}], "test_ece": None}
    runs = {"seed-1": first, "seed-2": first | {"test_accuracy": 0.7, "test_ece": 0.1, "test_abstention": None}}
    metrics = mean_and_deviation(runs)
    assert set(metrics) == {"runs", "test_accuracy_mean", "test_accuracy_sd"}
    assert metrics["test_accuracy_mean"] == pytest.approx(0.6)


def test_an_undefined_metric_has_an_undefined_mean():
    runs = {name: {"test_pearson": float("nan"), "test_mae": value} for name, value in (("a", 1.0), ("b", 2.0))}
    metrics = mean_and_deviation(runs)
    assert np.isnan(metrics["test_pearson_mean"]) and np.isfinite(metrics["test_mae_sd"])


def predictions(logits: np.ndarray, label_ids: list) -> Predictions:
    return Predictions(Dataset.from_dict({"label": label_ids}), logits, *[np.zeros(len(logits))] * 2)


def test_a_run_that_predicts_a_single_class_has_collapsed():
    varied, same = np.array([[1.0, -1], [-1, 1], [2, -1]]), np.array([[1.0, -1], [2, -1], [3, -1]])
    for task, given in ((TWO, [0, 1, 0]), (SEVERAL, [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])):
        assert has_collapsed(predictions(same, given), task) and not has_collapsed(predictions(varied, given), task)
        assert not has_collapsed(predictions(same, [given[0]] * 3), task)  # nothing else would be correct
    assert has_collapsed(predictions(np.full((3, 1), 0.3), [0.1, 0.2, 0.9]), NUMBER)
    assert not has_collapsed(predictions(varied[:, :1], [0.1, 0.2, 0.9]), NUMBER)


def test_collapsed_runs_are_named():
    metrics = {"runs": {"seed-1": {}, "seed-2": {}}, "collapsed": ["seed-2"], "best": "seed-1"}
    best, warning = study_summary(metrics)
    assert best.topic == "best" and best.text == "seed-1 has the lowest val_loss: its model is kept"
    assert warning.level == logging.WARNING
    assert warning.text.startswith("1 of 2 runs has the same prediction for every row (seed-2)")
    assert study_summary({"runs": {}, "collapsed": []}) == []


def test_the_table_of_a_study_has_runs_mean_deviation_and_all_folds():
    runs = {name: {"eval_loss": loss, "eval_accuracy": 0.5} for name, loss in (("fold-1", 0.2), ("fold-2", 0.4))}
    metrics = mean_and_deviation(runs) | {"out_of_fold_loss": 0.25, "out_of_fold_accuracy": 0.5}
    columns, rows = study_table(metrics, TWO)
    assert columns == ["eval_loss", "eval_accuracy"]
    assert list(rows) == ["fold-1", "fold-2", "mean", "sd", "all rows"]
    assert rows["fold-2"] == [0.4, 0.5] and rows["all rows"] == [0.25, 0.5]
    assert rows["mean"] == pytest.approx([0.3, 0.5])


def test_the_seed_with_the_lowest_val_loss_is_kept_and_collapsed_runs_are_flagged(options, tmp_path, caplog):
    good, same, diverged = np.array([[2.0, -2], [-2, 2]]), np.array([[1.0, -1], [2, -2]]), np.full((2, 2), np.nan)
    made = {"seed-1": (same, [0, 1]), "seed-2": (good, [0, 1]), "seed-3": (diverged, [0, 1])}
    caplog.set_level(logging.INFO, "classification")
    result = study(options("--seeds=1,2,3"), StandIn(TWO, made))
    assert result["best"] == "seed-2" and result["collapsed"] == ["seed-1", "seed-3"]
    assert np.isnan(result["eval_loss_mean"])
    assert (tmp_path / "out" / "model.safetensors").read_text() == "seed-2"
    assert not list((tmp_path / "out").rglob("optimizer.pt"))
    assert "2 of 3 runs have the same prediction for every row (seed-1, seed-3)" in caplog.text
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["arguments"]["seeds"] == "1,2,3" and record["results"]["best"] == "seed-2"


def test_a_seed_that_diverges_costs_only_itself(options, tmp_path, caplog):
    good = np.array([[2.0, -2], [-2, 2]])
    made = {"seed-1": (good, [0, 1]), "seed-3": (good / 2, [0, 1])}
    caplog.set_level(logging.INFO, "classification")
    with pytest.raises(RunError, match="ended without seed-2; the warnings above"):
        study(options("--seeds=1,2,3"), StandIn(TWO, made, failing=("seed-2",)))
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert results["failed"] == {"seed-2": "Training diverged at step 3 of 9."} and results["best"] == "seed-1"
    assert list(results["runs"]) == ["seed-1", "seed-3"] and results["eval_accuracy_mean"] == 1
    assert (tmp_path / "out" / "model.safetensors").read_text() == "seed-1"
    assert "seed-2 has no result: Training diverged at step 3 of 9." in caplog.text
    assert "1 of 3 runs failed (seed-2): the mean is that of the others" in caplog.text
    assert study_table(results, TWO)[1]["seed-2"] == ["failed", None, None, None]


def test_one_finished_run_has_no_deviation(options, tmp_path):
    made = {"seed-1": (np.array([[2.0, -2], [-2, 2]]), [0, 1])}
    with pytest.raises(RunError):
        study(options("--seeds=1,2"), StandIn(TWO, made, failing=("seed-2",)))
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert results["eval_accuracy_mean"] == 1 and results["eval_accuracy_sd"] is None


def test_a_fold_that_diverges_leaves_the_predictions_of_the_others(options, tmp_path):
    draw = np.random.default_rng(0)
    made = {f"fold-{i + 1}": (draw.normal(size=(9, 2)), draw.integers(0, 2, 9).tolist()) for i in range(3)}
    with pytest.raises(RunError, match="ended without fold-1"):
        study(options("--folds=3"), StandIn(TWO, made, failing=("fold-1",)))
    results = json.loads((tmp_path / "out" / "all_results.json").read_text())
    assert results["out_of_fold_scored"] == 18 and list(results["failed"]) == ["fold-1"]
    assert len((tmp_path / "out" / "oof.csv").read_text().splitlines()) == 19


def test_a_study_without_a_result_names_the_first_reason(options, tmp_path):
    with pytest.raises(RunError, match="None of 2 runs has a result. seed-1: Training diverged at step 3 of 9."):
        study(
            options("--seeds=1,2"),
            StandIn(
                TWO,
                {},
                failing=(
                    "seed-1",
                    "seed-2",
                ),
            ),
        )


def test_what_a_run_of_a_study_has_lost_is_named(options):
    made = dict.fromkeys(("seed-1", "seed-2"), (np.array([[2.0, -2], [-2, 2]]), [0, 1]))
    run = StandIn(TWO, made, lost={"seed-2": ["metrics of test"]})
    with pytest.raises(RunError, match="ended without metrics of test of seed-2;"):
        study(options("--seeds=1,2"), run)


def test_an_undefined_metric_does_not_end_a_study(options, tmp_path):
    """One test row: its correlation is undefined."""
    logits, label_ids = np.array([[0.1], [1.2], [0.7]]), [0.0, 1.0, 0.5]
    made = dict.fromkeys(("seed-1", "seed-2"), (logits, label_ids))
    run = StandIn(NUMBER, made, metrics={"test_pearson": float("nan")})
    result = study(options("--seeds=1,2"), run)
    assert np.isnan(result["test_pearson_mean"]) and np.isfinite(result["eval_mae_sd"])
    assert json.loads((tmp_path / "out" / "all_results.json").read_text())["test_pearson_mean"] is None


def test_the_metrics_of_all_folds_are_those_of_their_rows(options, tmp_path):
    """Of unequal folds the mean of their metrics is not the metric of all rows."""
    draw = np.random.default_rng(0)
    made = {f"fold-{i + 1}": (draw.normal(size=(n, 2)), draw.integers(0, 2, n).tolist()) for i, n in enumerate((9, 5))}
    result = study(options("--folds=2"), StandIn(TWO, made))
    logits = np.concatenate([logits for logits, _ in made.values()])
    expected = score_labelled(logits, [label for _, label_ids in made.values() for label in label_ids], TWO)
    for name in ("loss", "f1_macro", "mcc"):
        assert result[f"out_of_fold_{name}"] == pytest.approx(expected[name])
    assert abs(result["out_of_fold_loss"] - result["eval_loss_mean"]) > 0.001
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "fold-1", "fold-2", "all_results.json", "run.json", "oof.csv",
    }  # fmt: skip


def test_the_best_model_moves_and_the_log_of_a_tracker_stays(tmp_path):
    for name in ("seed-1", "seed-2"):
        (tmp_path / name / "runs").mkdir(parents=True)
        for file in ("model.safetensors", "predictions.csv", "run.json"):
            (tmp_path / name / file).write_text(name)
    for _ in range(2):  # a second time changes nothing
        move_model(tmp_path / "seed-2", tmp_path)
        tidy_study(tmp_path, Study(seeds=(1, 2)), ["seed-1", "seed-2"])
        assert (tmp_path / "model.safetensors").read_text() == (tmp_path / "predictions.csv").read_text() == "seed-2"
        for name in ("seed-1", "seed-2"):
            assert {path.name for path in (tmp_path / name).iterdir()} == {"runs", "predictions.csv", "run.json"}
