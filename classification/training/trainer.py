"""The Trainer with the few hooks that make its loss, its order of rows, its metrics and its files exact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from datasets import Dataset
from torch.utils.data import BatchSampler, Sampler
from transformers import PreTrainedModel, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import EvalLoopOutput, EvalPrediction, PredictionOutput

from classification.data.length_order import in_row_order
from classification.data.windows import COUNTS, in_parts, pool_windows, with_padding_row
from classification.evaluation.metrics import score
from classification.evaluation.score_protocols import ExtraMetric
from classification.messages.progress import progress
from classification.models import fp32_ties
from classification.training import callbacks
from classification.training.checkpoints import tidy_saved_model
from classification.training.counters import EpochTotals, Meter
from classification.training.divergence import FiniteSteps
from classification.training.evaluation_order import FixedOrderSampler, TokenBoundedBatches, order_of
from classification.training.layer_rates import LayerRates
from classification.training.loss_terms import LossTerm
from classification.training.objective import Objective
from classification.training.r_drop import RDrop
from classification.training.samplers import TrainSampler, token_lengths
from classification.training.throughput import StepTimer
from classification.training.trainer_summary import TrainerSummary


class ClassificationTrainer(TrainerSummary):
    """The Trainer with twenty methods overridden; the docstring of each explains the difference and its reason.

    They are compute_loss, _get_train_sampler, get_batch_samples, _get_eval_sampler, prediction_step, evaluation_loop,
    predict and _save; in the classes that it inherits from train, training_step, _get_grad_norm, _run_epoch,
    create_optimizer, create_scheduler, _maybe_log_save_evaluate, _determine_best_metric, _save_checkpoint,
    _init_training_state, _load_best_model and _finalize_training.

    Args:
        objective: the training loss. Its task becomes `task`, whose thresholds may change after training.
        extra_metric: as from `extra_metric.load_metric`.
        draw_weights: of the training rows, [N], to draw them with replacement (`--sampler balanced`).
        patience: evaluations without improvement that stop training; None to train to the end.
        eval_tokens: tokens of a batch of evaluation at most, padding included; None for a fixed number of rows.
        layer_rates: the learning rate of each layer; None for one rate.
        r_drop: weight of the distance between two passes, see `RDrop`.
    """

    def __init__(
        self,
        *,
        args: TrainingArguments,
        objective: Objective,
        extra_metric: ExtraMetric | None = None,
        draw_weights: np.ndarray | None = None,
        patience: int | None = None,
        eval_tokens: int | None = None,
        layer_rates: LayerRates | None = None,
        r_drop: float = 0.0,
        train_dataset: Dataset | None = None,
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
        self.objective, self.task = objective, objective.task
        self.loss_terms: list[LossTerm] = []
        self.objective_share = 1.0  # of a labelled row's loss; the rest is that of a term
        self.layer_rates, self.r_drop = layer_rates, RDrop(self.task, r_drop)
        self.extra_metric, self.draw_weights, self.patience = extra_metric, draw_weights, patience
        # Several processes gather the rows of a batch, which needs the same number of rows from each.
        self.eval_tokens = eval_tokens if args.world_size == 1 else None
        self.training, self.evaluation = Meter(self.args.device), Meter(self.args.device)
        self.totals = EpochTotals(self.task, self.args.device)
        self.sampler_epoch = callbacks.SamplerEpoch()
        self.remove_callback(ProgressCallback)
        self.remove_callback(PrinterCallback)
        self.finite_steps = FiniteSteps(self)
        self.add_callback(self.finite_steps)
        self.add_callback(callbacks.ProgressDisplay(disable=self.args.disable_tqdm))
        self.add_callback(StepTimer(self.training, self.r_drop.passes))
        self.add_callback(self.sampler_epoch)
        self.add_callback(callbacks.EpochLines(self.task.headline, self.take_epoch_totals))
        if patience:
            self.add_callback(callbacks.ResumableEarlyStopping(patience))
        self.keep_figures(self.totals)

    def score_evaluation(self, evaluation: EvalPrediction) -> dict[str, float]:
        """`compute_metrics` of the Trainer.

        Its key `loss` becomes eval_loss. It replaces the Trainer's own figure, a mean of batch means, which is wrong
        for uneven batches and is multiplied by the number of processes.
        """
        return score(evaluation.predictions, evaluation.label_ids, self.task, self.extra_metric, self.objective)

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """Computes the loss with the window counts, and adds the batch to train_loss and train_acc of the epoch.

        The library gives `compute_loss_func` only outputs and labels. That it has one makes it count the labels of the
        global batch, and leaves the loss as it is.
        """
        labels, counts = inputs.pop("labels"), inputs.pop(COUNTS, None)
        columns = {name: inputs.pop(name) for term in self.loss_terms for name in term.columns}
        self.training.add(len(labels), self._mask(inputs))
        outputs = model(**self.r_drop.repeat(inputs))
        passes = self.r_drop.split(outputs.logits)
        rows = self.objective.rows(labels, num_items_in_batch)
        totals = [self._total(logits, labels, counts, columns) for logits in passes]
        loss = self.r_drop.combine(totals, passes, labels, counts) / rows
        logits = [pool_windows(each.detach(), counts) for each in passes]
        self.finite_steps.add_outputs(torch.cat(logits, dim=1))
        self.totals.add(loss.detach() * rows, logits[0], labels)
        self.agree_after_forward()
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP divides the sum of the gradients by it
        return (loss, outputs) if return_outputs else loss

    def _total(self, logits, labels, counts, columns) -> torch.Tensor:
        """The sum over the rows of a pass: the objective and all `loss_terms`."""
        terms = (term.total(logits, labels, counts, columns) for term in self.loss_terms)
        return sum(terms, self.objective_share * self.objective.total(logits, labels, counts))

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        """Uses our own order for `random` and `group_by_length` (see TrainSampler).

        It is the same for all processes, a resumed run continues it, and no row is repeated to fill up the last batch
        of several processes.
        """
        strategy = self.args.train_sampling_strategy
        if strategy not in ("random", "group_by_length"):
            return super()._get_train_sampler(train_dataset)
        dataset = self.train_dataset if train_dataset is None else train_dataset
        processes = self.args.world_size
        at_once = self.args.train_batch_size * processes
        self.sampler_epoch.sampler = TrainSampler(
            len(dataset) - (processes > 1),
            batch_size=at_once * self.args.gradient_accumulation_steps,
            seed=self.args.data_seed,
            multiple_of=at_once if processes > 1 else 1,
            lengths=token_lengths(dataset) if strategy == "group_by_length" else None,
            weights=self.draw_weights,
        )
        return self.sampler_epoch.sampler

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """Measures how long a step waits for its batches."""
        with self.training.waiting():
            return super().get_batch_samples(epoch_iterator, num_batches, device)

    def _get_eval_sampler(self, eval_dataset: Dataset) -> Sampler:
        """Puts the longest rows first: there is little padding, and a lack of memory shows in the first batch."""
        lengths = token_lengths(eval_dataset)
        if self.eval_tokens:
            multiple = getattr(self.data_collator, "pad_to_multiple_of", None) or 1
            return TokenBoundedBatches(lengths, self.eval_tokens, multiple)
        return FixedOrderSampler(lengths)

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Returns logits of documents, [B, C], the mean over their windows, and no loss.

        The model gets no more windows at a time than a batch may have rows. `score_evaluation` computes the loss.
        """
        labels, counts = inputs.pop("labels", None), inputs.pop(COUNTS, None)
        mask = self._mask(inputs)
        self.evaluation.add(len(mask if counts is None else counts), mask)
        logits = []
        for part in in_parts(inputs, self.rows_at_once(inputs, counts)):
            logits.append(_logits_only(super().prediction_step(model, part, False, ignore_keys)[1], None))
        labels = None if labels is None else self._prepare_input(labels)
        return None, pool_windows(torch.cat(logits), counts), labels

    def evaluation_loop(self, dataloader, *args, **kwargs) -> EvalLoopOutput:
        """Puts predictions and labels back in row order. (The library leaves them in the order of the sampler.)"""
        with self.evaluation.working():
            output = super().evaluation_loop(dataloader, *args, **kwargs)
        order = order_of(dataloader)
        rows = {"predictions": output.predictions, "label_ids": output.label_ids}
        rows = {name: in_row_order(values, order) for name, values in rows.items() if values is not None}
        self.check_evaluation(rows["predictions"])
        return output._replace(**rows)

    def predict(self, test_dataset: Dataset, *args, **kwargs) -> PredictionOutput:
        """Computes rows that half precision leaves near a tie once more in fp32.

        Every predicted label is then the one that the saved fp32 model gives.
        """
        output = super().predict(test_dataset, *args, **kwargs)
        if self.args.bf16 or self.args.fp16:
            close = fp32_ties.near_ties(output.predictions, self.task)
            if len(close):
                with fp32_ties.full_fp32(self.args.tf32), self.evaluation.working():
                    output.predictions[close] = self._fp32_logits(test_dataset.select(close))
        return output

    def _save(self, output_dir=None, state_dict=None) -> None:
        """Removes two files of the library and opens the weights to other readers (see `tidy_saved_model`)."""
        super()._save(output_dir, state_dict)
        if self.args.should_save:  # the library calls this method in every process
            tidy_saved_model(self.model, output_dir or self.args.output_dir)

    def _fp32_logits(self, dataset: Dataset) -> np.ndarray:
        """Logits of a data set in fp32, float32 [N, C], in row order; every process computes all of them."""
        batches, order = self.evaluation_batches(dataset, "Near ties")
        logits = fp32_ties.fp32_logits(self.model, batches, self.rows_at_once, self.in_passes)
        return in_row_order(logits, order)

    def evaluation_batches(self, dataset: Dataset, title: str) -> tuple[Iterator[fp32_ties.Batch], np.ndarray]:
        """The batches of an evaluation, each made when it is needed, for every process; and their row numbers, [N]."""
        columns = [name for name in self.processing_class.model_input_names if name in dataset.column_names]
        rows, sampler = dataset.select_columns(columns), cast(Any, self._get_eval_sampler(dataset))
        size = self.args.per_device_eval_batch_size
        batches = sampler if self.eval_tokens else BatchSampler(sampler, size, drop_last=False)
        inputs = (
            self._prepare_inputs(self.data_collator([rows[i] for i in numbers]))
            for numbers in progress(batches, title, "batch", disable=self.args.disable_tqdm)
        )
        return inputs, sampler.order

    def _mask(self, inputs: fp32_ties.Batch) -> torch.Tensor:
        """The attention_mask [B, T]; made here for a model that takes none (FNet)."""
        mask = inputs.get("attention_mask")
        return inputs["input_ids"] != self.processing_class.pad_token_id if mask is None else mask

    def rows_at_once(self, inputs: fp32_ties.Batch, counts: torch.Tensor | None) -> int:
        """How many rows of a batch of evaluation the model gets at a time; windows can be more than a batch may be."""
        rows, length = inputs["input_ids"].shape
        if counts is None:
            return rows
        return max(1, self.eval_tokens // length) if self.eval_tokens else self.args.per_device_eval_batch_size

    def replace_model(self, model: PreTrainedModel) -> None:
        """Continue with another model, in the number format of the run."""
        if model is not self.model:  # type: ignore[has-type]
            self.model = self.model_wrapped = self.accelerator.prepare_model(model, evaluation_mode=True)


def _logits_only(logits, labels):
    """Models that also return hidden states or attentions give a tuple; the logits come first."""
    return logits[0] if isinstance(logits, tuple) else logits
