"""Errors of the Trainer that name the flag behind them."""

from __future__ import annotations

import json

from classification.errors import usage_errors_of
from classification.training.divergence import FiniteTrainer
from classification.training.layer_rates import LayerRates


class TrainerErrors(FiniteTrainer):
    """A Trainer whose optimizer and schedule, where they cannot be made, raise a UsageError.

    Attributes:
        layer_rates: a learning rate per layer; None for one rate.
    """

    layer_rates: LayerRates | None = None

    def create_optimizer(self, *args, **kwargs):
        """Gives each layer its rate, and names the flags where the optimizer cannot be made."""
        is_new = self.optimizer is None
        value, remedy = self.args.optim.value, "Choose another, such as adamw_torch."
        if self.args.optim_args:
            value = f"{value} --optim_args {self.args.optim_args}"
            remedy = f"Write --optim_args as name=value,name=value, or leave it out. {remedy}"
        with usage_errors_of("--optim", value, remedy):
            optimizer = super().create_optimizer(*args, **kwargs)
        if is_new and self.layer_rates is not None:
            self.layer_rates.split_groups(optimizer, self.model, f"--optim {self.args.optim.value}")
        return optimizer

    def create_scheduler(self, *args, **kwargs):
        """Names the flags where the schedule needs other arguments."""
        value, remedy = self.args.lr_scheduler_type.value, "Add what is missing with --lr_scheduler_kwargs"
        if self.args.lr_scheduler_kwargs:
            value = f"{value} --lr_scheduler_kwargs {json.dumps(self.args.lr_scheduler_kwargs)}"
            remedy = "Correct --lr_scheduler_kwargs"
        with usage_errors_of("--lr_scheduler_type", value, f"{remedy}, or choose another schedule, such as linear."):
            return super().create_scheduler(*args, **kwargs)
