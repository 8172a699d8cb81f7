"""LoRA adapters: added to a model, merged into its weights, or loaded from a folder without the base model."""

from __future__ import annotations

import json
from pathlib import Path

from peft import LoraConfig, PeftModel, get_peft_model
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from classification.errors import UsageError, first_line
from classification.models.parts import head_modules, in_head, in_numbered_layer


def holds_adapter(name: str) -> bool:
    """Whether a folder holds an adapter without its base model."""
    return Path(name, "adapter_config.json").is_file() and not Path(name, "model.safetensors").exists()


def base_of_adapter(name: str) -> str | None:
    """The base model of a folder's adapter; None where the folder holds a whole model.

    Raises:
        UsageError: the base model was a local folder that does not exist any more.
    """
    if not holds_adapter(name):
        return None
    base = json.loads(Path(name, "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    if Path(base).is_absolute() and not Path(base).exists():
        raise UsageError(
            f"--model_name_or_path {name}: holds an adapter, but its base model {base} does not exist. Put it back, or "
            "write its new path into base_model_name_or_path of adapter_config.json."
        )
    return base


def lora_targets(model: PreTrainedModel) -> list[str]:
    """The names of all linear modules of the encoder's layers.

    Adapters on all of them match full fine-tuning; on queries and values alone they do not (Dettmers et al. 2023,
    QLoRA). The modules are found by their position, so that no list of model names is needed.
    """
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | Conv1D) and not in_head(name, model) and in_numbered_layer(name)
    ]


def add_lora(model: PreTrainedModel, r: int) -> PeftModel:
    """Freeze the encoder and add an adapter of rank `r` to each of its linear modules; the head trains in full.

    The adapters' products are scaled by 2 (Hu et al. 2021, LoRA).

    Raises:
        UsageError: a model without linear modules in its layers.
    """
    targets = lora_targets(model)
    if not targets:
        raise UsageError(
            f"--lora_r {r}: {type(model).__name__} has no linear layer inside repeated layers to which LoRA could add "
            "an adapter. Leave the flag out; --freeze encoder trains the head alone."
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
    if model.name_or_path and Path(model.name_or_path).exists():  # absolute: loads from any working directory
        adapted.peft_config["default"].base_model_name_or_path = str(Path(model.name_or_path).resolve())
    return adapted


def merge_adapters(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The model with its adapters added to the weights: the logits stay equal and it loads without peft."""
    return model.merge_and_unload() if isinstance(model, PeftModel) else model


def load_adapter(model: PreTrainedModel, folder: str, *, ignore_mismatched_sizes: bool) -> PreTrainedModel:
    """Merge the adapter of `folder` (saved with `--lora_merge false`) into `model` and take over its head.

    Raises:
        UsageError: no adapter in safetensors format, or the adapter has other sizes than the model.
    """
    if not Path(folder, "adapter_model.safetensors").is_file():
        raise UsageError(
            f"--model_name_or_path {folder}: has no adapter_model.safetensors. A pickled adapter_model.bin is never "
            "opened: load it with peft and call save_pretrained once to convert it."
        )
    try:
        adapted = PeftModel.from_pretrained(model, folder, ignore_mismatched_sizes=ignore_mismatched_sizes)
    except RuntimeError as error:
        raise UsageError(
            f"--model_name_or_path {folder}: the adapter does not fit: {first_line(error)} If its head was trained for "
            "other labels, pass --ignore_mismatched_sizes to start with a new head."
        ) from error
    return merge_adapters(adapted).requires_grad_(True)  # peft leaves the base model frozen
