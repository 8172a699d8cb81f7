"""Checks of `--layerwise_lr_decay` and `--r_drop`: nothing keeps them from having an effect."""

from __future__ import annotations

from classification.cli.flag_values import layer_decay_of
from classification.cli.flags import Flags
from classification.errors import UsageError

SETS_ITS_OWN_RATES = ("layerwise", "lomo")  # in the name of an optimizer that keeps no groups of weights


def check_rates_and_passes(flags: Flags) -> None:
    """The run trains several layers, by an optimizer that keeps groups of weights."""
    decay = layer_decay_of(flags.objective)
    for name, value in (("layerwise_lr_decay", decay), ("r_drop", flags.objective.r_drop)):
        if name in flags.given and value and not flags.includes("train"):
            raise UsageError(f"--{name} {value:g}: changes the training, and this run does not train. Leave it out.")
    if decay is None:
        return
    optim = flags.trainer.text("optim")
    if any(part in optim for part in SETS_ITS_OWN_RATES):
        raise UsageError(
            f"--layerwise_lr_decay {decay:g} and --optim {optim}: this optimizer has one learning rate for all "
            "weights. Choose --optim adamw_torch, or pass --layerwise_lr_decay 1."
        )
    if flags.model.freeze == "encoder":
        raise UsageError(
            f"--layerwise_lr_decay {decay:g} and --freeze encoder: the layers do not train. Leave one of "
            "them out, or pass --layerwise_lr_decay 1."
        )
