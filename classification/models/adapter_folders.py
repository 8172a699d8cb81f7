"""How the folder of a LoRA adapter, and a model with adapters, are recognised without importing peft."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

if TYPE_CHECKING:  # takes a second, and a model without adapters does not need it
    from peft import PeftModel


def holds_adapter(name: str) -> bool:
    """Whether a folder holds an adapter without its base model."""
    return Path(name, "adapter_config.json").is_file() and not Path(name, "model.safetensors").exists()


def has_adapters(model: object) -> TypeGuard[PeftModel]:
    """Whether a model is wrapped in adapters, which only an imported peft can have done."""
    return "peft" in sys.modules and isinstance(model, sys.modules["peft"].PeftModel)
