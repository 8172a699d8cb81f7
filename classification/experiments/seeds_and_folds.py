"""One command, several trainings: over seeds, to see how much is luck; over folds, to use every row of small data."""

from __future__ import annotations

import gc
import logging
import math
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState
from datasets import concatenate_datasets

from classification.cli.options import Options, Study
from classification.data.findings import agree, quantity
from classification.data.labels import LabelSpace
from classification.errors import join_first
from classification.evaluation.predictions import Predictions
from classification.evaluation.split_metrics import score_labelled
from classification.experiments.runs import Run
from classification.log import Line, log_lines, warning
from classification.reporting.console import log_table
from classification.reporting.next_steps import next_steps
from classification.reporting.predictions_file import write_predictions
from classification.reporting.run_record import run_record, write_json
from classification.training.checkpoints import CHECKPOINT

logger = logging.getLogger(__name__)

PLOTS = ("curves.svg", "confusion_matrix.svg")
RECORDS = ("run.json", "all_results.json", "predictions.csv", *PLOTS)  # these stay in the folder of every run
HELD_OUT_FILE = "out_of_fold_predictions.csv"

Fold = tuple[int, int]  # number (from 0) and count of folds
Plans = dict[str, tuple[Options, Fold | None]]  # by the name of the run


@dataclass
class Collected:
    """What remains of the runs of a study, by name: metrics, tasks, and the predictions of validation."""

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, LabelSpace] = field(default_factory=dict)
    held_out: dict[str, Predictions] = field(default_factory=dict)


def run_study(options: Options, run: Run) -> dict[str, Any]:
    """Run the command once per seed or fold of `options.study`, each in its own folder inside the output folder.

    With seeds, the model with the lowest val_loss moves to the output folder and the others are deleted. With folds,
    every model stays in its folder, and one file has the predictions for the rows that each model did not see.
    Checkpoints are deleted.

    Returns:
        The content of all_results.json: `<metric>_mean` and `<metric>_sd` (sample, n - 1) over the runs, the metrics
        of each under `runs`, and as `collapsed` the runs with the same prediction for every row. With `--dry_run`
        the losses of the first run's first batch, and in processes other than the main one nothing.
    """
    start, study, folder = time.perf_counter(), options.study, options.output_dir
    assert study is not None
    plans = plan_runs(options, study)
    if options.run.dry_run:
        name, (plan, fold) = next(iter(plans.items()))
        log_lines([Line("", f"=== {name}, the first of {len(plans)} runs ===")])
        return run(plan, fold=fold).metrics
    collected = run_all(plans, folder, run)
    if not PartialState().is_main_process:
        return {}
    metrics = mean_and_deviation(collected.metrics)
    metrics["collapsed"] = [
        name for name, predictions in collected.held_out.items() if has_collapsed(predictions, collected.tasks[name])
    ]
    best = None
    if study.kind == "seeds":
        metrics["best"] = best = min(collected.metrics, key=lambda name: val_loss(collected.metrics[name]))
        keep_model(folder, list(plans), best)
    task = collected.tasks[best or next(iter(plans))]  # seeds may have thresholds of their own
    if study.kind == "folds":
        metrics |= pool_folds(folder, collected.held_out, task)
    write_records(options, metrics)
    log_study(metrics, task)
    seconds = time.perf_counter() - start
    log_lines(next_steps(folder, model=str(folder) if best else None, task=task, seconds=seconds))
    return metrics


def run_all(plans: Plans, folder: Path, run: Run) -> Collected:
    """Run every plan; its checkpoints are deleted."""
    collected = Collected()
    for number, (name, (plan, fold)) in enumerate(plans.items(), start=1):
        logger.info("%s=== %s, run %d of %d ===", "\n" if number > 1 else "", name, number, len(plans))
        finished = run(plan, fold=fold)
        collected.metrics[name], collected.tasks[name] = finished.metrics, finished.task
        collected.held_out[name] = finished.predictions["validation"]
        del finished
        gc.collect()  # the trainer and its callbacks refer to each other: the old model would stay in memory
        if PartialState().is_main_process:
            remove_checkpoints(folder / name)
    return collected


# -------------------------------------------------------------------------------------------------------------- plans


def plan_runs(options: Options, study: Study) -> Plans:
    """By name the options of each run and its fold.

    A seed sets the new weights, dropout and the order of rows (the orders of neighbouring seeds are unrelated, see
    `TrainSampler`); the splits stay.
    """
    if study.kind == "folds":
        names = [f"fold-{fold + 1}" for fold in range(study.folds)]
        return {
            name: (options.for_one_run(name, first=fold == 0), (fold, study.folds)) for fold, name in enumerate(names)
        }
    plans: Plans = {}
    for number, seed in enumerate(study.seeds):
        seeds = {"seed": seed} if "data_seed" in options.given else {"seed": seed, "data_seed": seed}
        plans[f"seed-{seed}"] = (options.for_one_run(f"seed-{seed}", first=number == 0, **seeds), None)
    return plans


