"""The few hooks that make the Trainer exact: its loss, its order of rows, what it says and what it leaves behind."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peft import PeftModel
from tqdm.auto import tqdm
from transformers import EarlyStoppingCallback, PreTrainedModel, Trainer, TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import EvalLoopOutput, EvalPrediction, PredictionOutput
from transformers.utils import enable_tf32

from classification import decisions
from classification.batching import (
    IGNORED,
    FixedOrderSampler,
    TrainSampler,
    in_row_order,
    longest_first,
    token_lengths,
    with_padding_row,
)
from classification.metrics import headline, score
from classification.windows import COUNTS, in_parts, pool_windows

logger = logging.getLogger(__name__)

TIE_MARGIN = 0.25  # logits; many times the rounding of bf16, see ClassificationTrainer.predict


class ClassificationTrainer(Trainer):
    """The Trainer with seven methods overridden; what differs and why stands in the docstring of each.

    Args:
        objective: the training loss; it knows the task's `labels`, whose thresholds may change after training.
        extra_metric: as from `metrics.load_metric`.
        draw_weights: of the training rows, to draw them with replacement (`--sampler balanced`).
        patience: evaluations without a better one that stop training.
    """

    def __init__(
        self, *, args, objective, extra_metric=None, draw_weights=None, patience=None, train_dataset=None, **kwargs
    ):
        if train_dataset is not None and args.world_size > 1:
            train_dataset = with_padding_row(train_dataset)
        super().__init__(
            args=args,
            train_dataset=train_dataset,
            compute_loss_func=objective,
            compute_metrics=self.score_evaluation,
            preprocess_logits_for_metrics=_logits_only,
            **kwargs,
        )
        self.labels = objective.labels
        self.objective = objective
        self.extra_metric = extra_metric
        self.draw_weights = draw_weights
        self.patience = patience
        self.train_sampler = None
        self.totals = EpochTotals(self.args.device, counts_hits=headline(self.labels) == "accuracy")
        self.remove_callback(ProgressCallback)
        self.remove_callback(PrinterCallback)
        self.add_callback(ProgressBar(disable=self.args.disable_tqdm))
        self.epoch_lines = EpochLines(self)
        self.add_callback(self.epoch_lines)
        if patience:
            self.add_callback(EarlyStoppingCallback(patience))

    def score_evaluation(self, evaluation: EvalPrediction) -> dict[str, float]:
        """`compute_metrics` for the Trainer. Its key `loss` becomes eval_loss and replaces the Trainer's own figure,
        which is a mean of batch means: wrong for uneven batches, and multiplied by the processes under DDP."""
        return score(evaluation.predictions, evaluation.label_ids, self.labels, self.extra_metric, self.objective)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Adds the batch to the epoch's train_loss and train_acc: they come from the training logits, for free.

        The library hands the loss function outputs and labels, so how many windows a document has is bound to it here.
        """
        labels, counts = inputs.get("labels"), inputs.pop(COUNTS, None)
        self.compute_loss_func = partial(self.objective, window_counts=counts)
        loss, outputs = super().compute_loss(model, inputs, return_outputs=True, num_items_in_batch=num_items_in_batch)
        if model.training:
            # The Trainer's scale is undone: over all processes these add up to the sum of the rows' losses.
            rows = num_items_in_batch / self.objective.items_per_row
            rows_loss = loss.detach() * rows / self.accelerator.num_processes
            self.totals.add(rows_loss, pool_windows(outputs.logits.detach(), counts), labels)
        return (loss, outputs) if return_outputs else loss

    def _get_train_sampler(self, train_dataset=None):
        """Our own order for `random` and `group_by_length`: one for all processes, resumable, without the rows that
        the library repeats to fill up the last batch of several processes (see TrainSampler)."""
        strategy = self.args.train_sampling_strategy
        if strategy not in ("random", "group_by_length"):
            return super()._get_train_sampler(train_dataset)
        dataset = self.train_dataset if train_dataset is None else train_dataset
        processes = self.args.world_size
        self.train_sampler = TrainSampler(
            len(dataset) - (processes > 1),
            batch_size=self.args.train_batch_size * processes,
            seed=self.args.data_seed,
            multiple_of=self.args.train_batch_size * processes if processes > 1 else 1,
            lengths=token_lengths(dataset) if strategy == "group_by_length" else None,
            weights=self.draw_weights,
        )
        return self.train_sampler

    def _get_eval_sampler(self, eval_dataset):
        """Longest rows first: little padding, and a memory problem shows in the first batch."""
        return FixedOrderSampler(longest_first(token_lengths(eval_dataset)))

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Logits of documents, [B, C]: of windows the mean, and no more windows at a time than a batch has rows. No
        loss: the Trainer's would be thrown away, `score_evaluation` has the exact one."""
        labels, counts = inputs.pop("labels", None), inputs.pop(COUNTS, None)
        logits = []
        for part in in_parts(inputs, self.args.per_device_eval_batch_size):
            logits.append(_logits_only(super().prediction_step(model, part, False, ignore_keys)[1], None))
        labels = None if labels is None else self._prepare_input(labels)
        return None, pool_windows(torch.cat(logits), counts), labels

    def evaluation_loop(self, dataloader, *args, **kwargs) -> EvalLoopOutput:
        """Puts predictions and labels back in row order. (The library leaves them in the sampler's order.)"""
        output = super().evaluation_loop(dataloader, *args, **kwargs)
        order = longest_first(token_lengths(dataloader.dataset))
        rows = {
            name: None if values is None else in_row_order(values, order)
            for name, values in (("predictions", output.predictions), ("label_ids", output.label_ids))
        }
        return output._replace(**rows)

    def predict(self, test_dataset: Dataset, **kwargs) -> PredictionOutput:
        """Computes rows that half precision leaves near a tie once more in fp32, so that every predicted label is
        the one that the saved fp32 model gives."""
        output = super().predict(test_dataset, **kwargs)
        half = self.args.bf16 or self.args.fp16
        if not half or self.labels.is_regression:
            return output
        close = np.flatnonzero(decisions.margin(output.predictions, self.labels) < TIE_MARGIN)
        if len(close):
            if self.args.tf32:
                enable_tf32(False)  # fp32 for real, as the saved model will be run
            output.predictions[close] = self._fp32_logits(test_dataset.select(close))
            if self.args.tf32:
                enable_tf32(True)
        return output

    @torch.no_grad()
    def _fp32_logits(self, dataset: Dataset) -> np.ndarray:
        """Logits of a data set in fp32, float32 [N, C], in row order."""
        order = longest_first(token_lengths(dataset))
        columns = [name for name in self.processing_class.model_input_names if name in dataset.column_names]
        rows = dataset.select_columns(columns).select(order)
        size = self.args.per_device_eval_batch_size
        self.model.eval()
        logits = []
        for start in tqdm(
            range(0, len(rows), size), desc="Near ties in fp32", leave=False, disable=self.args.disable_tqdm
        ):
            stop = min(start + size, len(rows))
            batch = self._prepare_inputs(self.data_collator([rows[i] for i in range(start, stop)]))
            # The class's own forward: accelerate wraps the instance's in autocast.
            counts = batch.pop(COUNTS, None)
            parts = [type(self.model).forward(self.model, **part).logits for part in in_parts(batch, size)]
            logits.append(pool_windows(torch.cat(parts).float(), counts).cpu().numpy())
        return in_row_order(np.concatenate(logits), order)

    def _save(self, output_dir=None, state_dict=None) -> None:
        """Leaves no training_args.bin (a pickle, read by nobody; run.json holds the arguments), no model card of blanks
        beside an adapter, and weights that others may read: safetensors writes them for the owner alone."""
        super()._save(output_dir, state_dict)
        folder = Path(output_dir or self.args.output_dir)
        self.model.config.save_pretrained(folder)  # an adapter alone comes without the labels
        (folder / "training_args.bin").unlink(missing_ok=True)
        if isinstance(self.model, PeftModel):
            (folder / "README.md").unlink(missing_ok=True)
        for weights in folder.glob("*.safetensors"):
            weights.chmod((folder / "config.json").stat().st_mode)

    def replace_model(self, model: PreTrainedModel) -> None:
        """Go on with another model, in the number format of the run."""
        if model is not self.model:
            self.model = self.model_wrapped = self.accelerator.prepare_model(model, evaluation_mode=True)

    def take_epoch_totals(self) -> dict[str, float]:
        """train_loss and train_accuracy over the rows seen since the last call, in all processes; resets them."""
        sums = self.accelerator.reduce(self.totals.take(), reduction="sum").tolist()
        rows = max(sums[2], 1)
        accuracy = {"train_accuracy": sums[1] / rows} if self.totals.counts_hits else {}
        return {"train_loss": sums[0] / rows, **accuracy}


def _logits_only(logits, labels):
    """Models that also return hidden states or attentions give a tuple; the logits come first."""
    return logits[0] if isinstance(logits, tuple) else logits


def short_name(metric: str) -> str:
    """`acc` for accuracy, in lines that are read often; other metrics keep their names."""
    return {"accuracy": "acc"}.get(metric, metric)


class EpochTotals:
    """Sums of loss, hits and rows, kept on the device so that no step waits for it."""

    def __init__(self, device: torch.device, *, counts_hits: bool):
        self.counts_hits = counts_hits
        self.sums = torch.zeros(3, dtype=torch.float64 if device.type != "mps" else torch.float32, device=device)

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
