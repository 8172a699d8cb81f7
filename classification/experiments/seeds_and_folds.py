"""One command, several trainings: over seeds, to see how much is luck; over folds, to use every row of small data."""

from __future__ import annotations

import gc
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from classification.cli.options import Options, Study
from classification.data.findings import quantity
from classification.errors import Diverged, RunError, UsageError, cosmetic, own_error
from classification.experiments.label_errors import FILE as LABEL_ERRORS
from classification.experiments.repeating import log_equality
from classification.experiments.run_pages import draw_shared_report, write_study_pages
from classification.experiments.run_parts import run_part, tidy_part
from classification.experiments.runs import FinishedRun, Run
from classification.experiments.study_closing import (
    RESUME,
    Collected,
    end_study,
    record_study,
    tidy_study,
)
from classification.experiments.study_progress import FILE as PROGRESS
from classification.experiments.study_progress import RECORDED, Progress, find_progress, record_failed
from classification.experiments.study_table import log_study
from classification.messages.log import Line, log_lines, warning
from classification.reporting.hub_push import push_model
from classification.reporting.next_steps import next_steps
from classification.reporting.run_lock import lock_folder, unlock_folder
from classification.reporting.run_result import raise_lost
from classification.system.kept_folders import GONE, WAYS
from classification.training.disk_errors import disk_errors_explained
from classification.training.finished_run import finished_run
from classification.training.processes import any_process, made_by_main, stop_together, this_process

logger = logging.getLogger(__name__)

OTHER_FOLDER = "Run the same command with another --output_dir."


@dataclass(frozen=True)
class Plan:
    """What a run of a study has of its own.

    Args:
        fold: number (from 0) and count of folds. trainer: values for the Trainer.
    """

    fold: tuple[int, int] | None = None
    trainer: Mapping[str, object] = field(default_factory=dict)


def run_study(options: Options, run: Run) -> dict[str, Any]:
    """Run the command once per seed or fold of `options.study`, each in its own folder inside the output folder.

    With seeds, the model with the lowest val_loss moves to the output folder and the others are deleted. With folds,
    every model stays in its folder, and one file has the predictions for the rows that each model did not see.
    Checkpoints are deleted. With `--resume auto` the runs that are finished are not trained again, and the first
    unfinished one continues from its last good checkpoint.

    Returns:
        The content of all_results.json: `<metric>_mean` and `<metric>_sd` (sample, n - 1) over the runs, the metrics
        of each under `runs`, as `collapsed` the runs with the same prediction for every row, and as `failed` the
        errors of runs that diverged, if any. With `--dry_run` the losses of the first run's first batch, and in
        processes other than the main one nothing.

    Raises:
        UsageError: `--resume auto`, and the output folder holds another study.
        RunError: a run diverged, or an error cost a part of its results; all others are saved.
    """
    start, study, folder = time.perf_counter(), options.study, options.output_dir
    assert study is not None
    plans = plan_runs(options, study)
    if options.run.dry_run:
        name, plan = next(iter(plans.items()))
        log_lines([Line("", f"=== {name}, the first of {len(plans)} runs ===")])
        return run(options.for_one_run(name, None, first=True, **plan.trainer), fold=plan.fold).metrics
    progress = open_study(options, study, list(plans))
    if progress and progress.stage == RECORDED:
        return finish_recorded(options, study, plans, run)
    collected = run_all(options, plans, progress, run)
    metrics: dict[str, Any] = {}
    with stop_together(), disk_errors_explained(folder, way=lambda: RESUME):
        if this_process().is_main_process:
            metrics, task = record_study(options, study, list(plans), collected)
            with cosmetic("table of the study"):
                log_study(metrics, task)
                log_equality(options, metrics)
            if collected.is_whole:
                collected.lost_of_study += finish_study(options, study, list(collected.metrics))
                model = str(folder) if "best" in metrics else None
                with cosmetic("list of files"):
                    seconds = time.perf_counter() - start
                    log_lines(next_steps(folder, model=model, task=task, seconds=seconds, pairs=collected.has_pairs))
    raise_lost(collected.lost, folder, "" if collected.is_whole else RESUME)
    return metrics


def plan_runs(options: Options, study: Study) -> dict[str, Plan]:
    """The plan of each run by its name.

    A seed sets the new weights, dropout and the order of rows (the orders of neighbouring seeds are unrelated, see
    `TrainSampler`); the splits stay.
    """
    if study.kind == "folds":
        return {f"fold-{fold + 1}": Plan((fold, study.folds)) for fold in range(study.folds)}
    orders = {} if "data_seed" in options.given else {seed: {"data_seed": seed} for seed in study.seeds}
    return {f"seed-{seed}": Plan(trainer={"seed": seed, **orders.get(seed, {})}) for seed in study.seeds}


def open_study(options: Options, study: Study, names: list[str]) -> Progress | None:
    """The study in the output folder that `--resume auto` continues; None for a new one."""

    def find() -> Progress | None:
        lock_folder(options.output_dir)
        return find_progress(options.output_dir, study, names, overwrite=options.run.overwrite_output_dir)

    return made_by_main(find) if options.run.resume else None


