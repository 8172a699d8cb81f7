"""The Trainer of masked-language-model training: exact loss, fixed masks of validation, and checkpoints that resume."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F
from torch.utils.data import Sampler, SequentialSampler
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback
from transformers.trainer_utils import EvalLoopOutput, EvalPrediction

from classification.data.windows import IGNORED
from classification.messages.log import Line
from classification.models.masked_lm import StatesAt
from classification.training import callbacks
from classification.training.checkpoints import tidy_saved_model
from classification.training.counters import EpochTotals, Meter, running_sums
from classification.training.divergence import FiniteSteps
from classification.training.interruption import InterruptibleTrainer
from classification.training.loaders import EqualDraws
from classification.training.masked_tokens import BlockNames, MaskedBlocks, collate
from classification.training.samplers import TrainSampler
from classification.training.schedule import Schedule, describe_best, describe_decay
from classification.training.throughput import StepTimer, peak_memory, speed_shown

LARGEST = 700.0  # loss whose exponential is still a number

# B blocks of T tokens, of which P are predicted.


class PretrainingTrainer(InterruptibleTrainer):
    """Trains a model to predict masked tokens; its loss is the mean over all predicted tokens of the global batch.

    It shares checkpoints, stops, repeated steps and the watch over divergence with `ClassificationTrainer`.

    Args:
        model: as `load_masked_lm` returns it.
        train_dataset, eval_dataset: blocks; None for no evaluation.

    Attributes:
        totals: sum of the losses and number of predicted tokens since the last line of an epoch.
    """

    patience = average = None  # there is no early stopping, and no average of weights

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        args: TrainingArguments,
        tokenizer: PreTrainedTokenizerBase,
        train_dataset: MaskedBlocks,
        eval_dataset: MaskedBlocks | None,
    ):
        args.remove_unused_columns = False  # the model does not read `positions`, but the loss does
        super().__init__(
            model=model,
            args=args,
            processing_class=tokenizer,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            data_collator=collate,
            compute_loss_func=lambda outputs, labels, num_items_in_batch: None,  # the Trainer then counts the labels
            compute_metrics=score_tokens,
        )
        self.states = StatesAt(self.model)
        self.training, self.evaluation = Meter(self.args.device), Meter(self.args.device)
        self.totals: EpochTotals = TokenTotals(self.args.device)
        self.sampler_epoch = callbacks.SamplerEpoch()
        self.remove_callback(ProgressCallback)
        self.remove_callback(PrinterCallback)
        self.finite_steps = FiniteSteps(self)
        self.finite_steps.row_ids = {"train": BlockNames(len(train_dataset))}
        self.add_callback(self.finite_steps)
        self.add_callback(callbacks.ProgressDisplay(disable=self.args.disable_tqdm))
        self.add_callback(StepTimer(self.training))
        self.add_callback(self.sampler_epoch)
        self.add_callback(callbacks.EpochLines("perplexity", self.take_epoch_totals))
        self.add_callback(EqualDraws())
        self.keep_figures(self.totals)

    @property
    def rehearses(self) -> bool:
        """No: all blocks have one length, so that a lack of memory shows in the first step."""
        return False

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        """The sum over the predicted tokens of this micro-batch, divided by those of the global batch."""
        losses = self.token_losses(model, inputs).sum(1)
        predicted = (inputs["labels"] != IGNORED).sum()
        self.training.add(len(losses), torch.ones_like(inputs["input_ids"]))
        total = losses.sum()
        loss = total / (predicted if num_items_in_batch is None else num_items_in_batch)
        self.finite_steps.add_outputs(losses.detach()[:, None])
        self.totals.sums += torch.stack([total.detach().to(self.totals.sums), predicted.to(self.totals.sums)])
        self.agree_after_forward()
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # DDP divides the sum of the gradients by it
        return (loss, None) if return_outputs else loss

    def token_losses(self, model, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        """The cross entropy of each predicted token in fp32, [B, P]; 0 where nothing is predicted."""
        with self.states:
            self.states.positions = inputs["positions"]
            logits = model(input_ids=inputs["input_ids"]).logits
        return F.cross_entropy(logits.float().transpose(1, 2), inputs["labels"], ignore_index=IGNORED, reduction="none")

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Returns for each block the sum of its losses and the number of predicted tokens, [B, 2]."""
        inputs = self._prepare_inputs(inputs)
        self.evaluation.add(len(inputs["labels"]), torch.ones_like(inputs["input_ids"]))

        def forward(part: dict[str, torch.Tensor]) -> torch.Tensor:
            with torch.no_grad(), self.compute_loss_context_manager():
                losses = self.token_losses(model, part)
            return torch.stack([losses.sum(1), (part["labels"] != IGNORED).sum(1).to(losses)], dim=1)

        return None, self.in_passes(forward, inputs), inputs["labels"][:, 0]

    def evaluation_loop(self, *args, **kwargs) -> EvalLoopOutput:
        """Measures the time, and stops where the loss of a block is not finite."""
        with self.evaluation.working():
            output = super().evaluation_loop(*args, **kwargs)
        self.check_evaluation(np.asarray(output.predictions))
        return output

    def get_batch_samples(self, epoch_iterator, num_batches, device):
        """Measures how long a step waits for its batches."""
        with self.training.waiting():
            return super().get_batch_samples(epoch_iterator, num_batches, device)

    def _get_train_sampler(self, train_dataset=None) -> Sampler:
        blocks, processes = self.train_dataset if train_dataset is None else train_dataset, self.args.world_size
        at_once = self.args.train_batch_size * processes
        self.sampler_epoch.sampler = BlockSampler(
            len(blocks),
            batch_size=at_once * self.args.gradient_accumulation_steps,
            seed=self.args.data_seed,
            multiple_of=at_once if processes > 1 else 1,
        )
        return self.sampler_epoch.sampler

    def _get_eval_sampler(self, eval_dataset) -> Sampler:
        return SequentialSampler(eval_dataset)

    def _save(self, output_dir=None, state_dict=None) -> None:
        """Removes two files of the library and opens the weights to other readers (see `tidy_saved_model`)."""
        super()._save(output_dir, state_dict)
        if self.args.should_save:
            tidy_saved_model(self.model, output_dir or self.args.output_dir)

    def take_epoch_totals(self) -> dict[str, float]:
        """train_loss over the predicted tokens since the last call, in all processes; empty without any."""
        loss, count = self.accelerator.reduce(self.totals.take(), reduction="sum").tolist()
        return {"train_loss": loss / count} if count else {}

    def summary(self, schedule: Schedule) -> list[Line]:
        decayed = set(self.get_decay_parameter_names(self.model))
        return schedule.summary(self.args, None, describe_decay(self.model, decayed, self.args.weight_decay))

    def best_summary(self) -> list[Line]:
        return describe_best(self.args, self.state)

    def throughput(self) -> dict[str, dict[str, float]]:
        """Blocks and tokens per second of training and evaluation, over all processes. To be called once."""
        figures = {}
        for name, meter in (("training", self.training), ("evaluation", self.evaluation)):
            meter.counts = self.accelerator.reduce(meter.counts, reduction="sum")
            if meter.counts[0]:
                figures[name] = meter.figures(None, 1.0)
        return figures


