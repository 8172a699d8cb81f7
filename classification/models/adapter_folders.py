"""How the folder of a LoRA adapter is recognised, without importing a model library."""

from __future__ import annotations

from pathlib import Path


def holds_adapter(name: str) -> bool:
    """Whether a folder holds an adapter without its base model."""
    return Path(name, "adapter_config.json").is_file() and not Path(name, "model.safetensors").exists()
