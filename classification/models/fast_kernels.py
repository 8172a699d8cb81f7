"""Which attention, norms and dropout are fast on the device; optional reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from transformers import PreTrainedConfig, PreTrainedModel

from classification.messages.log import Line
from classification.models.attention_dropout import describe_dropout, get_attention_dropout, set_attention_dropout
from classification.models.bilstm import BiLstmConfig
from classification.models.kernels.allocator import keep_freed_memory
from classification.models.kernels.bf16_norms import keep_norms_in_bf16
from classification.models.kernels.cpu_attention import decide_attention
from classification.models.kernels.cpu_dropout import replace_dropout
from classification.models.precision import Precision


@dataclass(frozen=True)
class KernelChoice:
    """What to load a model with and what to replace in it.

    Args:
        attention: the implementation to load with, None for the library's choice; reason: why.
        bf16_norms: whether norms inside the layers stay in bf16.
        fast_dropout: whether dropout layers draw cheaper random bits.
        dropout, own_dropout: share of the attention weights, in this run and in the model's own config.
    """

    attention: str | None
    reason: str
    bf16_norms: bool
    fast_dropout: bool
    training: bool
    dropout: float
    own_dropout: float

    def install(self, model: PreTrainedModel) -> list[Line]:
        """Replace norms and dropout of a loaded model; returns the lines about all three."""
        lines = []
        if not isinstance(model.config, BiLstmConfig):
            encoder = cast(PreTrainedModel, model.base_model)
            lines.append(Line("attention", f"{encoder.config._attn_implementation} ({self.reason})"))
        if self.bf16_norms and keep_norms_in_bf16(model):
            lines.append(Line("norms", "bf16 inside the layers, with statistics in fp32: less memory traffic"))
        if self.training:
            replaced = replace_dropout(model) if self.fast_dropout else set()
            lines += describe_dropout(replaced, self.dropout, self.own_dropout)
        return lines


def choose_kernels(
    config: PreTrainedConfig,
    attention_dropout: float | None,
    *,
    training: bool,
    device: str,
    precision: Precision,
    compiled: bool,
    stored: str | None = None,
) -> KernelChoice:
    """Choose by device and number format, and write the attention dropout into the config.

    Args:
        attention_dropout: None for the model's own.
        compiled: torch.compile makes its own kernels.
        stored: the attention implementation of the run that is continued.

    Raises:
        UsageError: as from `set_attention_dropout`.
    """
    if device == "cpu":
        keep_freed_memory()
    own_dropout = get_attention_dropout(config)
    if attention_dropout is not None:
        set_attention_dropout(config, attention_dropout)
    dropout = get_attention_dropout(config)
    attention, reason = decide_attention(
        device, precision.dtype, config, dropout=dropout if training else 0.0, compiled=compiled, stored=stored
    )
    return KernelChoice(
        attention,
        reason,
        bf16_norms=device == "cuda" and precision.name == "bf16" and not compiled,
        fast_dropout=device == "cpu" and not compiled,
        training=training,
        dropout=dropout,
        own_dropout=own_dropout,
    )
