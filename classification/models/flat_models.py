"""Which models can run with a flat encoder, and how theirs is found."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from classification.models.kernels.flat_encoder import GELU, Bias, FlatEncoder, LayerParts, Linear, Pack


@dataclass(frozen=True)
class Family:
    """Where a kind of encoder has its layers.

    Args:
        stack: attribute of the base model. heads, activation: attributes of its config.
    """

    parts: Callable[[Any], LayerParts]
    stack: str = "encoder"
    heads: str = "num_attention_heads"
    activation: str = "hidden_act"
    has_bias: bool = False


def bert_parts(layer: Any) -> LayerParts:
    attention = layer.attention
    return LayerParts(
        attention.self.query, attention.self.key, attention.self.value, attention.output.dense,
        attention.output.LayerNorm, layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm,
    )  # fmt: skip


def mpnet_parts(layer: Any) -> LayerParts:
    attention = layer.attention
    return LayerParts(
        attention.attn.q, attention.attn.k, attention.attn.v, attention.attn.o, attention.LayerNorm,
        layer.intermediate.dense, layer.output.dense, layer.output.LayerNorm,
    )  # fmt: skip


def distilbert_parts(layer: Any) -> LayerParts:
    attention = layer.attention
    return LayerParts(
        attention.q_lin, attention.k_lin, attention.v_lin, attention.out_lin, layer.sa_layer_norm, layer.ffn.lin1,
        layer.ffn.lin2, layer.output_layer_norm,
    )  # fmt: skip


BERT = Family(bert_parts)
FAMILIES = {  # model_type of the config
    **dict.fromkeys(("bert", "roberta", "xlm-roberta", "camembert", "electra"), BERT),
    "mpnet": Family(mpnet_parts, has_bias=True),
    "distilbert": Family(distilbert_parts, stack="transformer", heads="n_heads", activation="activation"),
}
READS_FIRST_TOKEN = (  # classes whose head reads nothing else; a pooled head of ours reads all
    "BertForSequenceClassification", "RobertaForSequenceClassification", "XLMRobertaForSequenceClassification",
    "CamembertForSequenceClassification", "ElectraForSequenceClassification", "MPNetForSequenceClassification",
    "DistilBertForSequenceClassification",
)  # fmt: skip


def why_not_flat(model: PreTrainedModel) -> str:
    """Why a model cannot run with a flat encoder, "" where it can."""
    config = model.base_model.config  # a pooled head has a config of its own
    family = FAMILIES.get(config.model_type)
    if family is None:
        return f"{config.model_type} has no flat encoder"
    stack = getattr(model.base_model, family.stack, None)
    if not isinstance(getattr(stack, "layer", None), nn.ModuleList):
        return "its layers are not where they are expected"
    if getattr(config, "is_decoder", False) or getattr(config, "add_cross_attention", False):
        return "it is a decoder"
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        return "its attention reads relative positions"
    if getattr(config, family.activation) not in GELU:
        return f"its activation is {getattr(config, family.activation)}"
    if not (torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")):
        return "this build of torch has no oneDNN"
    return ""


def with_flat_encoder(
    model: PreTrainedModel, dtype: torch.dtype, pack: Pack = Linear.pack
) -> tuple[PreTrainedModel, FlatEncoder]:
    """The model with its layers replaced, on a CPU. It shares embeddings and head with `model`, which stays as it is.

    Args:
        dtype: of the layers: bf16 or fp32. The rest computes in fp32.
        pack: makes their linear layers.
    """
    config = model.base_model.config
    family = FAMILIES[config.model_type]
    stack = getattr(model.base_model, family.stack)
    encoder = FlatEncoder(
        [family.parts(layer) for layer in stack.layer], getattr(config, family.heads), dtype,
        GELU[getattr(config, family.activation)], first_only=type(model).__name__ in READS_FIRST_TOKEN,
        bias=mpnet_bias(stack, dtype) if family.has_bias else None, pack=pack,
    )  # fmt: skip
    base = shallow_copy(model.base_model)
    base._modules[family.stack] = encoder
    flat = shallow_copy(model)
    flat._modules[model.base_model_prefix] = base
    return flat, encoder


def shallow_copy(module: Any) -> Any:
    """A module with its own table of children, which are shared."""
    copied = copy.copy(module)
    copied._modules = dict(module._modules)
    return copied


def mpnet_bias(stack: Any, dtype: torch.dtype) -> Bias:
    """What MPNet adds to the scores, by the distance of two tokens."""

    def computed(length: int) -> torch.Tensor:
        return stack.compute_position_bias(torch.empty(1, length, 1))[0].to(dtype)

    longest = [computed(1)]

    def bias(length: int) -> torch.Tensor:
        if longest[0].shape[1] < length:
            longest[0] = computed(length)
        return longest[0][:, :length, :length]  # it depends on distances only; one per length would take gigabytes

    return bias
