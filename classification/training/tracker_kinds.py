"""What each tracker needs beyond the library's callback: the name of its run, the same run when resumed, an end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainingArguments
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK, default_logdir

FINISHED, FAILED, STOPPED = "FINISHED", "FAILED", "KILLED"  # the words of MLflow
WANDB_PROJECT = "huggingface"  # the library's default


@dataclass(frozen=True)
class TrackedRun:
    """What trackers are given about a run in addition to the Trainer's figures.

    Args:
        name: of this run; group: of the study that it is a part of, None for any other run.
        part: its name inside the study.
        folder: the output folder.
        flags: of this recipe; secrets: what must not leave the machine, in these and in the Trainer's.
        metrics: the names of the figures that people compare runs by, as TensorBoard shows them.
    """

    name: str
    folder: Path
    group: str | None = None
    part: str | None = None
    flags: Mapping[str, object] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    metrics: tuple[str, ...] = ()


class Tracker:
    """A callback of the library that needs nothing more."""

    def __init__(self, callback: Any):
        self.callback = callback

    def open(self, run: TrackedRun, identity: str | None) -> None:
        """Before the callback sets itself up.

        Args:
            identity: of the same run in an earlier process; None for a new run.
        """

    def begun(self, run: TrackedRun, args: TrainingArguments) -> str | None:
        """After the callback has set itself up: what `open` continues the run with, None if it cannot."""
        return None

    def close(self, status: str, *event: Any, **more: Any) -> None:
        """End the run; arguments as for an event of a callback."""
        self.callback.on_train_end(*event, **more)


class TensorBoard(Tracker):
    """Its identity is the folder of its event files, relative to the output folder if it is inside."""

    def open(self, run: TrackedRun, identity: str | None) -> None:
        given = os.environ.get("TENSORBOARD_LOGGING_DIR")
        if identity is not None:
            folder = run.folder / identity
        elif given:
            folder = Path(given).expanduser() / (run.part or "")  # the runs of a study would be one curve
        else:
            folder = run.folder / default_logdir()
        self.callback.logging_dir = str(folder)

    def begun(self, run: TrackedRun, args: TrainingArguments) -> str:
        with suppress(ImportError):  # tensorboardX has none
            from torch.utils.tensorboard.summary import hparams

            values = {name: value for name, value in args.to_sanitized_dict().items() if value not in ("", "None")}
            writer = self.callback.tb_writer._get_file_writer()
            for summary in hparams(values, dict.fromkeys(run.metrics, 0.0))[:2]:
                writer.add_summary(summary)
        folder = Path(self.callback.logging_dir).resolve()
        inside = folder.is_relative_to(run.folder.resolve())
        return str(folder.relative_to(run.folder.resolve()) if inside else folder)


class WeightsAndBiases(Tracker):
    """A run that is active already belongs to the program around this one: it is used, and not ended here."""

    def open(self, run: TrackedRun, identity: str | None) -> None:
        library = self.callback._wandb
        self.is_ours = library.run is None
        if self.is_ours:
            again = {"id": identity, "resume": "allow"} if identity else {}
            name = os.environ.get("WANDB_NAME") if run.part is None else None
            project = os.environ.get("WANDB_PROJECT", WANDB_PROJECT)
            library.init(project=project, name=name or run.name, group=run.group, **again)

    def begun(self, run: TrackedRun, args: TrainingArguments) -> str | None:
        return self.callback._wandb.run.id if self.is_ours else None

    def close(self, status: str, *event: Any, **more: Any) -> None:
        if status == FINISHED:
            super().close(status, *event, **more)  # may upload the model
        if self.is_ours:
            self.callback._wandb.finish(exit_code=int(status != FINISHED))


class MLflow(Tracker):
    """MLflow continues the run that a variable names."""

    def open(self, run: TrackedRun, identity: str | None) -> None:
        if identity is not None:
            os.environ["MLFLOW_RUN_ID"] = identity

    def begun(self, run: TrackedRun, args: TrainingArguments) -> str | None:
        library, is_ours = self.callback._ml_flow, self.callback._auto_end_run
        os.environ.pop("MLFLOW_RUN_ID", None)  # the next run of a study is another one
        if is_ours and run.group:
            library.set_tag("study", run.group)
        return library.active_run().info.run_id if is_ours else None

    def close(self, status: str, *event: Any, **more: Any) -> None:
        library, is_ours = self.callback._ml_flow, self.callback._auto_end_run
        self.callback._auto_end_run = False  # else it ends the next run of this process when it is collected
        if is_ours and library.active_run():
            library.flush_async_logging()  # a thread in the background writes
            library.end_run(status)
        super().close(status, *event, **more)


class Trackio(Tracker):
    """Runs of one name are one run, so that its identity is its name."""

    def begun(self, run: TrackedRun, args: TrainingArguments) -> str | None:
        return args.run_name

    def close(self, status: str, *event: Any, **more: Any) -> None:
        if status == FINISHED:
            super().close(status, *event, **more)
        else:
            self.callback._trackio.finish()  # without a snapshot of it on the Hub


KINDS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "wandb": WeightsAndBiases,
    "mlflow": MLflow,
    "trackio": Trackio,
}


def tracker_of(callback: TrainerCallback) -> tuple[str, Tracker] | None:
    """The tracker that a callback logs to, with its name in `--report_to`; None for any other callback."""
    for name, kind in INTEGRATION_TO_CALLBACK.items():
        if type(callback) is kind:
            return name, KINDS.get(name, Tracker)(callback)
    return None