def speed_lines(figures: dict[str, dict[str, float]], device: torch.device) -> list[Line]:
    """The figures of `PretrainingTrainer.throughput` in one line; none without figures."""
    parts = [
        f"{name} {speed_shown(speed['rows_per_second'])} blocks/s ({speed['tokens_per_second']:,.0f} tokens/s"
        + (f", {speed['waiting_share']:.1%} waiting for data)" if name == "training" else ")")
        for name, speed in figures.items()
    ]
    memory = f"peak memory {peak_memory(device) / 1e9:.1f} GB"
    return [Line("speed", "; ".join([*parts, memory]))] if parts else []


class BlockSampler(TrainSampler):
    """The order of `TrainSampler`, in the numbers of `MaskedBlocks`: they say the epoch too."""

    def __iter__(self) -> Iterator[int]:
        return (self.epoch * (self.num_rows + 1) + row for row in super().__iter__())


class TokenTotals(EpochTotals):
    """Sum of the losses and number of predicted tokens."""

    def __init__(self, device: torch.device):
        self.sums = running_sums(2, device)


def score_tokens(evaluation: EvalPrediction) -> dict[str, float]:
    """val_loss, the mean over all predicted tokens, and perplexity, its exponential.

    Args:
        evaluation: its predictions are those of `prediction_step` for all blocks, [N, 2].
    """
    losses, counts = np.asarray(evaluation.predictions, dtype=np.float64).sum(axis=0)
    loss = float(losses / max(counts, 1))
    return {"loss": loss, "perplexity": math.exp(min(loss, LARGEST))}
