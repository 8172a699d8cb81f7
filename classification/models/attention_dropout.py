"""Dropout on the attention weights, under whatever name a model's config has for it."""

from __future__ import annotations

from transformers import PreTrainedConfig

from classification.errors import UsageError
from classification.messages.log import Line

NAMES = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")


def attention_dropout_name(config: PreTrainedConfig) -> str | None:
    """The config's name for the dropout on its attention weights, None where it has none."""
    return next((name for name in NAMES if hasattr(config.get_text_config(), name)), None)


def get_attention_dropout(config: PreTrainedConfig) -> float:
    """The share of the attention weights that training drops."""
    name = attention_dropout_name(config)
    return (getattr(config.get_text_config(), name) or 0.0) if name else 0.0


def set_attention_dropout(config: PreTrainedConfig, value: float) -> None:
    """Set the share of the attention weights that training drops.

    Raises:
        UsageError: a model without attention dropout, and `value` is not 0.
    """
    name = attention_dropout_name(config)
    if name is not None:
        setattr(config.get_text_config(), name, value)
    elif value:
        raise UsageError(f"--attention_dropout {value:g}: this model has no attention dropout. Leave the flag out.")


def describe_dropout(replaced: set[float], attention: float, own_attention: float) -> list[Line]:
    """The line on dropout that differs from the model's config or from torch's layers; none where nothing differs.

    Args:
        replaced: probabilities, as `replace_dropout` returns them.
        attention, own_attention: share of the attention weights, in this run and in the model's own config.
    """
    parts = []
    if attention != own_attention:
        parts.append(f"{attention:g} of the attention weights instead of the model's own {own_attention:g}")
    if replaced:
        shares = " and ".join(f"{p:g}" for p in sorted(replaced))
        parts.append(f"{shares} in its layers, with random bits from SFC64, which are faster on a CPU than torch's")
    return [Line("dropout", "; ".join(parts))] if parts else []
