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
from classification.errors import RunError, cosmetic, join_first
from classification.evaluation.collapse import find_collapse
from classification.evaluation.predictions import Predictions
from classification.evaluation.split_metrics import score_labelled
from classification.experiments.runs import Run
from classification.log import Line, log_lines, warning
from classification.reporting.console import log_table
from classification.reporting.hub_push import push_model
from classification.reporting.next_steps import next_steps
from classification.reporting.predictions_file import write_predictions
from classification.reporting.run_record import run_record, write_json
from classification.reporting.run_result import raise_lost
from classification.reporting.summary import number_or_blank
from classification.training.checkpoints import CHECKPOINT

logger = logging.getLogger(__name__)

PLOTS = ("curves.svg", "confusion_matrix.svg")
RECORDS = ("run.json", "all_results.json", "predictions.csv", *PLOTS)  # these stay in the folder of every run
HELD_OUT_FILE = "out_of_fold_predictions.csv"

Fold = tuple[int, int]  # number (from 0) and count of folds
Plans = dict[str, tuple[Options, Fold | None]]  # by the name of the run


@dataclass
class Collected:
    """What remains of the runs of a study, by name: metrics, tasks, and the predictions of validation.

    Args:
        failed: the error of each run that has no result. lost: what errors have cost, these runs included.
    """

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, LabelSpace] = field(default_factory=dict)
    held_out: dict[str, Predictions] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def run_study(options: Options, run: Run) -> dict[str, Any]:
    """Run the command once per seed or fold of `options.study`, each in its own folder inside the output folder.

    With seeds, the model with the lowest val_loss moves to the output folder and the others are deleted. With folds,
    every model stays in its folder, and one file has the predictions for the rows that each model did not see.
    Checkpoints are deleted.

    Returns:
        The content of all_results.json: `<metric>_mean` and `<metric>_sd` (sample, n - 1) over the runs, the metrics
        of each under `runs`, as `collapsed` the runs with the same prediction for every row, and as `failed` the
        errors of runs that diverged, if any. With `--dry_run` the losses of the first run's first batch, and in
        processes other than the main one nothing.

    Raises:
        RunError: a run diverged, or an error cost a part of its results; all others are saved.
    """
    start, study, folder = time.perf_counter(), options.study, options.output_dir
    assert study is not None
    plans = plan_runs(options, study)
    if options.run.dry_run:
        name, (plan, fold) = next(iter(plans.items()))
        log_lines([Line("", f"=== {name}, the first of {len(plans)} runs ===")])
        return run(plan, fold=fold).metrics
    collected = run_all(plans, folder, run)
    metrics = finish_study(options, study, collected, start) if PartialState().is_main_process else {}
    raise_lost(collected.lost, folder)
    return metrics


def run_all(plans: Plans, folder: Path, run: Run) -> Collected:
    """Run every plan; the checkpoints of a run with a result are deleted.

    Raises:
        RunError: no run has a result.
    """
    collected = Collected()
    for number, (name, (plan, fold)) in enumerate(plans.items(), start=1):
        logger.info("%s=== %s, run %d of %d ===", "\n" if number > 1 else "", name, number, len(plans))
        try:
            finished = run(plan, fold=fold)
        except RunError as error:
            collected.failed[name] = str(error)
            collected.lost.append(name)
            logger.warning("%s has no result: %s", name, error)
            continue
        collected.metrics[name], collected.tasks[name] = finished.metrics, finished.task
        collected.held_out[name] = finished.predictions["validation"]
        collected.lost += [f"{part} of {name}" for part in finished.lost]
        del finished
        gc.collect()  # the trainer and its callbacks refer to each other: the old model would stay in memory
        if PartialState().is_main_process:
            remove_checkpoints(folder / name)
    if not collected.metrics:
        name, problem = next(iter(collected.failed.items()))
        raise RunError(f"None of {quantity(len(plans), 'run')} has a result. {name}: {problem}")
    return collected


def finish_study(options: Options, study: Study, collected: Collected, start: float) -> dict[str, Any]:
    """Choose the model, write and log the results; returns the metrics."""
    folder, finished = options.output_dir, list(collected.metrics)
    metrics = mean_and_deviation(collected.metrics)
    metrics["collapsed"] = [
        name for name, predictions in collected.held_out.items() if has_collapsed(predictions, collected.tasks[name])
    ]
    if collected.failed:
        metrics["failed"] = collected.failed
    best = None
    if study.kind == "seeds":
        metrics["best"] = best = min(finished, key=lambda name: val_loss(collected.metrics[name]))
        keep_model(folder, finished, best)
    task = collected.tasks[best or finished[0]]  # seeds may have thresholds of their own
    if study.kind == "folds":
        metrics |= pool_folds(folder, collected.held_out, task, safe=options.run.csv_safe)
    write_records(options, metrics)
    with cosmetic("table of the study"):
        log_study(metrics, task)
    push_model(options.push, folder)
    seconds = time.perf_counter() - start
    log_lines(next_steps(folder, model=str(folder) if best else None, task=task, seconds=seconds))
    return metrics


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
    loss = metrics.get("eval_loss", math.nan)
    return loss if math.isfinite(loss) else math.inf


def mean_and_deviation(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The metrics of each run, and mean and standard deviation of every number that all runs have."""
    metrics: dict[str, Any] = {"runs": runs}
    for key, value in next(iter(runs.values())).items():
        values = [run[key] for run in runs.values() if key in run]
        if isinstance(value, float) and len(values) == len(runs):
            metrics[f"{key}_mean"] = float(np.mean(values))
            metrics[f"{key}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return metrics


def has_collapsed(predictions: Predictions, task: LabelSpace) -> bool:
    """Whether all rows have one decision although their labels differ, or as `find_collapse`.

    Few rows may have one decision by chance, but a study can compare its runs.
    """
    label_ids = np.array(predictions.label_ids)
    is_varied = len(np.unique(label_ids, axis=0)) > 1
    is_constant = is_varied and task.is_constant(task.decide(predictions.logits))
    return is_constant or find_collapse(predictions.logits, label_ids, task) is not None


def pool_folds(folder: Path, held_out: dict[str, Predictions], task: LabelSpace, *, safe: bool) -> dict[str, Any]:
    """Write the predictions of all folds, and return the metrics of all rows at once as `out_of_fold_<metric>`."""
    predictions = in_order_of_train(held_out)
    write_predictions(folder / HELD_OUT_FILE, predictions, task, safe=safe)
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
    rows = {name: [number_or_blank(run[key]) for key in keys] for name, run in metrics["runs"].items()}
    rows |= {name: ["failed", *[None] * (len(keys) - 1)] for name in metrics.get("failed", {})}
    for statistic in ("mean", "sd"):
        rows[statistic] = [number_or_blank(metrics[f"{key}_{statistic}"]) for key in keys]
    if "out_of_fold_loss" in metrics:
        rows["all rows"] = [metrics.get(f"out_of_fold_{key.removeprefix('eval_')}") for key in keys]
    return keys, rows


def study_summary(metrics: dict[str, Any]) -> list[Line]:
    """Which model is kept, and which runs have failed."""
    lines = []
    if "best" in metrics:
        lines.append(Line("best", f"{metrics['best']} has the lowest val_loss: its model is kept"))
    failed = metrics.get("failed", {})
    if failed:
        count = f"{len(failed)} of {quantity(len(failed) + len(metrics['runs']), 'run')}"
        lines.append(warning(f"{count} failed ({join_first(failed)}): the mean is that of the others"))
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
