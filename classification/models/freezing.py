"""Which parameters train: all, those that `--freeze` leaves, or LoRA adapters and the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transformers import PreTrainedModel

from classification.errors import UsageError
from classification.messages.log import Line, warning
from classification.models.adapter_folders import has_adapters
from classification.models.adapters import add_lora
from classification.models.choice import ModelChoice
from classification.models.parts import embedding_names, encoder_names, in_head, layer_stack

if TYPE_CHECKING:
    from peft import PeftModel

NONE, EMBEDDINGS, ENCODER = "none", "embeddings", "encoder"
LOWEST_RATE = 1e-4  # for adapters, and for a head alone


def choose_trainable(model: PreTrainedModel, choice: ModelChoice) -> PreTrainedModel | PeftModel:
    """Freeze what `choice.freeze` and `choice.freeze_layers` name, or wrap the model in adapters (`choice.lora_r`).

    Raises:
        UsageError: more layers than the model has, or no module that an adapter could be added to.
    """
    for name in frozen_names(model, choice.freeze, choice.freeze_layers):
        model.get_parameter(name).requires_grad_(False)
    return add_lora(model, choice.lora_r, choice.hub.revision) if choice.lora_r else model


def frozen_names(model: PreTrainedModel, freeze: str, freeze_layers: int) -> list[str]:
    """The names of the parameters that do not train.

    Args:
        freeze: `none`, `embeddings` (everything before the first layer) or `encoder` (everything but the head).
        freeze_layers: freeze the embeddings and this many of the lowest layers.

    Raises:
        UsageError: more layers than the model has, or layers that share their weights.
    """
    if freeze == ENCODER:
        return encoder_names(model)
    if freeze == NONE and not freeze_layers:
        return []
    stack, layers = layer_stack(model)
    if freeze_layers and (layers is None or freeze_layers > len(layers)):
        problem = "this model has no list of layers that can be frozen one by one"
        if layers is not None:
            problem = f"this model has {len(layers)}"
        raise UsageError(
            f"--freeze_layers {freeze_layers}: {problem}. Pass a smaller number, or --freeze encoder to train the head "
            "alone."
        )
    lowest = tuple(f"{stack}.{number}." for number in range(freeze_layers))
    return embedding_names(model) + [name for name in encoder_names(model) if name.startswith(lowest)]


def describe_trainable(model: PreTrainedModel | PeftModel, learning_rate: float) -> list[Line]:
    """How many parameters train, what the others are, and a warning where the learning rate is too low for that."""
    total = sum(parameter.numel() for parameter in model.parameters())
    trainable = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    share = "" if trainable == total else f" ({100 * trainable / total:.2g}%)"
    text = f"{trainable / 1e6:.2f}M of {total / 1e6:.2f}M are trained{share}: {_describe_parts(model)}"
    lines = [Line("parameters", text)]
    if learning_rate < LOWEST_RATE:
        lines += _rate_warnings(model, learning_rate)
    return lines


def _describe_parts(model: PreTrainedModel | PeftModel) -> str:
    if has_adapters(model):
        from peft.tuners.lora import LoraLayer

        adapters = [module for module in model.modules() if isinstance(module, LoraLayer)]
        return f"LoRA adapters of rank {adapters[0].r['default']} on {len(adapters)} matrices, and the head"
    all_train = all(parameter.requires_grad for parameter in model.parameters())
    return "all" if all_train else "the rest is frozen"


def _rate_warnings(model: PreTrainedModel | PeftModel, learning_rate: float) -> list[Line]:
    if has_adapters(model):
        return [
            warning(
                f"--lora_r with a learning rate of {learning_rate:g}: adapters start from zero and need about ten "
                "times the learning rate of full fine-tuning: pass --learning_rate 2e-4"
            )
        ]
    encoder = (parameter for name, parameter in model.named_parameters() if not in_head(name, model))
    if any(parameter.requires_grad for parameter in encoder):
        return []
    return [
        warning(
            f"--freeze encoder with a learning rate of {learning_rate:g}: a head alone starts from random weights and "
            "needs many times the learning rate of full fine-tuning: pass --learning_rate 1e-3"
        )
    ]
