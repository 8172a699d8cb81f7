"""The longest micro-batch of an epoch, run once before the first step: a lack of memory shows at once."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import torch
from transformers import Trainer

from classification.training.out_of_memory import Batch
from classification.training.processes import any_process
from classification.training.samplers import token_lengths

ADAM_STATES = 2  # tensors of Adam per trainable weight, made in the first step


def find_longest(trainer: Trainer) -> Batch | None:
    """The micro-batch of this epoch and process with the most tokens, padding included; None if it comes first anyway.

    All processes must call it. The order of rows is not disturbed: every sampler of `--train_sampling_strategy` draws
    from a generator of its own, or not at all.
    """
    loader = trainer.callback_handler.train_dataloader
    lengths, batches = token_lengths(trainer.train_dataset), list(loader.batch_sampler)
    tokens = [len(rows) * int(lengths[rows].max()) for rows in batches]
    place = int(np.argmax(tokens)) if tokens else 0
    if not (any_process(place > 0) if trainer.args.world_size > 1 else place > 0):
        return None
    return loader.collate_fn([loader.dataset[row] for row in batches[place]])


def count_labels(batch: Batch) -> torch.Tensor:
    """As the Trainer counts them for the loss."""
    return torch.tensor(batch["labels"].numel(), device=batch["labels"].device)


def reserve_optimizer_states(trainer: Trainer) -> list[torch.Tensor]:
    """Memory of the size that Adam takes in the first step; nothing where it has it already or it does not fit."""
    optimizer = trainer.optimizer
    if "adam" not in trainer.args.optim.value or "bit" in trainer.args.optim.value or optimizer.state:
        return []
    reserved: list[torch.Tensor] = []
    with suppress(RuntimeError):
        for group in optimizer.param_groups:
            for weights in group["params"]:
                reserved += [torch.empty_like(weights) for _ in range(ADAM_STATES)]
    return reserved
