"""The few hooks that make the Trainer exact: its loss, its order of rows, what it says and what it leaves behind."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from peft import PeftModel
from torch.utils.data import BatchSampler
from tqdm.auto import tqdm
from transformers import EarlyStoppingCallback, PreTrainedModel, Trainer
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import EvalLoopOutput, EvalPrediction, PredictionOutput
from transformers.utils import enable_tf32

from classification.data.windows import COUNTS, in_parts, pool_windows
from classification.evaluation import decisions
from classification.evaluation.metrics import headline, score
from classification.training.callbacks import EpochLines, EpochTotals, ProgressBar
from classification.training.samplers import (
    FixedOrderSampler,
    TokenBoundedBatches,
    TrainSampler,
    in_row_order,
    longest_first,
    token_lengths,
    with_padding_row,
)
from classification.training.throughput import Meter, StepTimer, account

logger = logging.getLogger(__name__)

TIE_MARGIN = 0.25  # logits; many times the rounding of bf16, see ClassificationTrainer.predict


class ClassificationTrainer(Trainer):
    """The Trainer with seven methods overridden; what differs and why stands in the docstring of each.

    Args:
        objective: the training loss; it knows the task's `labels`, whose thresholds may change after training.
        extra_metric: as from `metrics.load_metric`.
        draw_weights: of the training rows, to draw them with replacement (`--sampler balanced`).
        patience: evaluations without a better one that stop training.
        eval_tokens: at most so many in a batch of evaluation; None for the fixed number of rows.
    """

    def __init__(
        self,
        *,
        args,
        objective,
        extra_metric=None,
        draw_weights=None,
        patience=None,
        eval_tokens=None,
        train_dataset=None,
        **kwargs,
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
        # The rows of a batch over several processes are gathered, which takes equally many of each.
        self.eval_tokens = eval_tokens if args.world_size == 1 else None
        self.training, self.evaluation = Meter(self.args.device), Meter(self.args.device)
        self.train_sampler = None
        self.totals = EpochTotals(self.args.device, counts_hits=headline(self.labels) == "accuracy")
        self.remove_callback(ProgressCallback)
        self.remove_callback(PrinterCallback)
        self.add_callback(ProgressBar(disable=self.args.disable_tqdm))
        self.add_callback(StepTimer(self.training))
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
        if model.training:
            self.training.add(len(labels), self._mask(inputs))
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
        at_once = self.args.train_batch_size * processes
        self.train_sampler = TrainSampler(
            len(dataset) - (processes > 1),
            batch_size=at_once * self.args.gradient_accumulation_steps,
            seed=self.args.data_seed,
            multiple_of=at_once if processes > 1 else 1,
            lengths=token_lengths(dataset) if strategy == "group_by_length" else None,
            weights=self.draw_weights,
        )
        return self.train_sampler

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """Times how long a step waits for its batches."""
        with self.training.waiting():
            return super().get_batch_samples(epoch_iterator, num_batches, device)

    def _get_eval_sampler(self, eval_dataset):
        """Longest rows first: little padding, and a memory problem shows in the first batch."""
        lengths = token_lengths(eval_dataset)
        if self.eval_tokens:
            multiple = getattr(self.data_collator, "pad_to_multiple_of", None) or 1
            return TokenBoundedBatches(lengths, self.eval_tokens, multiple)
        return FixedOrderSampler(longest_first(lengths))

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Logits of documents, [B, C]: of windows the mean, and no more windows at a time than a batch has rows. No
        loss: the Trainer's would be thrown away, `score_evaluation` has the exact one."""
        labels, counts = inputs.pop("labels", None), inputs.pop(COUNTS, None)
        mask = self._mask(inputs)
        self.evaluation.add(len(mask if counts is None else counts), mask)
        logits = []
        for part in in_parts(inputs, self._rows_at_once(inputs, counts)):
            logits.append(_logits_only(super().prediction_step(model, part, False, ignore_keys)[1], None))
        labels = None if labels is None else self._prepare_input(labels)
        return None, pool_windows(torch.cat(logits), counts), labels

    def evaluation_loop(self, dataloader, *args, **kwargs) -> EvalLoopOutput:
        """Puts predictions and labels back in row order. (The library leaves them in the sampler's order.)"""
        with self.evaluation.working():
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
            with self.evaluation.working():
                output.predictions[close] = self._fp32_logits(test_dataset.select(close))
            if self.args.tf32:
                enable_tf32(True)
        return output

    @torch.no_grad()
    def _fp32_logits(self, dataset: Dataset) -> np.ndarray:
        """Logits of a data set in fp32, float32 [N, C], in row order."""
        columns = [name for name in self.processing_class.model_input_names if name in dataset.column_names]
        rows = dataset.select_columns(columns)
        batches = self._get_eval_sampler(dataset)
        if not self.eval_tokens:
            batches = BatchSampler(batches, self.args.per_device_eval_batch_size, drop_last=False)
        self.model.eval()
        logits = []
        for numbers in tqdm(batches, desc="Near ties in fp32", leave=False, disable=self.args.disable_tqdm):
            batch = self._prepare_inputs(self.data_collator([rows[i] for i in numbers]))
            counts = batch.pop(COUNTS, None)
            parts = in_parts(batch, self._rows_at_once(batch, counts))
            # The class's own forward: accelerate wraps the instance's in autocast.
            outputs = [type(self.model).forward(self.model, **part).logits for part in parts]
            logits.append(pool_windows(torch.cat(outputs).float(), counts).cpu().numpy())
        return in_row_order(np.concatenate(logits), longest_first(token_lengths(dataset)))

    def _mask(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """The attention_mask [B, T]; made here for a model that takes none (FNet)."""
        mask = inputs.get("attention_mask")
        return inputs["input_ids"] != self.processing_class.pad_token_id if mask is None else mask

    def _rows_at_once(self, inputs: dict[str, torch.Tensor], counts: torch.Tensor | None) -> int:
        """How many rows of a batch of evaluation the model is given; only windows can be more than the batch may be."""
        rows, length = inputs["input_ids"].shape
        if counts is None:
            return rows
        return max(1, self.eval_tokens // length) if self.eval_tokens else self.args.per_device_eval_batch_size

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

    def throughput(self, *, pads_to_max: bool) -> dict:
        """What `throughput.account` makes of the counts of all processes."""
        for meter in (self.training, self.evaluation):
            meter.counts = self.accelerator.reduce(meter.counts, reduction="sum")
        longest = self.processing_class.model_max_length
        return account(self.model, self.training, self.evaluation, self.args, longest=longest, pads_to_max=pads_to_max)

    def take_epoch_totals(self) -> dict[str, float]:
        """train_loss and train_accuracy over the rows seen since the last call, in all processes; resets them."""
        sums = self.accelerator.reduce(self.totals.take(), reduction="sum").tolist()
        rows = max(sums[2], 1)
        accuracy = {"train_accuracy": sums[1] / rows} if self.totals.counts_hits else {}
        return {"train_loss": sums[0] / rows, **accuracy}


def _logits_only(logits, labels):
    """Models that also return hidden states or attentions give a tuple; the logits come first."""
    return logits[0] if isinstance(logits, tuple) else logits
