"""The optimizer and the schedule are made once before training begins, so that an error comes before any harm."""

from __future__ import annotations

from classification.training.trainer import ClassificationTrainer


def try_optimizer(trainer: ClassificationTrainer, steps: int) -> None:
    """Make both and discard them: training makes them again.

    Raises:
        UsageError: one of them cannot be made, for example without its library.
    """
    if "layerwise" in trainer.args.optim.value:  # these register hooks on the parameters, which would act twice
        return
    trainer.create_optimizer_and_scheduler(steps)
    trainer.optimizer = trainer.lr_scheduler = None
    trainer._created_lr_scheduler = False
