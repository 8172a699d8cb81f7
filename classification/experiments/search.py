"""`--search N`: settings are tried on validation, each in a run of its own; the best ones are those of the run.

The trials are parts of the command, in `OUT/search/trial-001` and so on. They train and evaluate: no trial predicts
test. The library's `Trainer.hyperparameter_search` keeps one Trainer and its trials in memory. It cannot change the
model, the lengths or the loss, forgets all trials when it is killed, and restarts what it had begun.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from classification.cli.build_options import build_options
from classification.cli.checks import check_flags
from classification.cli.options import Options, Search
from classification.cli.parser import WITHOUT_SEARCH, with_values
from classification.cli.recorded_run import PUSH
from classification.cli.search_space import as_flags, default_space, describe_settings
from classification.data.findings import quantity
from classification.errors import Diverged, RunError, UsageError
from classification.evaluation.metrics import LOWER_IS_BETTER
from classification.experiments.resuming import asked_decisions
from classification.experiments.run_parts import remove_part, run_part
from classification.experiments.runs import FinishedRun, Run
from classification.experiments.search_draws import draw_settings, is_hopeless
from classification.experiments.search_record import COMPLETE, FAILED, PRUNED, SearchRecord, Trial, is_finite
from classification.experiments.search_tidying import tidy_losers
from classification.messages.log import Line, log_lines, warning
from classification.report.json_fields import list_in, mapping_in, read_json
from classification.reporting.console import muted
from classification.reporting.output_folder import RETURNED, TRIALS, holds_a_run, holds_trials
from classification.reporting.run_lock import lock_folder
from classification.training.checkpoints import last_good
from classification.training.finished_run import finished_run
from classification.training.processes import made_by_main, stop_together, this_process
from classification.training.pruning import Pruned

# What no trial does: its score is that of validation, and its files are those of a part.
OF_THE_RUN: dict[str, object] = {
    **WITHOUT_SEARCH, **dict.fromkeys((*PUSH, "do_predict", "baselines", "suspect_labels", "learning_curve")),
    "resume": None, "overwrite_output_dir": None, "do_train": True, "do_eval": True, "neighbours": False,
}  # fmt: skip


def search_settings(options: Options, run: Run) -> Options:
    """Try the settings of `--search`, one after the other, and return the options of the run with the best ones.

    The run continues from the last checkpoint of the best trial: it is not trained again. With `--resume auto` no trial
    with a result is repeated, the first one without continues, and later ones have the settings that an uninterrupted
    search would have given them. `--dry_run` prints the space.

    Raises:
        UsageError: `--resume auto`, and the folder holds another search, or other data than then.
        RunError: no trial has a result, or the disk or the memory ended a trial.
    """
    search = options.search
    assert search is not None
    log_lines(describe_search(search), title="search")
    own = search.space.own_settings(search.flags)
    if options.run.dry_run:
        settings = draw_settings(search.space, new_record(options, search), own) or {}
        log_lines([Line("trial-001", describe_settings(settings))])
        return options_of(search, settings)
    record = open_search(options, search, run)
    if options.run.resume and record.trials:
        log_lines([Line("resume", f"{quantity(len(record.trials), 'trial')} of the search have ended before")])
    while len(record.trials) < search.trials:
        drawn = next_settings(search, record, own)
        if drawn is None:
            log_lines([Line("search", f"all {len(record.trials)} different settings of the space were tried")])
            break
        record = end_trial(options, search, run_trial(options, search, record, drawn, run))
    best = record.best
    if best is None:
        raise RunError(f"None of {quantity(len(record.trials), 'trial')} has a result. {record.trials[0].problem}")
    return continue_best(options, search, record, best, run)


def next_settings(search: Search, record: SearchRecord, own: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the next trial tries, drawn by the main process; None where all was tried."""

    def draw() -> dict[str, Any] | None:
        return draw_settings(search.space, record, own)

    return made_by_main(draw)


def describe_search(search: Search) -> list[Line]:
    """How many trials, and what each flag may be; which flags were typed instead."""
    lines = [Line("trials", f"{search.trials}, each scored on validation; none predicts test")]
    lines += [Line("searched", f"--{name}: {dimension}") for name, dimension in search.space.dimensions.items()]
    if not search.space.source:
        fixed = [f"--{name}" for name in default_space(search.flags) if name in search.flags.typed]
        lines += [Line("not searched", f"{', '.join(fixed)}: typed")] if fixed else []
    return lines


