"""Checkpoints: which one a run can continue from, and what a saved model leaves on the disk."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

from transformers import PreTrainedModel

from classification.errors import UsageError

logger = logging.getLogger(__name__)

CHECKPOINT = re.compile(r"checkpoint-(\d+)")
WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
NEEDED_TO_RESUME = ("optimizer.pt", "scheduler.pt", "trainer_state.json")


def is_complete(checkpoint: Path) -> bool:
    """Whether a checkpoint has every file that a resumed run reads, and its state can be read.

    The Trainer writes into the folder directly, the state last, and a run that was killed leaves part of the files.
    Without optimizer.pt the Trainer would resume with a new optimizer and not report it.
    """
    if not any((checkpoint / name).is_file() for name in WEIGHTS):
        return False
    if not all((checkpoint / name).is_file() for name in NEEDED_TO_RESUME):
        return False
    if not any(checkpoint.glob("rng_state*.pth")):
        return False
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except ValueError:
        return False
    return True


def all_checkpoints(output_dir: str | Path) -> list[Path]:
    """The checkpoints in a folder, complete or not, in the order of their steps."""
    folder = Path(output_dir)
    found = [path for path in (folder.iterdir() if folder.is_dir() else ()) if CHECKPOINT.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


def last_complete(output_dir: Path) -> Path | None:
    """The complete checkpoint with the highest step, None if there is none."""
    return next((path for path in reversed(all_checkpoints(output_dir)) if is_complete(path)), None)


def find_resume(resume: str | None, output_dir: Path) -> str | None:
    """The checkpoint to continue from: for `auto` the last complete one in `output_dir`, else the path itself.

    Raises:
        UsageError: the path is not a complete checkpoint.
    """
    if resume is None:
        return None
    if resume != "auto":
        if not is_complete(Path(resume)):
            raise UsageError(
                f"--resume {resume}: is not a complete checkpoint. Use --resume auto to continue from the last "
                "complete one, or leave the flag out."
            )
        return resume
    checkpoint = last_complete(output_dir)
    logger.info("resume       %s", checkpoint or "no checkpoint to continue from: training starts")
    return str(checkpoint) if checkpoint else None


def tidy_saved_model(model: PreTrainedModel, output_dir: str) -> None:
    """Complete what the Trainer saved, and delete unused files.

    An adapter is saved without the config, which has the labels.
    training_args.bin is a pickle; run.json has the arguments. safetensors makes the weights readable for their owner
    alone; they get the permissions of the config.
    """
    folder = Path(output_dir)
    model.config.save_pretrained(folder)
    (folder / "training_args.bin").unlink(missing_ok=True)
    for weights in folder.glob("*.safetensors"):
        weights.chmod((folder / "config.json").stat().st_mode)
