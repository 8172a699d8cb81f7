"""LoRA adapters: added to a model, merged into its weights, or loaded from a folder without the base model."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import safe_open
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from classification.errors import UsageError, first_line
from classification.models.adapter_config import read_adapter_config
from classification.models.adapter_folders import has_adapters, holds_adapter
from classification.models.choice import ModelChoice
from classification.models.load_checks import LOAD_ERRORS
from classification.models.parts import head_modules, in_head, in_numbered_layer

if TYPE_CHECKING:  # it is imported where it is used: most models have no adapters
    from peft import PeftModel

PREFIX = "base_model.model."  # of every tensor in an adapter's file


def base_of_adapter(name: str) -> str | None:
    """The base model of a folder's adapter; None where the folder holds a whole model.

    Raises:
        UsageError: the base model was a local folder that does not exist any more.
    """
    if not holds_adapter(name):
        return None
    base = read_adapter_config(name)["base_model_name_or_path"]
    if Path(base).is_absolute() and not Path(base).exists():
        raise UsageError(
            f"--model_name_or_path {name}: holds an adapter, but its base model {base} does not exist. Put it back, or "
            "write its new path into base_model_name_or_path of adapter_config.json."
        )
    return base


def choose_base(choice: ModelChoice) -> ModelChoice | None:
    """The choice of the base model of a folder's adapter; None where the folder holds a whole model.

    `--model_revision` belongs to the model that the command line names. adapter_config.json names that of the base.
    """
    base = base_of_adapter(choice.name)
    if base is None:
        return None
    revision = read_adapter_config(choice.name).get("revision") or "main"
    return replace(choice, name=base, hub=replace(choice.hub, revision=revision))


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


def add_lora(model: PreTrainedModel, r: int, revision: str = "main") -> PeftModel:
    """Freeze the encoder and add an adapter of rank `r` to each of its linear modules; the head trains in full.

    The adapters' products are scaled by 2 (Hu et al. 2021, LoRA).

    Args:
        revision: of the model, where it is from the Hub; saved with the adapter.

    Raises:
        UsageError: a model without linear modules in its layers.
    """
    from peft import LoraConfig, get_peft_model

    targets = lora_targets(model)
    if not targets:
        raise UsageError(
            f"--lora_r {r}: {type(model).__name__} has no linear layer inside repeated layers to which LoRA could add "
            "an adapter. Leave the flag out; --freeze encoder trains the head alone."
        )
    is_local = bool(model.name_or_path) and Path(model.name_or_path).exists()
    config = LoraConfig(
        task_type="SEQ_CLS",
        r=r,
        lora_alpha=2 * r,
        target_modules=targets,
        modules_to_save=head_modules(model),
        fan_in_fan_out=isinstance(model.get_submodule(targets[0]), Conv1D),
        revision=None if revision == "main" or is_local else revision,
    )
    with without_warnings_of_peft():
        adapted = get_peft_model(model, config)
    adapted.create_or_update_model_card = _write_no_card
    if is_local:  # absolute: loads from any working directory
        adapted.peft_config["default"].base_model_name_or_path = str(Path(model.name_or_path).resolve())
    return adapted


@contextmanager
def without_warnings_of_peft() -> Iterator[None]:
    """Inside, peft may use a property by its old name; missing adapters and other sizes are left to our own checks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"peft\.")
        yield


def _write_no_card(folder: str) -> None:
    """peft would write an empty form into README.md, or into the one that is there."""


def merge_adapters(model: PreTrainedModel | PeftModel) -> PreTrainedModel:
    """The model with its adapters added to the weights: the logits stay equal and it loads without peft."""
    return model.merge_and_unload() if has_adapters(model) else model


def load_adapter(
    model: PreTrainedModel, new: set[str], folder: str, *, ignore_mismatched_sizes: bool
) -> tuple[PreTrainedModel, set[str]]:
    """Merge the adapter of `folder` (saved with `--lora_merge false`) into `model` and take over its head.

    Args:
        new: names of the tensors that the file of the base model does not have.

    Returns:
        The model, and the names of the tensors that neither file has.

    Raises:
        UsageError: no adapter in safetensors format, or the adapter has other sizes than the model.
    """
    from peft import PeftModel

    file = Path(folder, "adapter_model.safetensors")
    if not file.is_file():
        raise UsageError(
            f"--model_name_or_path {folder}: has no adapter_model.safetensors. A pickled adapter_model.bin is never "
            "opened: load it with peft and call save_pretrained once to convert it."
        )
    try:
        with without_warnings_of_peft():
            adapted = PeftModel.from_pretrained(model, folder, ignore_mismatched_sizes=ignore_mismatched_sizes)
    except LOAD_ERRORS as error:
        raise UsageError(
            f"--model_name_or_path {folder}: the adapter does not fit: {first_line(error)} If its head was trained for "
            "other labels, pass --ignore_mismatched_sizes to start with a new head."
        ) from error
    except KeyError as error:
        raise UsageError(
            f"--model_name_or_path {folder}: the adapter has no {error}. It must be a classifier's adapter with its "
            "head, as --lora_r with --lora_merge false saves it."
        ) from error
    with safe_open(file, "pt") as saved:
        stored = {name: saved.get_slice(name).get_shape() for name in saved.keys()}  # noqa: SIM118
    check_adapter_tensors(folder, set(stored), set(adapted.state_dict()))
    merged = merge_adapters(adapted).requires_grad_(True)  # peft leaves the base model frozen
    shapes = {name: list(tensor.shape) for name, tensor in merged.state_dict().items()}
    same_size = {name for name, shape in shapes.items() if stored.get(PREFIX + name) == shape}
    return merged, new - same_size


def check_adapter_tensors(folder: str, stored: set[str], made: set[str]) -> None:
    """Check that file and model have the same adapters: peft leaves others out with a warning at most.

    Raises:
        UsageError: the adapter was trained on another model.
    """
    ends = (".lora_A.weight", ".lora_B.weight")
    in_model = {name.replace(".default.", ".") for name in made if name.replace(".default.", ".").endswith(ends)}
    wrong = in_model ^ {name for name in stored if name.endswith(ends)}
    if wrong:
        raise UsageError(
            f"--model_name_or_path {folder}: {len(wrong)} adapters are either in adapter_model.safetensors or in the "
            f"base model (for example {min(wrong)}), so they do not belong together. Write the model that the adapter "
            "was trained on into base_model_name_or_path of adapter_config.json."
        )