# ------------------------------------------------------------------------------------------------------------- options


def options_of(search: Search, settings: Mapping[str, Any], changes: Mapping[str, object] | None = None) -> Options:
    """The options of a command without `--search` and with these settings.

    Raises:
        UsageError: the settings contradict each other.
    """
    flags = with_values(search.flags, {**WITHOUT_SEARCH, **as_flags(settings), **(changes or {})})
    check_flags(flags)
    return build_options(flags)


def options_of_trial(options: Options, search: Search, number: int, settings: Mapping[str, Any]) -> Options:
    """A trial trains and evaluates in a folder of its own. The first one guards the output folder for all."""
    is_first, resume = number == 1, "auto" if options.run.resume else None
    made = options_of(search, settings, OF_THE_RUN)
    folder = options.output_dir / TRIALS / f"trial-{number:03d}"
    return replace(
        made,
        run=replace(made.run, resume=resume, overwrite_output_dir=is_first and options.run.overwrite_output_dir),
        trainer=made.trainer.replaced(output_dir=str(folder), report_to="none", run_name=None),
        study_dir=options.output_dir if is_first else None,
        is_part=True,
        notes=(),
        values={},
        repeats=None,
    )


def new_record(options: Options, search: Search) -> SearchRecord:
    """The record of a search without trials."""
    metric, trainer = options.trainer.text("metric_for_best_model").removeprefix("eval_"), options.trainer
    higher = trainer.is_on("greater_is_better") if "greater_is_better" in options.given else (
        metric not in LOWER_IS_BETTER
    )  # fmt: skip
    starts_with_own = len(search.space.own_settings(search.flags)) == len(search.space.dimensions)
    metric = "val_loss" if metric == "loss" else metric
    return SearchRecord(
        metric, higher, options.seed, search.space.as_json(), starts_with_own, asked=asked_decisions(options)
    )


def open_search(options: Options, search: Search, run: Run) -> SearchRecord:
    """The search in the output folder that `--resume auto` continues, or a new one; read by the main process.

    Raises:
        UsageError: the folder holds something else, or the search has other data or flags than this command.
    """
    folder, new = options.output_dir, new_record(options, search)

    def read() -> SearchRecord:
        if not options.run.resume:
            return new
        lock_folder(folder)
        record = SearchRecord.read(folder)
        if record is None and holds_a_run(folder) and not (holds_trials(folder) or options.run.overwrite_output_dir):
            raise UsageError(
                f"--output_dir {folder}: holds a run, and no search that --resume auto could continue with --search "
                f"{search.trials}. Choose another --output_dir, or pass --overwrite_output_dir to move it aside."
            )
        if record is not None:
            record.check_same(new, folder)
            tidy_losers(folder, record)
        return record or new

    record = made_by_main(read)
    for trial in record.trials if len(record.trials) < search.trials else ():
        if trial.state == COMPLETE and finished_run(folder / TRIALS / trial.name):
            with muted():  # it has the data and the flags of all others: this compares them with the command's
                run(options_of_trial(options, search, trial.number, trial.settings))
            break
    return record


# -------------------------------------------------------------------------------------------------------------- trials


def run_trial(
    options: Options, search: Search, record: SearchRecord, settings: Mapping[str, Any], run: Run
) -> SearchRecord:
    """Train and score one trial; returns the record with it. Its number follows those of the record.

    The first one has the command's own settings, so that its error is the command's; another one whose settings a check
    refuses has failed.

    Raises:
        RunError: the disk or the memory, not the training, ended the trial: it can continue.
        UsageError: of the first trial; or the data has changed since.
    """
    start = time.perf_counter()
    trial = Trial(len(record.trials) + 1, dict(settings))
    try:
        part = options_of_trial(options, search, trial.number, settings)
        hopeless = partial(is_hopeless, record=record)
        part = replace(part, training=replace(part.training, is_hopeless=hopeless))
        with muted():
            finished = run_part(part, run)
    except Pruned as stop:
        trial = replace(trial, state=PRUNED, evaluations=tuple(stop.values))
    except Diverged as error:
        if options.output_dir in RETURNED:
            raise
        trial = replace(trial, state=FAILED, problem=str(error))
    except UsageError as error:
        if trial.number == 1:
            raise
        trial = replace(trial, state=FAILED, problem=str(error))
    else:
        return made_by_main(lambda: scored(trial, finished, record))
    return record.with_trial(replace(trial, seconds=time.perf_counter() - start))


