"""The end of a run after a search: its trials in run.json, a table, a plot, and how lucky the choice was."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from datasets import DatasetDict

from classification.cli.options import Options
from classification.cli.search_space import describe_settings
from classification.data.labels import LabelSpace
from classification.data.tasks import task_from_dict
from classification.errors import cosmetic
from classification.evaluation.metrics import METRICS
from classification.experiments.run_pages import write_pages
from classification.experiments.saved_predictions import SavedPredictions
from classification.experiments.search_record import COMPLETE, SearchRecord
from classification.experiments.search_tidying import tidy_losers
from classification.messages.log import Line, log_lines
from classification.report.json_fields import list_in, mapping_in
from classification.reporting.console import Cell, log_table
from classification.reporting.output_folder import TRIALS
from classification.reporting.run_record import run_record, write_json
from classification.reporting.run_result import RunResult
from classification.training.finished_run import finished_run
from classification.training.processes import stop_together, this_process

PLOT = "search.svg"
LISTED = 10  # trials in the table; search.json has all
HALVINGS = 100  # random halvings of validation for `cross_fitted`
FEWEST = 20  # validation rows


def record_search(options: Options, result: RunResult) -> None:
    """Add the search to what run.json gets, draw search.svg and print the best trials; only in the main process."""
    if not options.best_trial or options.is_part:
        return
    with stop_together(), cosmetic("the trials of --search", result.lost):  # the other processes wait
        record = SearchRecord.read(options.output_dir) if result.is_main_process else None
        if record is None:
            return
        found = describe_found(options.output_dir, record, result.corpus.splits)
        result.facts["search"] = found
        result.selections.insert(0, selection_of(record, found))
        log_trials(record, found)
        draw_plot(options.output_dir / PLOT, found, result.lost)


def draw_plot(file: Path, found: Mapping[str, Any], lost: list[str]) -> None:
    with cosmetic(file.name, lost, asked=False):
        from classification.report.page.figures import write_figure  # matplotlib takes a third of a second to load
        from classification.report.page.search_figure import draw_trials

        write_figure(file, lambda: draw_trials(found))


def record_search_again(options: Options, result: RunResult) -> None:
    """The same for a run that was finished before, whose search has more trials now and the same best one.

    What a kill after its end has left of the best trial is deleted.
    """
    forget_trials(options)
    folder = options.output_dir
    then = finished_run(folder) or {} if options.best_trial and not options.is_part else {}
    record = SearchRecord.read(folder) if then else None
    if record is None or len(record.trials) == len(list_in(mapping_in(then, "search"), "trials")):
        return
    record_search(options, result)
    if result.is_main_process:
        others = [each for each in list_in(then, "selections") if each["what"] != "settings"]
        now = {"search": result.facts["search"], "selections": [*result.selections, *others]}
        write_json(folder / "run.json", {**then, **command_now(options, then), **now})
        write_pages(options, lost=[])  # the run is finished: what is missing here, scripts/report.py writes
        result.lost[:] = [part for part in result.lost if part != PLOT]


def command_now(options: Options, then: Mapping[str, Any]) -> dict[str, object]:
    """The command and its flags in a run.json of then, with the number of trials of now: it repeats all of them."""
    trials = {"search": options.as_typed["search"]}
    flags = {name: {**mapping_in(then, name), **trials} for name in ("arguments", "flags")}
    return {"command": run_record(options.argv, options.as_typed)["command"], **flags}


def forget_trials(options: Options) -> None:
    """Delete the checkpoints of the best trial, once its run is finished."""
    folder = options.output_dir
    if options.best_trial and not options.is_part and this_process().is_main_process and finished_run(folder):
        record = SearchRecord.read(folder)
        if record is not None:
            tidy_losers(folder, record, keep_best=False)


def describe_found(folder: Path, record: SearchRecord, splits: DatasetDict) -> dict[str, Any]:
    """What run.json holds of a search."""
    rows = len(splits["validation"])
    return {**record.as_json(), "rows": rows, "cross_fitted": cross_fitted(folder, record, splits)}


def selection_of(record: SearchRecord, found: Mapping[str, Any]) -> dict[str, object]:
    """The record of the choice of settings, as `fit_decisions` has those of others."""
    best, word = record.best, "highest" if record.higher else "lowest"
    assert best is not None
    return {
        "what": "settings",
        "split": "validation",
        "rows": found["rows"],
        "method": f"{word} {record.metric} of {len(record.trials)} trials",
        "value": describe_settings(best.settings) or "no flag beside those of the command",
        "score": best.value,
        "cross_fitted": False,
    }


def log_trials(record: SearchRecord, found: Mapping[str, Any]) -> None:
    """The best trials as a table, and what the choice among them is worth on other rows."""
    sign = -1 if record.higher else 1
    order = sorted(
        record.trials, key=lambda each: (each.state != COMPLETE, sign * (each.value or 0), each.number)
    )  # fmt: skip
    rows: dict[str, list[Cell]] = {}
    metrics = list(dict.fromkeys([record.metric, record.headline]))  # they may be one
    settings = [describe_settings(trial.settings) for trial in order[:LISTED]]
    width = max(map(len, settings))
    for trial, text in zip(order, settings, strict=False):
        seconds = None if trial.seconds is None else round(trial.seconds)
        values = [trial.value, trial.headline][: len(metrics)]
        rows[trial.name] = [*values, seconds, trial.state, text.ljust(width)]
    log_table("trials", [*metrics, "seconds", "state", "settings".ljust(width)], rows)
    log_lines([Line("", sentence) for sentence in warnings_of(record, found)])


def warnings_of(record: SearchRecord, found: Mapping[str, Any]) -> list[str]:
    """What to be careful about: the best of several is partly lucky."""
    best, crossed = record.best, found["cross_fitted"]
    assert best is not None
    count = sum(trial.state == COMPLETE for trial in record.trials)
    if crossed is None:
        return [f"{record.metric} {best.value:.4f} is the best of {count} on the same rows: a little too good."]
    return [
        f"{record.metric} {best.value:.4f} is the best of {count} on the same {found['rows']} rows, a little too good: "
        f"chosen on one half and measured on the other, it is {crossed:.4f}."
    ]


# ---------------------------------------------------------------------------------------------------------------- luck


def cross_fitted(folder: Path, record: SearchRecord, splits: DatasetDict) -> float | None:
    """The metric of a trial that is chosen on one half of validation and measured on the other.

    The mean over `HALVINGS` random halvings, each used both ways. It is the value of the choice without its luck, up to
    two things: half the rows choose worse, and the checkpoint of each trial was chosen on all rows.

    Args:
        splits: of the run, with the rows that the trials have predicted.

    Returns:
        None with fewer than two complete trials, few rows, or where predictions are missing.
    """
    complete = [trial for trial in record.trials if trial.state == COMPLETE]
    saved = [SavedPredictions.read(folder / TRIALS / trial.name, splits) for trial in complete]
    label_ids = np.array(splits["validation"]["label"][:])
    if len(complete) < 2 or len(label_ids) < FEWEST or any(each is None for each in saved):
        return None
    tasks = [task_from_dict(each.task) for each in saved if each is not None]
    logits = [each.predictions["validation"].logits for each in saved if each is not None]
    draw = np.random.default_rng(record.seed)
    values: list[float] = []
    count = HALVINGS if record.metric == "val_loss" else HALVINGS // 10  # others take milliseconds each
    for _ in range(count):
        order = draw.permutation(len(label_ids))
        halves = np.array_split(order, 2)
        figures = np.array([
            [figure(record.metric, logits[trial][half], label_ids[half], tasks[trial]) for half in halves]
            for trial in range(len(complete))
        ])  # fmt: skip
        if not np.isfinite(figures).all():
            return None
        chosen = figures.argmax(axis=0) if record.higher else figures.argmin(axis=0)
        values += [figures[chosen[0], 1], figures[chosen[1], 0]]
    return float(np.mean(values))


def figure(metric: str, logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> float:
    """The metric of some rows; nan for one that this recipe does not compute itself."""
    if metric == "val_loss":
        return float(task.row_losses(logits, label_ids).mean())
    if metric not in METRICS[task.metrics]:
        return float("nan")
    references, predictions = task.in_units(label_ids), task.in_units(task.decide(logits))
    return float(METRICS[task.metrics][metric](references, predictions, task.probabilities(logits)))
