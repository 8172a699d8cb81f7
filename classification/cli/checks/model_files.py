"""Checks of the model's files, where they are local."""

from __future__ import annotations

from pathlib import Path

from classification.cli.flags import Flags
from classification.models.google_checkpoints import refuse_tf_checkpoint
from classification.models.weight_files import check_weight_files


def check_model_files(flags: Flags) -> None:
    """Weights in safetensors format, before any data is read."""
    name = flags.model.model_name_or_path
    if not flags.from_scratch:
        refuse_tf_checkpoint("--model_name_or_path", name)
    if Path(name).is_dir():
        check_weight_files(name)
