"""The parts of a model, found by structure and not by model names: embeddings, layers and head."""

from __future__ import annotations

from torch import nn
from transformers import PreTrainedModel


def encoder_prefix(model: PreTrainedModel) -> str:
    return model.base_model_prefix + "."


def in_head(name: str, model: PreTrainedModel) -> bool:
    """Whether a parameter or module belongs to the head: the classifier and the pooler before it.

    A bare encoder has no head but its pooler.
    """
    in_encoder = model.base_model is model or f"{name}.".startswith(encoder_prefix(model))
    return not in_encoder or ".pooler." in f".{name}."


def in_numbered_layer(name: str) -> bool:
    """Whether a parameter or module belongs to one of several equal layers, by the number in its name."""
    return any(part.isdigit() for part in name.split("."))


def head_modules(model: PreTrainedModel) -> list[str]:
    """The names of the modules that make up the head; only the outermost ones."""
    names: list[str] = []
    for name, module in model.named_modules():
        is_nested = any(name.startswith(f"{outer}.") for outer in names)
        if name and in_head(name, model) and not is_nested and any(True for _ in module.parameters()):
            names.append(name)
    return names


def output_layer(model: PreTrainedModel) -> tuple[str, nn.Linear | None]:
    """The linear layer that gives the logits, with its name; "" and None where the head does not end in one."""
    found: tuple[str, nn.Linear | None] = ("", None)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and module.out_features == model.config.num_labels and in_head(name, model):
            found = name, module
    return found


def layer_stack(model: PreTrainedModel) -> tuple[str, nn.ModuleList | None]:
    """The encoder's list of layers with its name; "" and None where the layers share their weights (ALBERT)."""
    count = getattr(model.config.get_text_config(), "num_hidden_layers", 0)
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count > 0 and not in_head(name, model):
            return name, module
    return "", None


def embedding_names(model: PreTrainedModel) -> list[str]:
    """The names of the encoder's parameters before its first layer."""
    names = encoder_names(model)
    stack, _ = layer_stack(model)
    lists = [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    prefix = (stack or next(iter(lists), "")) + "."
    first_layer = next((index for index, name in enumerate(names) if name.startswith(prefix)), len(names))
    return names[:first_layer]


def encoder_names(model: PreTrainedModel) -> list[str]:
    """The names of all parameters outside the head."""
    return [name for name, _ in model.named_parameters() if not in_head(name, model)]