# --------------------------------------------------------------------------------------------------------------- runs


def run_all(options: Options, plans: Mapping[str, Plan], progress: Progress | None, run: Run) -> Collected:
    """Run every plan that has no result yet; the checkpoints of a run with a result are deleted.

    Args:
        progress: of the study that continues.

    Raises:
        RunError: no run has a result, or the disk refuses a file.
    """
    folder, collected, has_begun = options.output_dir, Collected(), progress is not None
    begun, failed = (progress.begun, progress.failed) if progress else ((), {})
    for number, (name, plan) in enumerate(plans.items(), start=1):
        logger.info("%s=== %s, run %d of %d ===", "\n" if number > 1 else "", name, number, len(plans))
        if name in failed:
            fail(collected, name, failed[name])
            logger.warning("It failed before and would fail again. To try it again, delete %s", folder / name)
            continue
        resume = "auto" if name in begun else None
        part = options.for_one_run(name, resume, first=not has_begun, **plan.trainer)
        try:
            collect(collected, name, run_part(part, run, plan.fold))
        except Diverged as error:
            fail(collected, name, str(error))
        gc.collect()  # the trainer and its callbacks refer to each other: the old model would stay in memory
        has_begun = record_end(options, name, collected, has_begun=has_begun)
    if not collected.metrics:
        name, problem = next(iter(collected.failed.items()))
        raise RunError(f"None of {quantity(len(plans), 'run')} has a result. {name}: {problem}")
    return collected


def collect(collected: Collected, name: str, finished: FinishedRun) -> None:
    """Keep what the study needs of a run, and not its model."""
    collected.metrics[name], collected.tasks[name] = finished.metrics, finished.task
    collected.held_out[name] = finished.predictions["validation"]
    if "test" in finished.predictions:
        collected.tested[name] = finished.predictions["test"]
    collected.lost_parts[name] = finished.lost


def fail(collected: Collected, name: str, problem: str) -> None:
    collected.failed[name] = problem
    collected.lost_parts[name] = []
    logger.warning("%s has no result: %s", name, problem)


def record_end(options: Options, name: str, collected: Collected, *, has_begun: bool) -> bool:
    """Record a run that has failed, and tidy the folder of one with all its results; whether the study has begun.

    It has not if its first run failed in the first step: then another run that had to make room is back.

    Raises:
        RunError: the study has begun, and its folder was moved or removed since.
    """
    folder = options.output_dir
    with stop_together():
        if this_process().is_main_process:
            progress, study, has_failed = Progress.read(folder), options.study, name in collected.failed
            if progress is None and not has_failed:
                raise own_error(f"--output_dir {folder}: {GONE}, and lacks the other runs of this study. {WAYS}")
            has_begun |= progress is not None and study is not None and progress.key == study.key
            if not has_failed and not collected.lost_parts[name]:
                tidy_part(folder / name)
            unlock_folder(folder / name)  # it stays, though it may be empty
            if has_failed and has_begun:
                record_failed(folder, collected.failed)
    return any_process(has_begun)


# ------------------------------------------------------------------------------------------------------------ the end


def finish_study(options: Options, study: Study, finished: list[str]) -> list[str]:
    """After the results are recorded: draw the pages, delete what is no longer needed and push the model.

    Only in the main process.

    Returns:
        What errors have cost. The study has not ended then, so that `--resume auto` comes here again.
    """
    folder, lost = options.output_dir, list[str]()
    write_study_pages(folder, lost)
    tidy_study(folder, study, finished)
    draw_shared_report(options.push, folder, lost)
    push_model(options.push, folder)
    if not lost:
        end_study(folder)
    return lost


def finish_recorded(options: Options, study: Study, plans: Mapping[str, Plan], run: Run) -> dict[str, Any]:
    """Return the results of a study that has ended, after the rest of the tidying if it was killed there.

    One run is compared with the command: it has the data and flags of all others.
    """
    folder = options.output_dir
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    metrics = json.loads((folder / "all_results.json").read_text(encoding="utf-8"))
    name = next((name for name in plans if name in metrics["runs"] and finished_run(folder / name)), None)
    task = None
    if name is not None:
        plan = plans[name]
        try:
            task = run(options.for_one_run(name, "auto", first=False, **plan.trainer), fold=plan.fold).task
        except UsageError as error:
            if study.kind == "seeds":  # the model that is kept has been moved
                error.args = (str(error).replace(str(folder / name), str(folder)),)
            raise
    lost = list[str]()
    with stop_together(), disk_errors_explained(folder, way=lambda: RESUME):
        if this_process().is_main_process:
            if (folder / PROGRESS).exists():
                lost += finish_study(options, study, list(metrics["runs"]))
            log_lines([Line("resume", f"this study is finished: nothing to do; results in {folder}")])
            if options.run.suspect_labels and not (folder / LABEL_ERRORS).exists():
                log_lines([warning(f"--suspect_labels: the study has ended without it. {OTHER_FOLDER}")])
            if task is not None:
                log_study(metrics, task)
    way = RESUME if lost else ""
    lost += record.get("lost", []) if this_process().is_main_process else []
    raise_lost(lost, folder, way)
    return metrics if this_process().is_main_process else {}
