"""A batch of evaluation that does not fit into memory is halved, and later ones stay smaller."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from classification.data.findings import quantity
from classification.models.memory_errors import free_memory, is_out_of_memory
from classification.training.out_of_memory import Batch, does_not_fit, problem_of
from classification.training.smaller_batches import SmallerBatches

logger = logging.getLogger(__name__)


class SmallerEvaluation(SmallerBatches):
    """A Trainer whose evaluations and predictions halve a batch until it fits, each process for itself."""

    has_cut_evaluation = False  # and has reported it
    after_pass: Callable[[Batch, torch.Tensor], None] | None = None  # gets what each pass read, and its logits

    def prediction_step(self, model, inputs, prediction_loss_only, ignore_keys=None):
        """Returns logits, [B, C], of passes that fit; no loss and no labels."""

        def forward(part: Batch) -> torch.Tensor:
            logits = super(SmallerEvaluation, self).prediction_step(model, part, False, ignore_keys)[1]
            return logits[0] if isinstance(logits, tuple) else logits

        return None, self.in_passes(forward, inputs), None

    def in_passes(self, forward: Callable[[Batch], torch.Tensor], batch: Batch) -> torch.Tensor:
        """The logits of a batch, [B, C], in as few passes as fit into memory.

        Raises:
            RunError: a single row does not fit.
        """
        rows, length = batch["input_ids"].shape
        limit = self.pass_sizes.eval_tokens
        size = rows if limit is None else min(rows, max(1, limit // length))
        logits: list[torch.Tensor] = []
        first, problem = 0, ""
        while first < rows:
            part = {name: values[first : first + size] for name, values in batch.items()}
            try:
                logits.append(forward(part))
                first += size
                if self.after_pass is not None:
                    self.after_pass(part, logits[-1])
                continue
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                problem = problem_of(error)
            if size == 1:
                failure = does_not_fit("in evaluation", part["input_ids"].shape, problem, self.args, trains=False)
                failure.is_shared = self.args.world_size == 1  # the other processes go on
                raise failure
            size = -(-min(size, rows - first) // 2)
            self.pass_sizes.eval_tokens = size * length
            free_memory()
        if problem and not self.has_cut_evaluation:
            self.has_cut_evaluation = True
            logger.warning(
                "out of memory in evaluation: %s of %s are predicted in passes of %d, and later batches are cut too "
                "(%s)", quantity(rows, "row"), quantity(length, "token"), size, problem,
            )  # fmt: skip
        return logits[0] if len(logits) == 1 else torch.cat(logits)
