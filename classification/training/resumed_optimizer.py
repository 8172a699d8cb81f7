"""`--resume_anyway` with other flags of the optimizer: they replace those in the checkpoint's state."""

from __future__ import annotations

from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainerCallback

from classification.training.optimizer_trial import optimizer_made


class NewOptimizerFlags(TrainerCallback):
    """When training begins, gives each group of parameters the values that this run's flags say.

    The states of optimizer and schedule have just been loaded, and with them the values of the flags then: without this
    callback `--learning_rate` and others would have no effect, and run.json would be wrong about them.

    Args:
        steps: of the run in all. old_rate: `--learning_rate` of the checkpoint.
    """

    def __init__(self, trainer: Trainer, steps: int, old_rate: object):
        self.old_rate = old_rate
        with optimizer_made(trainer, steps):
            self.groups = [
                {name: value for name, value in group.items() if name != "params"}
                for group in trainer.optimizer.param_groups
            ]

    def on_train_begin(self, args, state, control, optimizer=None, lr_scheduler=None, **kwargs):
        if optimizer is None or lr_scheduler is None:
            return
        schedule = getattr(lr_scheduler, "scheduler", lr_scheduler)
        for group, new in zip(optimizer.param_groups, self.groups, strict=True):
            now = group["lr"]
            group.update(new)
            if isinstance(self.old_rate, int | float) and self.old_rate:
                group["lr"] = now * (args.learning_rate / self.old_rate)
        if isinstance(schedule, LambdaLR):
            schedule.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
            for group, base, factor in zip(optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
                group["lr"] = base * factor(schedule.last_epoch)
            schedule._last_lr = [group["lr"] for group in optimizer.param_groups]
