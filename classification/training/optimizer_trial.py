"""The optimizer and the schedule are made once before training begins, so that an error comes before any harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from classification.errors import UsageError
from classification.training.trainer import ClassificationTrainer


@contextmanager
def optimizer_made(trainer: ClassificationTrainer, steps: int) -> Iterator[None]:
    """Inside, the trainer has both; then they are discarded, and training makes them again.

    The random numbers stay as they were. Layerwise optimizers register hooks on the parameters, which would act twice:
    they are removed.

    Raises:
        UsageError: one of them cannot be made, for example without its library.
    """
    parameters = list(trainer.model.parameters())
    hooks = [set(hooks_of(parameter)) for parameter in parameters]
    try:
        with torch.random.fork_rng():
            _make(trainer, steps)
        yield
    finally:
        trainer.optimizer = trainer.lr_scheduler = None
        trainer._created_lr_scheduler = False
        for parameter, before in zip(parameters, hooks, strict=True):
            for key in set(hooks_of(parameter)) - before:
                del hooks_of(parameter)[key]


def _make(trainer: ClassificationTrainer, steps: int) -> None:
    """Make both; the schedule of a layerwise optimizer fails for every schedule with some versions of PyTorch."""
    name = trainer.args.optim.value
    try:
        trainer.create_optimizer_and_scheduler(steps)
    except UsageError as error:
        if trainer.optimizer is None or not name.endswith("_layerwise"):
            raise
        raise UsageError(
            f"--optim {name}: this version of PyTorch has no learning rate schedule for it. Choose "
            f"{name.removesuffix('_layerwise')}, which needs more memory for the gradients."
        ) from error


def hooks_of(parameter: torch.nn.Parameter) -> dict:
    """What is called once the gradient of a parameter is complete."""
    return parameter._post_accumulate_grad_hooks or {}
