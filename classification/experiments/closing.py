"""What surrounds the phases of a run: room in its folder; at the end speed, label errors, other methods, push."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from classification.cli.options import Options
from classification.errors import cosmetic
from classification.experiments.baselines import compare_with_baselines
from classification.experiments.curve_points import FOLDER as CURVE
from classification.experiments.label_errors import report_label_errors
from classification.experiments.learning_curve import log_curve, trace_curve
from classification.experiments.neighbours import record_embeddings, write_neighbours
from classification.experiments.repeating import log_equality
from classification.experiments.run_pages import draw_shared_report, write_pages
from classification.experiments.run_parts import forget_predictions, keep_predictions
from classification.experiments.runs import Run
from classification.experiments.search_closing import forget_trials, record_search
from classification.experiments.study_progress import record_begun
from classification.experiments.tracked_runs import tracking
from classification.messages.log import log_lines, warning
from classification.reporting.hub_push import push_model
from classification.reporting.next_steps import next_steps
from classification.reporting.run_lock import remove_stale_lock
from classification.reporting.run_result import (
    Prepared,
    RunResult,
    mark_finished,
    mark_unfinished,
    results_written,
    write_results,
)
from classification.reporting.summary import log_results
from classification.system.kept_folders import GONE, WAYS
from classification.training.loaders import end_workers
from classification.training.processes import stop_together, this_process
from classification.training.unsealed_checkpoint import WEIGHTS


@contextmanager
def room_for(options: Options, prepared: Prepared) -> Iterator[None]:
    """Inside, the run has its folder to itself; on exit its results are written, also after an error."""
    with prepared.folder.room(prepared.has_begun):
        with stop_together():
            if prepared.result.is_main_process:
                mark_unfinished(options.output_dir)
        with results_written(prepared, options.argv, options.as_typed):
            record_begun(options)
            record_embeddings(options, prepared)
            with tracking(options, prepared):
                yield


def close_run(options: Options, prepared: Prepared, run: Run) -> None:
    """Measure the speed, compare the model with other methods if asked, save and print what the run found."""
    result = prepared.result
    prepared.trainer.keep_folders()
    write_neighbours(options, prepared)
    with cosmetic("end of the loader workers"):
        end_workers(prepared.trainer)
    with cosmetic("speed"):
        result.throughput = prepared.trainer.throughput(pads_to_max=options.encoding.pad_to_max_length)
    with stop_together(), cosmetic("--suspect_labels", result.lost):  # the other processes wait
        if options.run.suspect_labels and result.is_main_process:
            log_lines(report_label_errors(options, result.corpus.splits, result.task))
    if options.run.baselines:
        with cosmetic("--baselines", result.lost):
            result.comparison = compare_with_baselines(options, result.corpus, result, run)
    if options.run.learning_curve:
        with cosmetic("--learning_curve", result.lost):
            result.learning_curve = trace_curve(options, prepared, run)
    record_search(options, result)
    keep_predictions(options, result)
    if options.trains and result.is_main_process and not any((options.output_dir / name).exists() for name in WEIGHTS):
        log_lines([warning(f"--output_dir {options.output_dir}: {GONE}. {WAYS}")])
        result.lost.append("the model, whose folder was moved or removed")
    write_results(result, options.argv, options.as_typed)
    if result.is_main_process:
        with cosmetic("tables of results"):
            log_results(result)
        if result.learning_curve:
            with cosmetic("table of the learning curve"):
                log_curve(result.learning_curve)
        with cosmetic("comparison with the run before"):
            log_equality(options, result.metrics)
        write_pages(options, result.lost)
        draw_shared_report(options.push, options.output_dir, result.lost)
        push_model(options.push, options.output_dir)
    mark_finished(result)
    forget_trials(options)
    if not result.lost:
        forget_parts(options)


def forget_parts(options: Options) -> None:
    """Delete predictions and locks of the points of the curve and of the LSTM, which a finished run no longer needs."""
    if this_process().is_main_process and (options.run.learning_curve or options.run.baselines):
        with cosmetic("the end of the parts"):
            for part in (options.for_bilstm_baseline().output_dir, *(options.output_dir / CURVE).glob("*")):
                forget_predictions(part)
                remove_stale_lock(part)


def log_next_steps(result: RunResult) -> None:
    """Where everything is, and the lines that load the model."""
    if result.is_main_process:
        with cosmetic("list of files"):
            seconds = None if result.is_finished_before else result.total_seconds
            pairs = result.corpus.has_pairs
            log_lines(next_steps(result.output_dir, model=result.model, task=result.task, seconds=seconds, pairs=pairs))
