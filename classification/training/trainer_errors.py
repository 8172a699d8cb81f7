"""Errors of the Trainer that name the flag behind them."""

from __future__ import annotations

from classification.errors import usage_errors_of
from classification.training.divergence import FiniteTrainer


class TrainerErrors(FiniteTrainer):
    """A Trainer whose optimizer and schedule, where they cannot be made, raise a UsageError."""

    def create_optimizer(self, *args, **kwargs):
        """Names the flag where the optimizer cannot be made, for example without its library."""
        with usage_errors_of("--optim", self.args.optim.value, "Choose another, such as adamw_torch."):
            return super().create_optimizer(*args, **kwargs)

    def create_scheduler(self, *args, **kwargs):
        """Names the flag where the schedule needs more arguments."""
        remedy = "Add what is missing with --lr_scheduler_kwargs, or choose another, such as linear."
        with usage_errors_of("--lr_scheduler_type", self.args.lr_scheduler_type.value, remedy):
            return super().create_scheduler(*args, **kwargs)
