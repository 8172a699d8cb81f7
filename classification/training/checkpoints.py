"""Checkpoints: which one a run can continue from, and what a saved model leaves on the disk."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from transformers import PreTrainedModel

from classification.errors import UsageError
from classification.training.checkpoint_seal import REPLACED, is_sealed, problem_of
from classification.training.finished_run import finished_run

logger = logging.getLogger(__name__)

CHECKPOINT = re.compile(r"checkpoint-(\d+)")


def step_of(checkpoint: Path) -> int:
    """The optimizer step in the name of a checkpoint."""
    return int(checkpoint.name.rpartition("-")[2])


def all_checkpoints(output_dir: str | Path) -> list[Path]:
    """The checkpoints in a folder, damaged ones included, in the order of their steps."""
    folder = Path(output_dir)
    found = [path for path in (folder.iterdir() if folder.is_dir() else ()) if CHECKPOINT.fullmatch(path.name)]
    return sorted(found, key=step_of)


def last_good(output_dir: str | Path, *, quiet: bool = False) -> Path | None:
    """The checkpoint with the highest step that a run can continue from, None if there is none.

    It reads all files of each checkpoint that it looks at.

    Args:
        quiet: False names each damaged checkpoint in a warning.
    """
    for checkpoint in reversed(all_checkpoints(output_dir)):
        problem = problem_of(checkpoint)
        if problem is None:
            return checkpoint
        if not quiet:
            logger.warning("checkpoint   %s is skipped: %s", checkpoint, problem)
    return None


def unusable_checkpoints(output_dir: str | Path) -> dict[str, str]:
    """Name and problem of each checkpoint in a folder that no run can continue from, the last one first."""
    problems = {path.name: problem_of(path) for path in reversed(all_checkpoints(output_dir))}
    return {name: problem for name, problem in problems.items() if problem is not None}


def find_resume(
    resume: str | None, output_dir: Path, finished: Callable[[Path], Mapping[str, object]] = finished_run
) -> str | None:
    """The checkpoint to continue from: for `auto` the last good one in `output_dir`, else the path itself.

    Args:
        finished: the record of a finished run in a folder, empty without one.

    Raises:
        UsageError: the path is not a checkpoint that a run can continue from.
    """
    if resume is None:
        return None
    if resume == "auto":
        restore_replaced(output_dir)
        checkpoint = last_good(output_dir)
        if checkpoint is None:
            if not finished(output_dir):
                logger.info("resume       no checkpoint to continue from: training starts")
            return None
    else:
        checkpoint = Path(resume)
        problem = problem_of(checkpoint)
        if problem is not None:
            raise UsageError(f"--resume {resume}: cannot be continued: {problem}. {_remedy(checkpoint, output_dir)}")
    logger.info("resume       %s", checkpoint)
    if not is_sealed(checkpoint):
        logger.warning(
            "resume       %s is unsealed: it has no manifest.json, so that damage inside its files cannot be found",
            checkpoint,
        )
    return str(checkpoint)


def restore_replaced(output_dir: Path) -> None:
    """Give a checkpoint its name back that a killed save had renamed to put a newer one of the same step there."""
    for path in Path(output_dir).glob(f"checkpoint-*{REPLACED}"):
        original = path.with_name(path.name.removesuffix(REPLACED))
        if CHECKPOINT.fullmatch(original.name) and not original.exists():
            path.rename(original)


def _remedy(checkpoint: Path, output_dir: Path) -> str:
    """Another checkpoint of the same run, or of this one, that can be continued; else how to begin again."""
    for folder, flag in ((output_dir, "auto"), (checkpoint, None), (checkpoint.resolve().parent, None)):
        other = last_good(folder, quiet=True)
        if other is not None:
            return (
                f"Use --resume {flag or other}, or another --output_dir without --resume to train from the beginning."
            )
    if all_checkpoints(output_dir):
        return "Pass --overwrite_output_dir without --resume to train from the beginning."
    return f"Leave the flag out, or use --resume auto: {output_dir} has no checkpoint, and training starts."


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
