"""Trainer callbacks: a line per epoch, progress, early stopping, the epoch of the sampler."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from transformers import TrainerCallback, TrainerState

from classification.messages.progress import Progress
from classification.training.faults import fault_at
from classification.training.samplers import TrainSampler

logger = logging.getLogger(__name__)

EPOCH = "epoch_figures"  # key of an entry of `TrainerState.log_history`


def short_name(metric: str) -> str:
    """`acc` for accuracy, in lines that are read often; other metrics keep their names."""
    return {"accuracy": "acc"}.get(metric, metric)


class EpochLines(TrainerCallback):
    """Prints `[Epoch 1/3] train_loss= train_acc= | val_loss= val_acc=` and keeps the figures for run.json.

    The figures are kept in the Trainer's state, so that a checkpoint has them and a resumed run goes on with them.

    Args:
        metric: the evaluation's figure that is printed beside val_loss.
        totals: returns the figures of training since its last call, in all processes.
    """

    def __init__(self, metric: str, totals: Callable[[], dict[str, float]]):
        self.metric = metric
        self.totals = totals
        self.train_figures: dict[str, float] = {}
        self.is_training = False

    def on_train_begin(self, args, state, control, **kwargs):
        self.is_training, self.train_figures = True, {}
        self.totals()  # drops the rows of a training before this one

    def on_train_end(self, args, state, control, **kwargs):
        self.is_training = False

    def on_epoch_end(self, args, state, control, **kwargs):
        if args.eval_strategy != "steps":
            self.train_figures = self.totals()
        if args.eval_strategy == "no":
            self._print(state, {})

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        if not self.is_training:
            return
        if args.eval_strategy == "steps":
            self.train_figures = self.totals()
        self._print(state, metrics)

    def _print(self, state: TrainerState, metrics: dict[str, float]) -> None:
        train, val = self.train_figures, "val_" + short_name(self.metric)
        halves = (
            {"train_loss": train.get("train_loss"), "train_acc": train.get("train_accuracy")},
            {"val_loss": metrics.get("eval_loss"), val: metrics.get(f"eval_{self.metric}")},
        )
        parts = [
            " ".join(f"{name}={value:.4f}" for name, value in half.items() if value is not None and value == value)
            for half in halves  # a metric that these rows do not allow is nan
        ]
        epoch = f"{state.epoch:.2f}".rstrip("0").rstrip(".")
        logger.info("[Epoch %s/%g] %s", epoch, state.num_train_epochs, " | ".join(part for part in parts if part))
        figures = {"epoch": state.epoch, "step": state.global_step, **train, **metrics}
        state.log_history.append({"epoch": state.epoch, "step": state.global_step, EPOCH: figures})


def epoch_figures(state: TrainerState) -> list[dict[str, float]]:
    """The figures of each line that `EpochLines` has printed, those of a run that was resumed included."""
    return [entry[EPOCH] for entry in state.log_history if EPOCH in entry]


class ResumableEarlyStopping(TrainerCallback):
    """Stops training after `patience` evaluations without a new best value of `--metric_for_best_model`.

    The library's callback keeps a count, and a resumed run gets back the patience of the run before with it. This one
    reads the values from the Trainer's state: a resumed run has them, and its own patience counts.
    """

    def __init__(self, patience: int):
        self.patience = patience

    def on_train_begin(self, args, state, control, **kwargs):
        self.on_evaluate(args, state, control)  # a run that was stopped and resumes stays stopped

    def on_evaluate(self, args, state, control, **kwargs):
        key = "eval_" + args.metric_for_best_model.removeprefix("eval_")
        values = [entry[key] for entry in state.log_history if key in entry and entry["step"] > 0]
        if not values:
            return
        scores = np.nan_to_num(values if args.greater_is_better else np.negative(values), nan=-np.inf, posinf=np.inf)
        if len(values) - 1 - int(np.argmax(scores)) >= self.patience:
            control.should_training_stop = True


class SamplerEpoch(TrainerCallback):
    """Sets the epoch of the training sampler.

    `accelerate` does it too, but not behind the wrappers of an epoch that several processes resume.
    """

    def __init__(self) -> None:
        self.sampler: TrainSampler | None = None

    def on_epoch_begin(self, args, state, control, **kwargs):
        if self.sampler is not None:
            self.sampler.set_epoch(int(state.epoch + 1e-6))


class FaultAtStep(TrainerCallback):
    """The place at the end of an optimizer step where `--inject_fault` strikes."""

    def on_step_end(self, args, state, control, **kwargs):
        fault_at("step", state.global_step)


class ProgressDisplay(TrainerCallback):
    """Shows how far training and evaluation are (see messages/progress.py), in place of the library's callback."""

    def __init__(self, disable: bool):
        self.disable = disable
        self.training: Progress | None = None
        self.evaluation: Progress | None = None

    def on_train_begin(self, args, state, control, **kwargs):
        if self.training is not None:  # of a training before this one
            self.training.close()
        self.training = Progress(
            state.max_steps,
            "Training",
            "step",
            done=state.global_step,
            disable=self.disable,
            quiet_seconds=0,
            keep=True,
        )

    def on_step_end(self, args, state, control, **kwargs):
        if self.training is not None:
            self.training.update(state.global_step - self.training.done)

    def on_log(self, args, state, control, logs, **kwargs):
        if self.training is not None and "loss" in logs:
            self.training.update(0, loss=logs["loss"])

    def on_train_end(self, args, state, control, **kwargs):
        if self.training is not None:
            self.training.close()
            self.training = None

    def on_prediction_step(self, args, state, control, eval_dataloader, **kwargs):
        if self.evaluation is None:
            self.evaluation = Progress(len(eval_dataloader), "Evaluation", "batch", disable=self.disable)
        self.evaluation.update()

    def on_evaluate(self, args, state, control, **kwargs):
        if self.evaluation is not None:
            self.evaluation.close()
            self.evaluation = None

    on_predict = on_evaluate
