"""A folder that holds an adapter (LoRA) without the model that it belongs to."""

from __future__ import annotations

import json
from pathlib import Path

from classification.errors import UsageError


def base_of_adapter(name: str) -> str | None:
    """The model that a folder's adapter belongs to; None where it holds a whole model.

    Raises:
        UsageError: the base model was a local folder, and is not there.
    """
    if not holds_adapter(name):
        return None
    base = json.loads(Path(name, "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    if Path(base).is_absolute() and not Path(base).exists():
        raise UsageError(
            f"--model_name_or_path {name}: holds an adapter, and its base model {base} is not there. Put it back, or "
            "write where it is into base_model_name_or_path of adapter_config.json."
        )
    return base


def holds_adapter(name: str) -> bool:
    """Whether a folder holds an adapter alone."""
    return Path(name, "adapter_config.json").is_file() and not Path(name, "model.safetensors").exists()
