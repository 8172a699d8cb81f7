"""A training step that does not fit into memory runs again in smaller passes, with the same result up to rounding."""

from __future__ import annotations

import logging
from contextlib import nullcontext

import torch

from classification.data.findings import quantity
from classification.errors import RunError
from classification.models.memory_errors import LacksMemoryElsewhere, free_memory, is_out_of_memory
from classification.training.callbacks import SamplerEpoch
from classification.training.counters import EpochTotals, Meter
from classification.training.divergence import describe_position, learning_rate
from classification.training.faults import fault_at
from classification.training.out_of_memory import (
    Batch,
    count_rows,
    cut_rows,
    does_not_fit,
    not_repeatable,
    problem_of,
)
from classification.training.processes import any_process
from classification.training.rehearsal import count_labels, find_longest, reserve_optimizer_states
from classification.training.repeated_step import PassSizes, RandomStates, StepStart
from classification.training.sealed_checkpoints import SealedCheckpoints

logger = logging.getLogger(__name__)

ELSEWHERE = "in another process."


class SmallerBatches(SealedCheckpoints):
    """A Trainer that halves the passes of a step until they fit into memory.

    The loss is a sum over rows, divided by the rows of the global batch. The gradients of the halves therefore add up
    to that of the whole, and the plan and the number of steps stay. Several processes repeat a step together. Between
    the forward and the backward pass that exchanges the gradients, they agree that it will happen.

    Attributes:
        pass_sizes: what has fitted so far.
        training, totals, sampler_epoch: of `ClassificationTrainer`.
    """

    training: Meter
    totals: EpochTotals
    sampler_epoch: SamplerEpoch

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.pass_sizes = PassSizes()
        self.kept["memory"] = self.pass_sizes
        self.has_running_statistics = has_running_statistics(self.model)
        self.step_start: StepStart | None = None
        self.problem = ""  # of the last pass that failed
        self.is_agreed = self.agrees_after_forward = self.is_rehearsal_due = False

    def train(self, *args, **kwargs):
        """Begins with a rehearsal where a lack of memory is reported.

        Raises:
            RunError: memory lacks outside the passes of a step, such as in the optimizer.
        """
        self.is_rehearsal_due = self.rehearses
        try:
            return super().train(*args, **kwargs)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            problem = problem_of(error)
        raise self._alone(not_repeatable("in training", problem))

    @property
    def rehearses(self) -> bool:
        """Not on a CPU, whose system ends the process instead, and not where code is compiled for the first shapes."""
        return self.args.device.type != "cpu" and not self.args.torch_compile

    def rehearse(self, model) -> None:
        """Run the longest micro-batch of the epoch once, and forget it: memory that lacks is found before step 1."""
        batch = find_longest(self)
        if batch is None:
            return
        start, reserved = self.note_start(), reserve_optimizer_states(self)
        batch = self._prepare_inputs(batch)
        start.micro_batches.append(batch)
        while not self._run_micro_batch(model, batch, count_labels(batch), is_last=False):
            self._undo(model, start, count_labels(batch))
        del reserved
        self._forget(model, start)
        if self.pass_sizes.parts > 1:
            self._report(count_rows(batch))

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """Repeats the step in smaller passes where memory lacks; every row is counted once.

        Raises:
            RunError: a single row does not fit, or the memory lacked while gradients were exchanged.
        """
        if self.is_rehearsal_due:
            self.is_rehearsal_due = False
            self.rehearse(model)
        steps = self.finite_steps
        if not steps.losses or self.step_start is None:
            self.step_start = self.note_start()
        start = self.step_start
        start.micro_batches.append(inputs)
        done = len(start.micro_batches) - 1
        if self._run_micro_batch(model, inputs, num_items_in_batch, is_last=True):
            return steps.losses[-1]
        before = sum(steps.losses[:done])
        self.repeat_smaller(model, start, num_items_in_batch)
        return torch.stack(steps.losses).sum() - before

    def note_start(self) -> StepStart:
        sums = [self.training.counts, self.totals.sums]
        return StepStart(RandomStates(self.args.device), [(value, value.clone()) for value in sums])

    def repeat_smaller(self, model, start: StepStart, num_items_in_batch) -> None:
        """Run all micro-batches since `start` again, in smaller and smaller passes, until they fit."""
        fits = False
        while not fits:
            self._undo(model, start, num_items_in_batch)
            numbers = enumerate(start.micro_batches, start=1)
            fits = all(
                self._run_micro_batch(model, batch, num_items_in_batch, is_last=number == len(start.micro_batches))
                for number, batch in numbers
            )
        self._report(max(count_rows(batch) for batch in start.micro_batches))

    def _report(self, rows: int) -> None:
        logger.warning(
            "out of memory %s: micro-batches of %s are computed in passes of %d from now on, with the same result up "
            "to rounding%s (%s)",
            self._when(), quantity(rows, "row"), self.pass_sizes.rows(rows),
            "" if self._has_no_dropout() else " and other dropout masks", self.problem,
        )  # fmt: skip

    def agree_after_forward(self) -> None:
        """Called between the forward and the backward pass: do all processes go on?

        Raises:
            LacksMemoryElsewhere: another process does not.
        """
        if self.agrees_after_forward:
            self.is_agreed = True
            if any_process(False):
                raise LacksMemoryElsewhere

    def _undo(self, model, start: StepStart, num_items_in_batch) -> None:
        """Forget the step since `start`, and make the passes smaller."""
        rows = max(count_rows(batch) for batch in start.micro_batches)
        if self.pass_sizes.rows(rows) == 1:
            longest = max(start.micro_batches, key=lambda batch: batch["input_ids"].shape[1])
            raise does_not_fit(self._when(), cut_rows(longest, 1)[0]["input_ids"].shape, self.problem, self.args,
                               trains=True)  # fmt: skip
        self.pass_sizes.parts = min(2 * self.pass_sizes.parts, rows)
        free_memory()
        if self.args.world_size > 1 and self.accelerator.sync_gradients:
            self._end_exchange(model, start, num_items_in_batch)
        self._forget(model, start)

    def _forget(self, model, start: StepStart) -> None:
        start.restore()
        self.finite_steps.forget()
        model.zero_grad()
        if self.args.world_size > 1:
            model.require_forward_param_sync = True  # as at the start of a step, in all processes

    def _end_exchange(self, model, start: StepStart, num_items_in_batch) -> None:
        """Run a pass of one row: where the forward pass succeeded, DDP expects the exchange of gradients now.

        It would begin it in the middle of the next backward pass, in some processes only.
        """
        row = cut_rows(start.micro_batches[-1], 1)[0]
        if not self._run_pass(model, row, num_items_in_batch, exchanges=True):
            raise does_not_fit(self._when(), row["input_ids"].shape, self.problem, self.args, trains=True)

    def _run_micro_batch(self, model, batch: Batch, num_items_in_batch, *, is_last: bool) -> bool:
        """Forward and backward passes of a micro-batch; whether they fitted into memory in all processes."""
        parts = cut_rows(batch, self.pass_sizes.rows(count_rows(batch)))
        first = len(self.finite_steps.losses)
        for number, part in enumerate(parts, start=1):
            exchanges = self.args.world_size > 1 and self.accelerator.sync_gradients and is_last
            if not self._run_pass(model, part, num_items_in_batch, exchanges=exchanges and number == len(parts)):
                return False
        self.finite_steps.merge(first)
        return True

    def _run_pass(self, model, batch: Batch, num_items_in_batch, *, exchanges: bool) -> bool:
        """One forward and backward pass; whether it fitted into memory in all processes.

        Args:
            exchanges: its backward pass adds up the gradients of all processes.
        """
        self.is_agreed, self.agrees_after_forward = False, exchanges
        separate, fits = self.args.world_size > 1 and not exchanges, True
        if self.args.world_size > 1:
            self._meet_before_forward(model)
        try:
            with self.accelerator.no_sync(model) if separate else nullcontext():
                fault_at("train:forward")
                super().training_step(model, batch, num_items_in_batch)
        except LacksMemoryElsewhere:
            self.problem = ELSEWHERE
            return False
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            fits, self.problem = False, problem_of(error)
            if self._updates_in_backward():
                raise not_repeatable(self._when(), self.problem) from error
        if fits and not separate:
            return True
        if self.is_agreed:
            raise self._alone(not_repeatable(f"{self._when()}, while gradients were exchanged", self.problem))
        if self.args.world_size > 1 and any_process(not fits) and fits:
            fits, self.problem = False, ELSEWHERE
        return fits

    def _meet_before_forward(self, model) -> None:
        """Nothing in the forward pass may wait for another process, which may run out of memory before.

        DDP exchanges its plan there once, and broadcasts buffers. Only batch normalisation needs that: the buffers of
        other layers are constants.
        """
        model.reducer._rebuild_buckets()
        if self.args.ddp_broadcast_buffers is None and not self.has_running_statistics:
            model.forward_sync_buffers = model.broadcast_buffers = False

    def _alone(self, error: RunError) -> RunError:
        """The error of one process: the others wait for it in an exchange, and the launcher ends them."""
        error.is_shared = self.args.world_size == 1
        return error

    def _updates_in_backward(self) -> bool:
        """Whether the optimizer changes weights during the backward pass, so that it cannot be repeated."""
        name = self.args.optim.value
        return "layerwise" in name or "lomo" in name

    def _has_no_dropout(self) -> bool:
        return not any(layer.p for layer in self.model.modules() if isinstance(layer, torch.nn.Dropout))

    def _when(self) -> str:
        step = self.state.global_step + 1
        return f"at {describe_position(self.args, self.state, step, learning_rate(self))}"


def has_running_statistics(model: torch.nn.Module) -> bool:
    return any(isinstance(layer, torch.nn.modules.batchnorm._NormBase) for layer in model.modules())