# ------------------------------------------------------------------------------------------------------------ metrics


def val_loss(metrics: dict[str, Any]) -> float:
    return metrics["eval_loss"] if math.isfinite(metrics["eval_loss"]) else math.inf


def mean_and_deviation(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The metrics of each run, and mean and standard deviation of every number that all runs have."""
    metrics: dict[str, Any] = {"runs": runs}
    for key, value in next(iter(runs.values())).items():
        values = [run[key] for run in runs.values() if key in run]
        if isinstance(value, float) and len(values) == len(runs):
            metrics[f"{key}_mean"], metrics[f"{key}_sd"] = float(np.mean(values)), float(np.std(values, ddof=1))
    return metrics


def has_collapsed(predictions: Predictions, task: LabelSpace) -> bool:
    """Whether all rows have one decision although their labels differ.

    Fine-tuning sometimes fails this way on small data (Mosbach et al. 2021, On the Stability of Fine-tuning BERT).
    """
    is_varied = len(np.unique(np.array(predictions.label_ids), axis=0)) > 1
    return is_varied and task.is_constant(task.decide(predictions.logits))


def pool_folds(folder: Path, held_out: dict[str, Predictions], task: LabelSpace) -> dict[str, Any]:
    """Write the predictions of all folds, and return the metrics of all rows at once as `out_of_fold_<metric>`."""
    predictions = in_order_of_train(held_out)
    write_predictions(folder / HELD_OUT_FILE, predictions, task)
    metrics = score_labelled(predictions.logits, predictions.label_ids, task)
    return {f"out_of_fold_{metric}": value for metric, value in metrics.items()}


def in_order_of_train(held_out: dict[str, Predictions]) -> Predictions:
    """The predictions of all folds, with rows in the order of train."""
    parts = list(held_out.values())
    order = np.argsort(np.concatenate([part.rows["position"][:] for part in parts]), kind="stable")
    return Predictions(
        concatenate_datasets([part.rows for part in parts]).select(order),
        logits=np.concatenate([part.logits for part in parts])[order],
        tokens=np.concatenate([part.tokens for part in parts])[order],
        full_tokens=np.concatenate([part.full_tokens for part in parts])[order],
    )


# -------------------------------------------------------------------------------------------------- files, log output


def remove_checkpoints(folder: Path) -> None:
    for path in folder.iterdir():
        if CHECKPOINT.fullmatch(path.name):
            shutil.rmtree(path)


def keep_model(output_dir: Path, names: list[str], best: str) -> None:
    """Move the best run's model to `output_dir`, with a copy of its predictions, and delete the other models.

    The metrics and predictions of every run stay in its folder.
    """
    for name in names:
        for path in filter(Path.is_file, (output_dir / name).iterdir()):  # folders are a tracker's logs
            if path.name == "predictions.csv" and name == best:
                shutil.copy(path, output_dir / path.name)
            elif path.name not in RECORDS and name == best:
                shutil.move(path, output_dir / path.name)
            elif path.name not in RECORDS:
                path.unlink()


def write_records(options: Options, metrics: dict[str, Any]) -> None:
    write_json(options.output_dir / "all_results.json", metrics)
    arguments = {**options.as_typed, "trainer": dict(options.trainer)}
    write_json(options.output_dir / "run.json", run_record(options.argv, arguments, results=metrics))


def log_study(metrics: dict[str, Any], task: LabelSpace) -> None:
    log_table("", *study_table(metrics, task))
    log_lines(study_summary(metrics))


def study_table(metrics: dict[str, Any], task: LabelSpace) -> tuple[list[str], dict[str, list]]:
    """Column names, and the metrics of every run, their mean and standard deviation, and of all folds together."""
    names = ("loss", *task.main_metrics[:3])
    keys = [f"{split}_{name}" for split in ("eval", "test") for name in names if f"{split}_{name}_mean" in metrics]
    rows = {name: [run[key] for key in keys] for name, run in metrics["runs"].items()}
    rows |= {statistic: [metrics[f"{key}_{statistic}"] for key in keys] for statistic in ("mean", "sd")}
    if "out_of_fold_loss" in metrics:
        rows["all rows"] = [metrics.get(f"out_of_fold_{key.removeprefix('eval_')}") for key in keys]
    return keys, rows


def study_summary(metrics: dict[str, Any]) -> list[Line]:
    """Which model is kept, and which runs have failed."""
    lines = []
    if "best" in metrics:
        lines.append(Line("best", f"{metrics['best']} has the lowest val_loss: its model is kept"))
    if metrics["collapsed"]:
        lines.append(
            warning(
                f"{len(metrics['collapsed'])} of {quantity(len(metrics['runs']), 'run')} "
                f"{agree(len(metrics['collapsed']), 'have')} the same prediction for every row "
                f"({join_first(metrics['collapsed'])}), which distorts the mean. Train longer, or pass a lower "
                "--learning_rate or more --warmup_steps"
            )
        )
    return lines
