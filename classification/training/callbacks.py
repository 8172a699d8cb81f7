"""What a training says while it runs: a line an epoch, and bars."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import torch
from tqdm.auto import tqdm
from transformers import EarlyStoppingCallback, TrainerCallback
from transformers.trainer_callback import ProgressCallback

from classification.evaluation.metrics import headline
from classification.models.precision import running_sums
from classification.training.samplers import IGNORED

if TYPE_CHECKING:
    from classification.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)


def short_name(metric: str) -> str:
    """`acc` for accuracy, in lines that are read often; other metrics keep their names."""
    return {"accuracy": "acc"}.get(metric, metric)


class EpochTotals:
    """Sums of loss, hits and rows."""

    def __init__(self, device: torch.device, *, counts_hits: bool):
        self.counts_hits = counts_hits
        self.sums = running_sums(3, device)

    def add(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        hits = (logits.argmax(-1) == labels).sum() if self.counts_hits else torch.zeros((), device=loss.device)
        rows = (labels.reshape(len(labels), -1)[:, 0] != IGNORED).sum()
        self.sums += torch.stack([loss.reshape(()).to(self.sums), hits.to(self.sums), rows.to(self.sums)])

    def take(self) -> torch.Tensor:
        sums = self.sums.clone()
        self.sums.zero_()
        return sums


class EpochLines(TrainerCallback):
    """Prints `[Epoch 1/3] train_loss= train_acc= | val_loss= val_acc=` and keeps the figures for run.json.

    Where rows have several labels or a number, val_f1_micro or val_rmse stands in the place of the accuracy.
    """

    def __init__(self, trainer: ClassificationTrainer):
        self.trainer = trainer
        self.headline = headline(trainer.labels)
        self.train: dict[str, float] = {}
        self.epochs: list[dict[str, float]] = []

    def on_train_begin(self, args, state, control, **kwargs):
        for callback in self.trainer.callback_handler.callbacks:
            if isinstance(callback, EarlyStoppingCallback):  # a resumed run restores the flag of the run before
                callback.early_stopping_patience = self.trainer.patience

    def on_epoch_begin(self, args, state, control, **kwargs):
        # accelerate does not reach the sampler behind the wrappers of a resumed epoch with several processes.
        if self.trainer.train_sampler is not None:
            self.trainer.train_sampler.set_epoch(int(state.epoch + 1e-6))

    def on_epoch_end(self, args, state, control, **kwargs):
        if args.eval_strategy != "steps":
            self.train = self.trainer.take_epoch_totals()
        if args.eval_strategy == "no":
            self._line(args, state, {})

    def on_evaluate(self, args, state, control, metrics, **kwargs):
        if not self.trainer.is_in_train:
            return
        if args.eval_strategy == "steps":
            self.train = self.trainer.take_epoch_totals()
        self._line(args, state, metrics)

    def _line(self, args, state, metrics: dict[str, float]) -> None:
        figures = {"train_loss": self.train.get("train_loss"), "train_acc": self.train.get("train_accuracy")}
        values = {"val_loss": metrics.get("eval_loss")}
        values["val_" + short_name(self.headline)] = metrics.get(f"eval_{self.headline}")
        parts = [
            " ".join(f"{name}={value:.4f}" for name, value in half.items() if value is not None)
            for half in (figures, values)
        ]
        epoch = f"{state.epoch:.2f}".rstrip("0").rstrip(".")
        logger.info("[Epoch %s/%g] %s", epoch, state.num_train_epochs, " | ".join(part for part in parts if part))
        self.epochs.append({"epoch": state.epoch, "step": state.global_step, **self.train, **metrics})


class ProgressBar(ProgressCallback):
    """The library's bars with the latest loss beside them instead of a dictionary a line."""

    def __init__(self, disable: bool = False):
        super().__init__()
        self.disable = disable

    def on_train_begin(self, args, state, control, **kwargs):
        self.training_bar = tqdm(
            total=state.max_steps, initial=state.global_step, desc="Training", unit="step", dynamic_ncols=True,
            disable=self.disable or not state.is_world_process_zero,
        )  # fmt: skip
        self.current_step = state.global_step

    def on_step_end(self, args, state, control, **kwargs):
        self.training_bar.update(state.global_step - self.current_step)
        self.current_step = state.global_step

    def on_prediction_step(self, args, state, control, eval_dataloader=None, **kwargs):
        if self.prediction_bar is None:
            self.prediction_bar = tqdm(
                total=len(eval_dataloader), desc="Evaluating", unit="batch", leave=False, dynamic_ncols=True,
                disable=self.disable or not state.is_world_process_zero,
            )  # fmt: skip
        self.prediction_bar.update(1)

    def on_log(self, args, state, control, logs=None, **kwargs):
        if self.training_bar is not None and "loss" in logs:
            self.training_bar.set_postfix(loss=f"{logs['loss']:.4f}")

    def on_train_end(self, args, state, control, **kwargs):
        self.training_bar.close()
        self.training_bar = None
