"""What a training will do, known before it begins: steps, evaluations, weight decay, and the choice of a checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import nn
from transformers import TrainerState, TrainingArguments

from classification.data.findings import quantity
from classification.errors import UsageError
from classification.messages.log import Line, warning

# `Schedule.total_rate` below which a pre-trained model learns next to nothing. Measured on 400 training rows of
# data/reviews with all-MiniLM-L6-v2: 60 steps at 2e-5 (a sum of 6e-4) leave the training loss at 0.687 and the accuracy
# at 0.57, 60 at 5e-5 (1.5e-3) reach 0.78, 60 at 1e-4 (3e-3) reach 0.90. A model of 110M reached 0.90 with 50 steps at
# 5e-5 (1.25e-3).
ENOUGH = 1e-3
HIGH_RATE = 1e-4


@dataclass(frozen=True)
class Schedule:
    """The steps of a training.

    `batch` is the number of rows per optimizer step over all processes, `steps` the number of steps in all, `per_epoch`
    that of an epoch, `evaluations` the number of evaluations.
    """

    batch: int
    steps: int
    per_epoch: int
    evaluations: int

    @classmethod
    def from_args(cls, args: TrainingArguments, num_rows: int) -> Schedule:
        """The arithmetic of `Trainer.set_initial_training_values`, which the Trainer does only in training.

        Args:
            num_rows: of train.
        """
        micro_batch = args.per_device_train_batch_size * args.world_size
        per_epoch = math.ceil(math.ceil(num_rows / micro_batch) / args.gradient_accumulation_steps)
        steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * per_epoch)
        if args.eval_strategy == "no":
            evaluated = set()
        elif args.eval_strategy == "epoch":
            evaluated = set(range(1, math.ceil(steps / per_epoch) + 1))
        else:
            every = math.ceil(steps * args.eval_steps) if args.eval_steps < 1 else int(args.eval_steps)
            evaluated = {*range(every, steps + 1, every), steps}  # the Trainer evaluates once more at the end
        evaluations = sum(moment >= (args.eval_delay or 0) for moment in evaluated)
        return cls(micro_batch * args.gradient_accumulation_steps, steps, per_epoch, evaluations)

    def check_best(self, args: TrainingArguments) -> None:
        """Refuse a choice of the best checkpoint among no evaluations.

        Raises:
            UsageError: `--eval_delay` lasts longer than the run.
        """
        if args.load_best_model_at_end and not self.evaluations:
            units = "steps" if args.eval_strategy == "steps" else "epochs"
            raise UsageError(
                f"--eval_delay {args.eval_delay:g}: the run of {self.steps} steps ({self.per_epoch} per epoch) ends "
                f"before the first evaluation, so that there is no best checkpoint. Give fewer {units}, or pass "
                "--load_best_model_at_end false."
            )

    def check_early_stopping(self, patience: int | None) -> None:
        """Refuse a patience that outlasts the run.

        The first evaluation is the best so far, `patience` more without a better one stop the run, and after the last
        one there is nothing left to stop.

        Raises:
            UsageError: `patience` is too large.
        """
        if patience is not None and patience + 1 >= self.evaluations:
            raise UsageError(
                f"--early_stopping_patience {patience}: can never stop this run, which has "
                f"{quantity(self.evaluations, 'evaluation')}: {patience + 2} are needed. Train longer "
                "(--num_train_epochs), evaluate more often (--eval_strategy steps --eval_steps N), or leave it out."
            )

    def summary(self, args: TrainingArguments, patience: int | None, decay: Line | None = None) -> list[Line]:
        """Steps and effective batch, weight decay, and the rule for the best checkpoint.

        Args:
            patience: evaluations without improvement that stop the run; None to train to the end.
            decay: as from `ClassificationTrainer.decay_summary`.
        """
        length = (
            "--max_steps"
            if args.max_steps > 0
            else "1 epoch"
            if args.num_train_epochs == 1
            else f"{args.num_train_epochs:g} epochs"
        )
        factors = [f"{args.per_device_train_batch_size} rows"]
        if args.gradient_accumulation_steps > 1:
            factors.append(f"{args.gradient_accumulation_steps} accumulated")
        if args.world_size > 1:
            factors.append(f"{args.world_size} processes")
        batch = f"{self.batch} = {' x '.join(factors)}" if len(factors) > 1 else factors[0]
        warmup = quantity(args.get_warmup_steps(self.steps), "step")
        lines = [Line("steps", f"{self.steps}: {length}, {self.per_epoch} per epoch; batch {batch}; warmup {warmup}")]
        if self.total_rate(args) < ENOUGH:
            higher = ", or a higher --learning_rate such as 1e-4" if args.learning_rate < HIGH_RATE else ""
            steps = quantity(self.steps, "step")
            problem = f"{steps} at a learning rate of {args.learning_rate:g} can hardly move a model"
            lines.append(warning(f"{problem}: pass a higher --num_train_epochs{higher}"))
        if decay is not None:
            lines.append(decay)
        if args.load_best_model_at_end:
            every = "epoch" if args.eval_strategy == "epoch" else f"{args.eval_steps:g} steps"
            rule = "highest" if args.greater_is_better else "lowest"
            stop = f"; stops after {quantity(patience, 'evaluation')} without improvement" if patience else ""
            lines.append(
                Line("best", f"the checkpoint with the {rule} {best_name(args)}, evaluated every {every}{stop}")
            )
        return lines

    def total_rate(self, args: TrainingArguments) -> float:
        """The sum of the learning rates of all steps, without the details of warmup.

        AdamW moves a weight by about the learning rate per step, so that this is how far a weight can move.
        """
        falls = args.lr_scheduler_type not in ("constant", "constant_with_warmup", "reduce_lr_on_plateau")
        return self.steps * args.learning_rate * (0.5 if falls else 1.0)


def best_name(args: TrainingArguments) -> str:
    """`--metric_for_best_model` as people read it: val_loss, or the name of the metric."""
    name = args.metric_for_best_model.removeprefix("eval_")
    return "val_loss" if name == "loss" else name


def describe_best(args: TrainingArguments, state: TrainerState, *, rivals: bool = False) -> list[Line]:
    """After training: the checkpoint whose weights are used, and its value of `--metric_for_best_model`.

    Args:
        rivals: an average of weights may be used in its place.
    """
    if not args.load_best_model_at_end:
        return []
    name = best_name(args)
    if state.best_model_checkpoint is None:
        has_value = state.best_metric is not None and np.isfinite(state.best_metric)
        reason = "the best checkpoint was moved or removed" if has_value else f"no evaluation gave a number for {name}"
        return [warning(f"{reason}: the weights of the last step are used")]
    last = state.global_step
    rest = "also the last step" if state.best_global_step == last else f"the last checkpoint, step {last}, is kept too"
    used = "the best checkpoint" if rivals else "its weights are used"
    text = f"step {state.best_global_step}, {name}={state.best_metric:.4f}: {used} ({rest})"
    return [Line("best", text)]


def describe_decay(model: nn.Module, decayed: set[str], weight_decay: float) -> Line:
    """The number of tensors and parameters with and without weight decay.

    The Trainer already excludes biases and every kind of norm. (The list `["bias", "LayerNorm.weight"]` of many
    tutorials misses the norms of DistilBERT, ALBERT and ModernBERT.)

    Args:
        decayed: names of the decayed parameters, from `Trainer.get_decay_parameter_names`.
    """
    trainable = {name: parameter.numel() for name, parameter in model.named_parameters() if parameter.requires_grad}
    inside = [size for name, size in trainable.items() if name in decayed]
    outside = [size for name, size in trainable.items() if name not in decayed]
    text = (
        f"{weight_decay:g} on {len(inside)} weight tensors ({sum(inside) / 1e6:.2f}M parameters), "
        f"none on {len(outside)} biases and norms ({sum(outside) / 1e6:.2f}M)"
    )
    return Line("decay", text)
