"""Which parameters train: all, those that `--freeze` leaves, or adapters of low rank (LoRA)."""

from __future__ import annotations

import logging
from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from classification.errors import UsageError, first_line

logger = logging.getLogger(__name__)

NONE, EMBEDDINGS, ENCODER = "none", "embeddings", "encoder"
SMALLEST_RATE = 1e-4  # of adapters, or of a head alone


def choose_trainable(
    model: PreTrainedModel, *, freeze: str = NONE, freeze_layers: int = 0, lora_r: int | None = None
) -> PreTrainedModel | PeftModel:
    """The model with the parameters that were asked for left to train, or adapters around it.

    Args:
        freeze: `embeddings` (everything before the first layer), `encoder` (everything but the head and its pooler).
        freeze_layers: the embeddings and so many of the lowest layers.
        lora_r: the rank of the adapters.

    Raises:
        UsageError: more layers than there are, or nothing that an adapter fits.
    """
    for name in frozen_names(model, freeze, freeze_layers):
        model.get_parameter(name).requires_grad_(False)
    return add_lora(model, lora_r) if lora_r else model


# ------------------------------------------------------------------------------------------------ the parts of a model


def encoder_prefix(model: PreTrainedModel) -> str:
    return model.base_model_prefix + "."


def in_head(name: str, model: PreTrainedModel) -> bool:
    """Whether a parameter or module reads the encoder's states out: the classifier, and the pooler before it (which is
    all that a bare encoder has of a head)."""
    inside = model.base_model is model or f"{name}.".startswith(encoder_prefix(model))
    return not inside or ".pooler." in f".{name}."


def head_modules(model: PreTrainedModel) -> list[str]:
    """The names of the modules that make up the head, none inside another."""
    names: list[str] = []
    for name, module in model.named_modules():
        inside_another = any(name.startswith(f"{outer}.") for outer in names)
        if name and in_head(name, model) and not inside_another and any(True for _ in module.parameters()):
            names.append(name)
    return names


def layer_stack(model: PreTrainedModel) -> tuple[str, nn.ModuleList | None]:
    """The name of the encoder's list of layers and the list; "" and None where layers share their weights (ALBERT)."""
    count = getattr(model.config.get_text_config(), "num_hidden_layers", 0)
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count > 0 and not in_head(name, model):
            return name, module
    return "", None


def frozen_names(model: PreTrainedModel, freeze: str, freeze_layers: int) -> list[str]:
    """The names of the parameters that do not train."""
    inside = [name for name, _ in model.named_parameters() if not in_head(name, model)]
    if freeze == ENCODER:
        return inside
    if freeze == NONE and not freeze_layers:
        return []
    stack, layers = layer_stack(model)
    if freeze_layers and (layers is None or freeze_layers > len(layers)):
        has = "this model has no list of layers that can be frozen one by one"
        if layers is not None:
            has = f"this model has {len(layers)}"
        raise UsageError(
            f"--freeze_layers {freeze_layers}: {has}. Pass a smaller number, or --freeze encoder to train the head "
            "alone."
        )
    lists = [name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)]
    first_layer = next((name for name in inside if name.startswith((stack or next(iter(lists), "")) + ".")), None)
    embeddings = inside[: inside.index(first_layer)] if first_layer else inside
    lowest = tuple(f"{stack}.{number}." for number in range(freeze_layers))
    return embeddings + [name for name in inside if name.startswith(lowest)]


# ------------------------------------------------------------------------------------------------------------- LoRA


def lora_targets(model: PreTrainedModel) -> list[str]:
    """Every matrix product of the encoder's layers (Dettmers et al. 2023, QLoRA: all layers, not queries and values
    alone, to match full fine-tuning); by where they stand, so that no list of model names is needed."""
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D)
        and not in_head(name, model)
        and any(part.isdigit() for part in name.split("."))
    ]


def add_lora(model: PreTrainedModel, r: int) -> PeftModel:
    """Freeze the encoder and put beside each of its matrix products one of rank `r`, scaled by 2 (Hu et al. 2021,
    LoRA); the head trains in full."""
    targets = lora_targets(model)
    if not targets:
        raise UsageError(
            f"--lora_r {r}: {type(model).__name__} has no linear layer inside repeated layers, which LoRA could "
            "accompany. Leave it out; --freeze encoder trains the head alone."
        )
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=r,
        lora_alpha=2 * r,
        target_modules=targets,
        modules_to_save=head_modules(model),
        fan_in_fan_out=isinstance(model.get_submodule(targets[0]), Conv1D),
    )
    adapted = get_peft_model(model, config)
    if model.name_or_path and Path(model.name_or_path).exists():  # the adapter shall find its base from any folder
        adapted.peft_config["default"].base_model_name_or_path = str(Path(model.name_or_path).resolve())
    return adapted


def merged(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The model with its adapters added into the weights: same logits, and it loads everywhere."""
    return model.merge_and_unload() if isinstance(model, PeftModel) else model


def load_adapter(model: PreTrainedModel, folder: str, *, ignore_mismatched_sizes: bool) -> PreTrainedModel:
    """A model with the adapter and the head of `folder` (saved with `--lora_merge false`) in its weights."""
    try:
        adapted = PeftModel.from_pretrained(model, folder, ignore_mismatched_sizes=ignore_mismatched_sizes)
    except RuntimeError as error:
        raise UsageError(
            f"--model_name_or_path {folder}: the adapter does not fit: {first_line(error)} If its head was trained for "
            "other labels, pass --ignore_mismatched_sizes to start with a new head."
        ) from error
    return merged(adapted).requires_grad_(True)  # peft leaves the base model frozen


# ------------------------------------------------------------------------------------------------------- what is said


def say_trainable(model: PreTrainedModel | PeftModel, learning_rate: float) -> None:
    """How many parameters train, and why not all."""
    total = sum(parameter.numel() for parameter in model.parameters())
    trains = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    share = "" if trains == total else f" ({100 * trains / total:.2g}%)"
    how = "all"
    if isinstance(model, PeftModel):
        adapters = [module for module in model.modules() if isinstance(module, LoraLayer)]
        how = f"LoRA of rank {adapters[0].r['default']} beside {len(adapters)} matrices, and the head"
    elif trains < total:
        how = "the rest is frozen"
    logger.info("parameters   %.2fM, of which %.2fM train%s: %s", total / 1e6, trains / 1e6, share, how)
    slow = learning_rate < SMALLEST_RATE
    if slow and isinstance(model, PeftModel):
        logger.warning("--lora_r with a learning rate of %g: adapters start from zero and learn at about ten times the "
                       "rate of full fine-tuning: pass --learning_rate 2e-4", learning_rate)  # fmt: skip
    elif slow and not any(
        parameter.requires_grad for name, parameter in model.named_parameters() if not in_head(name, model)
    ):
        logger.warning("--freeze encoder with a learning rate of %g: a head alone starts from noise and learns at many "
                       "times the rate of full fine-tuning: pass --learning_rate 1e-3", learning_rate)  # fmt: skip
