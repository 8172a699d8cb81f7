"""Reading adapter_config.json, which names the base model and, in foreign files, code to import."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from classification.errors import UsageError, first_line

IMPORTING = ("megatron_config",)  # peft imports the Python module that such an adapter names
PROMPTS = (  # types without weights to merge; some read pickles that the file names
    "PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "ADAPTION_PROMPT",
)  # fmt: skip
REMEDY = "Download or save the adapter again."


def read_adapter_config(name: str) -> dict:
    """The content of the adapter_config.json of a folder.

    Raises:
        UsageError: it is no JSON object, names no base model, or names code that peft would import; or peft is missing.
    """
    flag = f"--model_name_or_path {name}: adapter_config.json"
    try:
        config = json.loads(Path(name, "adapter_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{flag} cannot be read: {first_line(error)} {REMEDY}") from error
    if not isinstance(config, dict) or not isinstance(config.get("base_model_name_or_path"), str):
        raise UsageError(f"{flag} names no base model. Write its folder or Hub name into base_model_name_or_path.")
    if find_spec("peft") is None:  # a server has only what it needs
        raise UsageError(
            f"--model_name_or_path {name}: holds an adapter, and peft is not installed: pip install peft accelerate"
        )
    from peft import PeftType  # takes a second; a folder without an adapter does not need it

    kind = config.get("peft_type")
    if kind in PROMPTS or kind not in PeftType.__members__:
        raise UsageError(f"{flag} has the peft_type {kind}, which cannot be merged. Use a LoRA adapter.")
    for key in IMPORTING:
        if config.get(key):
            raise UsageError(f"{flag} has a {key}, which would import code. Set it to null if the model needs none.")
    return config