def scored(trial: Trial, finished: FinishedRun, record: SearchRecord) -> SearchRecord:
    """The record with a trial and its value: the metric of the search, of the model that was kept, on validation.

    Raises:
        UsageError: its data is not that of the trials before.
    """
    written, headline = read_json(finished.output_dir / "run.json") or {}, finished.task.headline
    data = {split: facts for split, facts in mapping_in(written, "data").items() if split in ("train", "validation")}
    if record.data and record.data != data:
        raise UsageError(f"{trial.name}: the data has changed since the search began. Search again in another folder.")
    key = "eval_" + ("loss" if record.metric == "val_loss" else record.metric)
    values = [entry.get(key) for entry in list_in(written, "epochs")]
    value, second = finished.metrics.get(key), finished.metrics.get(f"eval_{headline}")
    evaluations = tuple(float(each) for each in values if is_finite(each))
    trial = replace(
        trial,
        evaluations=evaluations,
        headline=float(second) if is_finite(second) else None,
        seconds=finished.seconds.get("total"),
    )
    if is_finite(value):
        trial = replace(trial, value=float(value))
    else:
        trial = replace(trial, state=FAILED, problem=f"{record.metric} on validation is no number.")
    return replace(record.with_trial(trial), headline=headline, data=data)


def end_trial(options: Options, search: Search, record: SearchRecord) -> SearchRecord:
    """Write and print the last trial of a record; of all trials, only the best one keeps its checkpoints."""
    gc.collect()  # the trainer and its callbacks refer to each other: the old model would stay in memory
    with stop_together():
        if this_process().is_main_process:
            record.write(options.output_dir)
            tidy_losers(options.output_dir, record)
    log_lines([describe_trial(record.trials[-1], record, search.trials)])
    return record


def describe_trial(trial: Trial, record: SearchRecord, count: int) -> Line:
    """One line per trial that has ended."""
    settings, place = describe_settings(trial.settings), f"{trial.number} of {count}"
    if trial.state == FAILED:
        return warning(f"trial {place} has no result: {trial.problem} ({settings})")
    if trial.state == PRUNED:
        reason = f"stopped at evaluation {len(trial.evaluations)}: worse than the median of the trials before"
        return Line("trial", f"{place}: {reason}; {settings}")
    best = record.best
    mark = ", the best so far" if best is not None and best.number == trial.number else ""
    name, metric, second = record.headline, record.metric, trial.headline
    headline = f", {name} {second:.4f}" if second is not None and name != metric else ""
    time_taken = f"; {trial.seconds:.0f} s" if trial.seconds is not None else ""
    return Line("trial", f"{place}: {metric} {trial.value:.4f}{mark}{headline}{time_taken}; {settings}")


# ------------------------------------------------------------------------------------------------------------- the run


def continue_best(options: Options, search: Search, record: SearchRecord, best: Trial, run: Run) -> Options:
    """The options of the run: the best settings, from the last checkpoint of the best trial.

    A run that is finished, with these settings, stays as it is. Where the checkpoints of the best trial were deleted,
    it is trained again.
    """
    folder = options.output_dir / TRIALS / best.name
    checkpoint = made_by_main(lambda: last_good(folder, quiet=True))
    if checkpoint is None and not is_done(options.output_dir, best):
        log_lines([warning(f"{folder} has no good checkpoint any more: {best.name} is trained again")])
        with stop_together():
            if this_process().is_main_process and folder.is_dir():
                remove_part(folder)
        before = replace(record, trials=record.trials[: best.number - 1])
        run_trial(options, search, before, best.settings, run)
        checkpoint = made_by_main(lambda: last_good(folder, quiet=True))
    log_lines([Line("best", f"{best.name}: {describe_settings(best.settings)}")])
    made = options_of(search, best.settings)
    return replace(
        made,
        run=replace(made.run, resume="auto" if checkpoint is None else str(checkpoint), overwrite_output_dir=False),
        as_typed={**made.as_typed, "search": search.trials, "search_space": search.space.source or None},
        values=options.values,
        notes=(),
        best_trial=best.name,
    )


def is_done(folder: Path, best: Trial) -> bool:
    """Whether the run with the best settings is finished."""
    return mapping_in(finished_run(folder) or {}, "search").get("best") == best.name
