"""Where `--report_to` sends the figures of a run: each one once, the final metrics too, and every tracker is closed.

The library's callbacks close a tracker before the final metrics exist, know nothing of this recipe's flags, and log a
second time what a resumed run repeats. `Trackers` stands between the Trainer and these callbacks.
"""

from __future__ import annotations

import copy
import logging
import math
import random
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import Trainer, TrainerCallback, TrainingArguments

from classification.errors import UsageError, first_line
from classification.messages.redaction import redact
from classification.training.processes import stop_together, this_process
from classification.training.tracker_kinds import FAILED, FINISHED, STOPPED, TrackedRun, Tracker, tracker_of
from classification.training.tracker_record import Record

logger = logging.getLogger(__name__)

FILE = Path("runs") / "trackers.json"  # in the output folder, beside the event files of TensorBoard
FINAL = {"eval_": "eval_final_", "test_": "test_"}  # the figures of an epoch have the names eval_<metric>


class Trackers(TrainerCallback):
    """Gives the events of a Trainer to the callbacks of its trackers; one that fails is left out, with a warning.

    Args:
        trackers: by name. args: as the trackers see them, with all flags and the name of the run.
        record: what has been logged.
    """

    def __init__(self, trackers: dict[str, Tracker], args: TrainingArguments, record: Record):
        self.trackers, self.args, self.record = trackers, args, record

    def each(self, call: Callable[[Tracker], object]) -> None:
        for name, tracker in list(self.trackers.items()):
            try:
                call(tracker)
            except Exception as error:  # of a server, a disk or a network
                logger.warning("--report_to %s: logs no more: %s", name, first_line(error))
                del self.trackers[name]

    def on_log(self, args, state, control, logs=None, **kwargs):
        keys = set(logs or {}) - {"epoch"}
        if self.record.is_logged(state.global_step, keys):
            return
        self.each(lambda tracker: tracker.callback.on_log(self.args, state, control, logs=dict(logs or {}), **kwargs))
        self.record.add(state.global_step, keys)

    def on_save(self, args, state, control, **kwargs):
        self.each(lambda tracker: tracker.callback.on_save(self.args, state, control, **kwargs))

    def on_step_end(self, args, state, control, **kwargs):
        self.each(lambda tracker: tracker.callback.on_step_end(self.args, state, control, **kwargs))

    def on_evaluate(self, args, state, control, **kwargs):
        self.each(lambda tracker: tracker.callback.on_evaluate(self.args, state, control, **kwargs))

    def log_final(self, trainer: Trainer, metrics: Mapping[str, object]) -> None:
        """Log the metrics of the model that is kept, as `eval_final_<name>` (validation) and `test_<name>`."""
        finals = {
            name: value for name, value in final_metrics(metrics).items() if self.record.finals.get(name) != value
        }
        if finals:
            event = (self.args, trainer.state, trainer.control)
            self.each(lambda tracker: tracker.callback.on_log(*event, logs=dict(finals), model=trainer.model))
            self.record.finals |= finals
            self.record.write()

    def close(self, status: str, trainer: Trainer) -> None:
        event, more = (self.args, trainer.state, trainer.control), {
            "model": trainer.model, "processing_class": trainer.processing_class,
        }  # fmt: skip
        self.each(lambda tracker: tracker.close(status, *event, **more))


def final_metrics(metrics: Mapping[str, object]) -> dict[str, float]:
    """The finite numbers of validation and test in all_results.json, under their names in trackers."""
    return {
        FINAL[prefix] + name.removeprefix(prefix): value
        for name, value in metrics.items()
        for prefix in FINAL
        if name.startswith(prefix) and isinstance(value, int | float) and not isinstance(value, bool)
        if math.isfinite(value)
    }


@contextmanager
def tracked(trainer: Trainer, run: TrackedRun, metrics: Mapping[str, object], *, resumes: bool) -> Iterator[None]:
    """Inside, a run is tracked as `--report_to` asks; on exit its final metrics are logged and every tracker is closed.

    Only the main process logs. After an error the trackers are closed, and show the run as failed if they can.

    Args:
        metrics: filled inside: what all_results.json holds.
        resumes: whether the run continues from a checkpoint; its trackers go on with the run of then.

    Raises:
        UsageError: a tracker cannot begin.
    """
    with stop_together():
        trackers = open_trackers(trainer, run, resumes=resumes)
    if trackers is None:
        yield
        return
    status = FAILED
    try:
        yield
        trackers.log_final(trainer, metrics)
        status = FINISHED
    except Exception:
        raise
    except BaseException:  # a signal
        status = STOPPED
        raise
    finally:
        trackers.close(status, trainer)


def open_trackers(trainer: Trainer, run: TrackedRun, *, resumes: bool) -> Trackers | None:
    """Take the callbacks of trackers from a Trainer and begin their runs; None where nothing is tracked here."""
    found = [each for callback in trainer.callback_handler.callbacks if (each := tracker_of(callback))]
    for _, tracker in found:
        trainer.remove_callback(tracker.callback)
    if not found or not this_process().is_main_process:
        return None
    record = Record(run.folder / FILE, run.name)
    if not resumes or not record.read():
        record.name = run.name if trainer.args.run_name else f"{run.name}-{uuid.uuid4().hex[:6]}"
    elif getattr(trainer, "facts", {}).get("resumed_anyway"):  # its figures are not those of then
        record.step, record.keys = -1, set()
    run = replace(run, name=record.name)
    args = tracked_arguments(trainer.args, run)
    trackers = dict(found)
    with same_random_numbers():
        for name, tracker in found:
            try:
                tracker.open(run, record.identities.get(name))
                tracker.callback.on_train_begin(args, trainer.state, trainer.control, model=trainer.model)
                record.identities[name] = tracker.begun(run, args)
            except Exception as error:
                raise UsageError(
                    f"--report_to {name}: cannot begin: {first_line(error)} Check its settings, or leave the flag out."
                ) from error
    record.write()
    callback = Trackers(trackers, args, record)
    trainer.add_callback(callback)
    return callback


def tracked_arguments(args: TrainingArguments, run: TrackedRun) -> TrainingArguments:
    """The Trainer's arguments as trackers see them: with the name of the run, and among them the recipe's own flags."""
    seen = copy.copy(args)
    seen.run_name = run.name
    flags = {**run.flags, **seen.to_dict()}
    hidden = redact(flags, run.secrets)
    seen.to_dict = lambda: copy.deepcopy(hidden)  # type: ignore[method-assign]
    return seen


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Inside, random numbers may be drawn, as some trackers do for a name; training draws those it would have drawn."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        yield
    random.setstate(python)
    np.random.set_state(numpy)
