"""What one run produced, as values, and the files that hold it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from accelerate import PartialState
from accelerate.utils import gather_object
from datasets import DatasetDict

from classification.data.corpus import Corpus
from classification.data.fingerprints import fingerprint
from classification.data.labels import LabelSpace
from classification.data.quality.token_findings import TokenStatistics
from classification.data.tasks import task_as_dict
from classification.errors import RunError, cosmetic, join_first
from classification.evaluation.predictions import Predictions
from classification.reporting.data_digests import digest_outputs
from classification.reporting.output_folder import OutputFolder
from classification.reporting.run_record import run_record, write_json
from classification.system.kept_folders import keep_folders
from classification.training.callbacks import EPOCH
from classification.training.checkpoints import all_checkpoints
from classification.training.disk_errors import how_to_continue
from classification.training.finished_run import finished_run
from classification.training.phases import Trained
from classification.training.trainer import ClassificationTrainer

RESULT_FILES = ("all_results.json", "run.json")


class Comparison(Protocol):
    """Comparison of the model with baselines."""

    def results_as_dict(self) -> dict[str, dict]: ...

    @property
    def best(self) -> Mapping[str, object]: ...

    def log(self, task: LabelSpace) -> None: ...


@dataclass
class RunResult:
    """What a run found, filled phase by phase.

    Args:
        task: of the model that is kept; its thresholds may have been tuned.
        model: what `pipeline` loads.
        head_at_zero: the run was asked for `--head_init zero`.
        tokens: what the tokenizer made of the texts.
        metrics: what all_results.json holds.
        predictions: by split. selections: what was chosen on validation, and on which rows.
        average: the average of weights beside the best checkpoint; empty without one.
        epochs: the figures of each epoch's line.
        learning_curve: what learning_curve.json holds.
        trainer_state: best step, best metric and log of the Trainer.
        lost: what errors after training have cost.
        inputs: what was given and read, for run.json.
        facts: fingerprint, decisions and what else a resumed run is compared with.
        is_finished_before: the run was finished already; its metrics and task are those of then.
    """

    corpus: Corpus
    tokens: TokenStatistics
    task: LabelSpace
    output_dir: Path
    model: str
    head_at_zero: bool = False
    metrics: dict = field(default_factory=dict)
    predictions: dict[str, Predictions] = field(default_factory=dict)
    selections: list[dict[str, object]] = field(default_factory=list)
    average: Mapping[str, object] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    throughput: dict = field(default_factory=dict)
    epochs: Sequence[Mapping[str, float]] = ()
    trainer_arguments: Mapping[str, object] = field(default_factory=dict)
    trainer_state: Mapping[str, object] = field(default_factory=dict)
    comparison: Comparison | None = None
    learning_curve: Mapping[str, Any] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    inputs: Mapping[str, object] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)
    is_finished_before: bool = False

    @property
    def is_main_process(self) -> bool:
        return PartialState().is_main_process

    @property
    def total_seconds(self) -> float:
        return self.seconds["total"]

    @cached_property
    def data_facts(self) -> dict[str, dict[str, object]]:
        """Rows and fingerprint of each split."""
        splits = self.corpus.splits.items()
        return {split: {"rows": len(rows), "fingerprint": fingerprint(rows)} for split, rows in splits}

    def add_trained(self, trained: Trained, task: LabelSpace) -> None:
        """What training left; `task` has the decisions that were fitted."""
        self.metrics |= trained.metrics
        self.task, self.selections, self.average = task, trained.selections, trained.average
        if trained.validation:
            self.predictions["validation"] = trained.validation

    def add_training(self, trainer: ClassificationTrainer) -> None:
        """Copy epochs, arguments, best checkpoint and log from the Trainer."""
        self.epochs = trainer.epochs
        self.trainer_arguments = trainer.args.to_dict()
        state = trainer.state
        self.trainer_state = {
            "best_step": state.best_global_step,
            "best_metric": state.best_metric,
            "log_history": [entry for entry in state.log_history if EPOCH not in entry],
        }

    def add_metrics(self, prefix: str, metrics: Mapping[str, object]) -> None:
        """The metrics of a split as `<prefix>_<name>`."""
        self.metrics |= {f"{prefix}_{name}": value for name, value in metrics.items()}

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - start


@dataclass(frozen=True)
class Prepared:
    """What a run has before its first step."""

    encoded: DatasetDict
    trainer: ClassificationTrainer
    folder: OutputFolder
    result: RunResult

    def has_begun(self) -> bool:
        """Whether an optimizer step has gone well; without training, whether a split is predicted."""
        steps = self.trainer.finite_steps
        is_unread = steps.last is not None and steps.last.ready is not None  # a GPU's numbers of the last step
        done = steps.steps - steps.skipped - is_unread
        return done > 0 or bool(self.result.predictions) or bool(all_checkpoints(self.folder.path))


@contextmanager
def results_written(prepared: Prepared, argv: Sequence[str], flags: Mapping[str, object]) -> Iterator[None]:
    """After it, all_results.json, run.json and the plots have what was found inside, even where an error ended it.

    Args:
        argv, flags: as for `write_results`.
    """
    result = prepared.result
    try:
        yield
    except BaseException:
        if result.metrics:
            with cosmetic("all_results.json or run.json"):
                write_found(prepared, argv, flags)
        raise
    write_found(prepared, argv, flags)


def write_found(prepared: Prepared, argv: Sequence[str], flags: Mapping[str, object]) -> None:
    """Write what the phases have found, and its plots; see `results_written`."""
    result = prepared.result
    with cosmetic("the course of training in run.json", result.lost):
        result.add_training(prepared.trainer)
    write_results(result, argv, flags)
    draw_plots(result)


def write_results(result: RunResult, argv: Sequence[str], flags: Mapping[str, object]) -> None:
    """Write all_results.json and run.json; only the main process writes.

    Args:
        argv: the command line; flags: every flag of this recipe and its value.
    """
    if not result.is_main_process:
        return
    folder = result.output_dir
    result.lost[:] = [part for part in result.lost if part not in RESULT_FILES]  # they are written once more
    folder.mkdir(parents=True, exist_ok=True)
    with cosmetic("all_results.json", result.lost):
        keep_folders()
        write_json(folder / "all_results.json", result.metrics)
    with cosmetic("run.json", result.lost):
        keep_folders()
        write_json(folder / "run.json", record_of(result, argv, flags))


def draw_plots(result: RunResult) -> None:
    """Draw the curves and the confusion matrix; only the main process draws. No later step changes their figures."""
    if not result.is_main_process:
        return
    with cosmetic("a plot", result.lost, asked=False):
        keep_folders()
        from classification.reporting.plots import draw  # matplotlib takes a third of a second to load

        draw(result.output_dir, result.metrics, result.epochs, result.task, result.lost)


def record_of(result: RunResult, argv: Sequence[str], flags: Mapping[str, object]) -> dict[str, object]:
    """What run.json holds."""
    comparison, trainer = result.comparison, result.trainer_arguments
    return run_record(
        argv,
        {**flags, "trainer": trainer},
        data=result.data_facts,
        validation_method=result.corpus.validation_method,
        has_pairs=result.corpus.has_pairs,
        labels=result.task.names,
        task=task_as_dict(result.task),
        selections=result.selections,
        average=result.average,
        tokens=result.tokens.facts,
        findings=[finding.as_dict() for finding in (*result.corpus.findings, *result.tokens.findings)],
        seeds={**{name: trainer.get(name) for name in ("seed", "data_seed")}, "shuffle_seed": flags["shuffle_seed"]},
        seconds=result.seconds,
        throughput=result.throughput,
        baselines=comparison.results_as_dict() if comparison else {},
        comparison=comparison.best if comparison else {},
        learning_curve=result.learning_curve,
        epochs=result.epochs,
        results=result.metrics,
        **result.trainer_state,
        **result.inputs,
        **result.facts,
        **digest_outputs(result.output_dir),
    )


def mark_finished(result: RunResult) -> None:
    """Write into run.json, as the last of all, that the run has all its results; not if something is lost."""
    if not result.is_main_process or result.lost:
        return
    file = result.output_dir / "run.json"
    with cosmetic("run.json", result.lost):
        write_json(file, {**json.loads(file.read_text(encoding="utf-8")), "finished": True})


def mark_unfinished(folder: Path) -> None:
    """Before a finished run gets other results: if this is killed, the results may be those of two commands."""
    record = finished_run(folder)
    if record:
        del record["finished"]
        write_json(folder / "run.json", record)


def raise_lost(lost: list[str], folder: Path, way: str | None = None) -> None:
    """End a run that has lost a part of its output, after everything else is saved; in all processes.

    Args:
        way: how to go on; None stands for the last good checkpoint, where there is one.

    Raises:
        RunError: something is lost.
    """
    lost = list(dict.fromkeys(gather_object(lost)))
    if lost:
        way = how_to_continue(folder) if way is None else way
        again = f" Remove the cause, then {way}" if way else ""
        raise RunError(
            f"The run ended without {join_first(lost)}; the warnings above have the reasons. What could be written is "
            f"in {folder}.{again}"
        )
