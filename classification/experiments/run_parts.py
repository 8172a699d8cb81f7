"""A run that is one part of a command: continued, or taken from its folder if it was finished before a kill."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classification.cli.options import Options
from classification.data.corpus import Corpus
from classification.data.labels import LabelSpace
from classification.data.tasks import task_from_dict
from classification.errors import cosmetic
from classification.evaluation.predictions import Predictions
from classification.experiments.runs import FinishedRun, Run
from classification.experiments.saved_predictions import FILE as PREDICTIONS
from classification.experiments.saved_predictions import SavedPredictions
from classification.messages.log import Line, log_lines
from classification.report.json_fields import mapping_in
from classification.reporting.run_lock import lock_folder, unlock_folder
from classification.system.files import remove
from classification.training.checkpoint_rotation import clear_leftovers, delete
from classification.training.checkpoints import all_checkpoints, last_good
from classification.training.finished_run import finished_run
from classification.training.processes import any_process, stop_together, this_process

DECISIONS = ("thresholds", "costs", "temperatures", "fitted_on")  # fields of a task that a run may choose


@dataclass(frozen=True)
class Part:
    """The result of a part, whether it was trained now or before; see `FinishedRun`."""

    metrics: dict[str, Any]
    predictions: dict[str, Predictions]
    seconds: dict[str, float]
    task: LabelSpace
    output_dir: Path
    lost: list[str]
    corpus: Corpus
    is_finished_before: bool
    throughput: dict[str, Any]


def run_part(options: Options, run: Run, fold: tuple[int, int] | None = None) -> FinishedRun:
    """Run one part; with `--resume auto` it continues, and a part that is finished is read from its folder.

    What an unfinished part has left without a good checkpoint is removed: the part starts again.
    """
    folder = options.output_dir
    with stop_together():
        if options.run.resume and this_process().is_main_process and not can_continue(folder):
            start_again(folder)
    finished = run(options, fold)
    if not finished.is_finished_before:
        return finished
    saved = SavedPredictions.read(folder, finished.corpus.splits)
    if not any_process(saved is None):
        assert saved is not None
        return part_of(saved, finished)
    with stop_together():
        if this_process().is_main_process:
            log_lines([Line("resume", f"{folder.name} is evaluated again, because its predictions are missing")])
            (folder / "run.json").unlink()  # it is no longer finished
            if not can_continue(folder):
                start_again(folder)
    return run(options, fold)


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but hidden files, such as the lock of a run that was killed."""
    return all(path.name.startswith(".") for path in folder.iterdir())


def part_of(saved: SavedPredictions, finished: FinishedRun) -> Part:
    """The result of a run that was finished before. Its config, with the temperatures, may have been moved."""
    decided = task_from_dict(saved.task)
    return Part(
        saved.metrics, saved.predictions, saved.seconds, output_dir=finished.output_dir, lost=saved.lost,
        task=replace(finished.corpus.task, **{name: getattr(decided, name) for name in DECISIONS}),
        corpus=finished.corpus, is_finished_before=True,
        throughput=dict(mapping_in(finished_run(finished.output_dir) or {}, "throughput")),
    )  # fmt: skip


def can_continue(folder: Path) -> bool:
    """Whether the run in a folder is finished, has a good checkpoint, or has not begun."""
    if finished_run(folder) or not folder.is_dir() or is_empty(folder):
        return True
    return last_good(folder, quiet=True) is not None


def start_again(folder: Path) -> None:
    """Remove the folder of a part with all that it holds, because nothing in it can be continued.

    Raises:
        UsageError: another run is writing to it.
    """
    log_lines([Line("resume", f"{folder.name} has no good checkpoint: it starts again")])
    remove_part(folder)


def remove_part(folder: Path) -> None:
    """Remove the folder of a part.

    Raises:
        UsageError: another run is writing to it.
    """
    lock_folder(folder)
    unlock_folder(folder)
    remove(folder)


def tidy_part(folder: Path) -> None:
    """Delete the checkpoints of a finished part. Its predictions stay until the command has used them."""
    if folder.is_dir():
        clear_leftovers(folder)
        for checkpoint in all_checkpoints(folder):
            delete(checkpoint)


def forget_predictions(folder: Path) -> None:
    """Delete the predictions of a part, which the command has used."""
    (folder / PREDICTIONS).unlink(missing_ok=True)


def keep_predictions(options: Options, finished: FinishedRun) -> None:
    """Write what the command around this run needs of it, if there is one, before the run is marked as finished."""
    if options.is_part and this_process().is_main_process:
        with cosmetic(PREDICTIONS, finished.lost):
            SavedPredictions.of(finished).write(options.output_dir)
