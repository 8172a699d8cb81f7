"""A loss, a gradient or an output that is no finite number stops the run, and names the rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
import torch
from accelerate.utils import gather_object
from transformers import Trainer, TrainerCallback, TrainerState, TrainingArguments

from classification.data.findings import quantity
from classification.errors import Diverged, join_first
from classification.training.checkpoints import all_checkpoints

MAX_NAMED = 64  # rows of a batch in a message
MAX_SKIPPED = 20  # steps in a row that the GradScaler of fp16 may skip; its first scale, 2 ** 16, needs 16 to reach 1


@dataclass(frozen=True)
class Step:
    """An optimizer step whose numbers are not read yet.

    Args:
        position: step, epoch and learning rate, as people read them.
        micro_batches: numbers of its micro-batches in the epoch.
        is_bad: of the loss of each micro-batch and, last, of the gradient's norm, bool [M + 1] in this process.
        counts: the same over all processes, int32 [M + 1], on its way to the CPU.
        ready: recorded when `counts` is on the CPU; None where it is already there.
        bad_rows: of each micro-batch, whether the output of a row is not finite, bool [B] in this process.
    """

    position: str
    micro_batches: range
    is_bad: torch.Tensor
    counts: torch.Tensor
    ready: torch.cuda.Event | None
    bad_rows: Sequence[torch.Tensor] = ()


class FiniteSteps(TrainerCallback):
    """Stops training at the first step whose loss or gradient is not finite.

    On a CPU that is before the weights change. On a GPU the numbers of a step are read when the next one is queued, and
    before an evaluation or a checkpoint, so that no step waits for a number. In fp16 single steps overflow, and the
    GradScaler skips them: training stops when its scale falls below 1, or after 20 skipped steps in a row.

    Args:
        trainer: whose steps are watched; `ClassificationTrainer` reports its losses and the norm of each gradient.
    """

    def __init__(self, trainer: Trainer):
        self.trainer = trainer
        self.row_ids: Mapping[str, Sequence[str]] = {}  # by split; row numbers where a split is missing
        self.losses: list[torch.Tensor] = []  # of the micro-batches of this step
        self.bad_rows: list[torch.Tensor] = []
        self.first_micro_batch = 0
        self.last: Step | None = None
        self.steps = self.skipped = 0

    def add_outputs(self, logits: torch.Tensor) -> None:
        """The output of the model for a micro-batch, [B, C]."""
        self.bad_rows.append(~torch.isfinite(logits).all(dim=1))

    def merge(self, first: int) -> None:
        """The passes from number `first` on become one micro-batch."""
        if len(self.losses) > first + 1:
            self.losses[first:] = [torch.stack(self.losses[first:]).sum()]
            self.bad_rows[first:] = [torch.cat(self.bad_rows[first:])]

    def forget(self) -> None:
        """The step begins again: its micro-batches so far count nothing."""
        self.losses, self.bad_rows = [], []

    def add_gradient(self, norm: torch.Tensor | float) -> None:
        """The norm of the gradient of a step, before the weights change.

        Raises:
            Diverged: this step, or on a GPU the one before, is not finite.
        """
        losses, self.losses = self.losses, []
        values = torch.stack([*losses, torch.as_tensor(norm, device=losses[0].device)]).float()
        step = self._step(~torch.isfinite(values), len(losses))
        self.bad_rows = []
        self.first_micro_batch += len(losses)
        before, self.last = self.last, step
        if self._scaler is not None:
            return  # on_step_end knows whether the step was skipped
        if step.ready is not None:
            self._check(before)
        else:
            self._check(step)

    def on_train_begin(self, args, state, control, **kwargs):
        self.losses, self.bad_rows, self.last, self.steps, self.skipped = [], [], None, 0, 0

    def on_epoch_begin(self, args, state, control, train_dataloader=None, **kwargs):
        done = 0.0 if args.ignore_data_skip else (state.epoch or 0.0) % 1  # of an epoch that a resumed run continues
        self.first_micro_batch = round(done * len(train_dataloader)) % len(train_dataloader)

    def on_step_end(self, args, state, control, **kwargs):
        self.steps += 1
        if self._scaler is not None:
            self.skipped = self.skipped + 1 if self.trainer.accelerator.optimizer_step_was_skipped else 0
            if self.skipped and (self.skipped >= MAX_SKIPPED or self._scaler.get_scale() < 1):
                self._stop(self.last)
        elif control.should_log or control.should_evaluate or control.should_save:
            self._check(self.last)

    def on_epoch_end(self, args, state, control, **kwargs):
        if self._scaler is None:
            self._check(self.last)

    def on_train_end(self, args, state, control, **kwargs):
        if self.steps and self.skipped == self.steps:  # nothing was trained
            self._stop(self.last)

    @property
    def _scaler(self) -> torch.amp.GradScaler | None:
        return self.trainer.accelerator.scaler

    def _step(self, is_bad: torch.Tensor, count: int) -> Step:
        """A step of `count` micro-batches; its numbers are summed over the processes and start their way to the CPU."""
        args, state = self.trainer.args, self.trainer.state
        position = describe_position(args, state, state.global_step + 1, learning_rate(self.trainer))
        micro_batches = range(self.first_micro_batch, self.first_micro_batch + count)
        counts = is_bad.int()
        if args.world_size > 1 and self._scaler is None:
            counts = self.trainer.accelerator.reduce(counts, reduction="sum")
        ready = None
        if counts.device.type == "cuda" and self._scaler is None:
            counts = counts.to("cpu", non_blocking=True)
            ready = torch.cuda.Event()
            ready.record()
        return Step(position, micro_batches, is_bad, counts, ready, self.bad_rows)

    def _check(self, step: Step | None) -> None:
        if step is None:
            return
        if step.ready is not None:
            step.ready.synchronize()
        if not torch.equal(step.counts, torch.zeros_like(step.counts)):
            self._stop(step)

    def _stop(self, step: Step | None) -> None:
        """Raise Diverged about a step, in all processes."""
        assert step is not None
        args = self.trainer.args
        counts, is_bad = step.counts.tolist(), step.is_bad.tolist()
        has_bad_loss = any(counts[:-1])
        bad = [number for number, flag in zip(step.micro_batches, is_bad, strict=False) if flag]
        rows = gather_object(self._rows_of(step, bad if has_bad_loss else step.micro_batches))
        names, culprits = [name for name, _ in rows], [name for name, is_culprit in rows if is_culprit]
        cause = f" The output is not finite for {len(culprits)} of them: {join_first(culprits, MAX_NAMED)}."
        what = "the loss is" if has_bad_loss else "the loss is finite, but its gradient is"
        given_up = f", and the GradScaler has skipped {quantity(self.skipped, 'step')} in a row" if self.skipped else ""
        raise Diverged(
            f"Training diverged at {step.position}: {what} not finite{given_up}. The {quantity(len(rows), 'row')} of "
            f"this batch: {join_first(names, MAX_NAMED)}.{cause * (0 < len(culprits) < len(rows))} {remedies(args)}"
        )

    def _rows_of(self, step: Step, micro_batches: Iterable[int]) -> list[tuple[str, bool]]:
        """The rows of micro-batches of this process and epoch: each id, and whether the row's output is not finite.

        Where no ids are known, they are row numbers.
        """
        batches = list(self.trainer.callback_handler.train_dataloader.batch_sampler)
        bad_rows = dict(zip(step.micro_batches, step.bad_rows, strict=False))
        rows: list[tuple[int, bool]] = []
        for batch in micro_batches:
            is_bad = bad_rows[batch].tolist() if batch in bad_rows else []
            rows += zip_longest(batches[batch], is_bad[: len(batches[batch])], fillvalue=False)
        ids = self.row_ids.get("train")
        if ids is None:
            return [(str(number), is_culprit) for number, is_culprit in rows]
        known = [(number, is_culprit) for number, is_culprit in rows if number < len(ids)]  # else a padding row
        return [(str(ids[number]), is_culprit) for number, is_culprit in known]


class FiniteTrainer(Trainer):
    """A Trainer whose loss, gradient and evaluations must be finite.

    It overrides `training_step` and `_get_grad_norm` only to report what they return.

    Attributes:
        finite_steps: set by the subclass, after `__init__`.
    """

    finite_steps: FiniteSteps

    def training_step(self, *args, **kwargs) -> torch.Tensor:
        """Reports the loss of the micro-batch."""
        loss = super().training_step(*args, **kwargs)
        self.finite_steps.losses.append(loss)
        return loss

    def _get_grad_norm(self, *args, **kwargs) -> torch.Tensor | float:
        """Reports the norm of the gradient, before the weights change."""
        norm = super()._get_grad_norm(*args, **kwargs)
        self.finite_steps.add_gradient(norm)
        return norm

    def check_evaluation(self, logits: np.ndarray) -> None:
        """Stop training where the model's output for validation is not finite: logits [N, C] in row order.

        If it is finite for some rows, the weights are sound: they are saved as a checkpoint first.

        Raises:
            Diverged: names the rows.
        """
        if self.is_in_train:
            step, is_finite = self.finite_steps.last, np.isfinite(logits).all(axis=1)
            if step and is_finite.any() and not is_finite.all():
                self._save_checkpoint(self.model, trial=None)
            when = f" after {step.position}" if step else " before the first step"
            check_finite(logits, self.finite_steps.row_ids.get("validation"), "validation", self.args, when)


def check_finite(
    logits: np.ndarray,
    ids: Sequence[str] | None,
    split: str,
    args: TrainingArguments,
    when: str = "",
    *,
    trained: bool = True,
) -> None:
    """Refuse an output that is not finite: its metrics and probabilities would be no numbers.

    Args:
        logits: [N, C]; ids: of the rows, None for their numbers.
        when: where training is, for the message.
        trained: whether this run has trained the model.

    Raises:
        Diverged: names the rows.
    """
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1)).tolist()
    if not bad:
        return
    advice = remedies(args) if trained else "Look at these rows, save the model again, or use another one."
    rows, remedy = f"all {quantity(len(bad), 'row')}", f"The weights have diverged or are damaged. {advice}"
    if len(bad) < len(logits):
        names = join_first(bad if ids is None else (str(ids[row]) for row in bad), MAX_NAMED)
        rows, remedy = f"{len(bad)} of {quantity(len(logits), 'row')} ({names})", advice
    raise Diverged(f"The model's output is not finite for {rows} of {split}{when}. {remedy}")


def describe_position(args: TrainingArguments, state: TrainerState, step: int, rate: float) -> str:
    """Step, epoch, learning rate and number format, as people read them."""
    precision = "bf16" if args.bf16 else "fp16" if args.fp16 else "tf32" if args.tf32 else "fp32"
    epoch = int((state.epoch or 0.0) + 1e-6) + (step > state.global_step)
    return f"step {step} of {state.max_steps} (epoch {epoch}, learning rate {rate:.3g}, {precision})"


def learning_rate(trainer: Trainer) -> float:
    """The highest of all groups of weights."""
    return max(float(group["lr"]) for group in trainer.optimizer.param_groups)


def remedies(args: TrainingArguments) -> str:
    """What helps against divergence and is not done yet, and the checkpoints that there are."""
    clipped = 0 < args.max_grad_norm <= 1
    flags = ["a lower --learning_rate", *([] if clipped else ["--max_grad_norm 1.0"])]
    if args.bf16 or args.fp16 or args.tf32:
        flags.append("--precision fp32")
    saved = join_first(all_checkpoints(args.output_dir))
    checkpoints = f"Checkpoints from before: {saved}." if saved else "No checkpoint was saved before."
    return f"Train with {' or '.join(flags)}, or look at these rows. {checkpoints}"
