"""Which folder a run may write to, and which checkpoint it can go on from."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from classification.errors import UsageError

logger = logging.getLogger(__name__)

CHECKPOINT = re.compile(r"checkpoint-(\d+)")
OF_STUDY = re.compile(r"(seed|fold)-\d+")
WEIGHTS = ("model.safetensors", "adapter_model.safetensors")
RUN_FILES = ("run.json", "all_results.json", "baselines.json", *WEIGHTS, "config.json", "predictions.csv")
NEEDED_TO_RESUME = ("optimizer.pt", "scheduler.pt", "trainer_state.json")


def holds_a_run(folder: Path) -> bool:
    """Whether a folder has the files of a run, finished or not."""
    if not folder.is_dir():
        return False
    return any((folder / name).exists() for name in RUN_FILES) or any(
        CHECKPOINT.fullmatch(entry.name) or OF_STUDY.fullmatch(entry.name) for entry in folder.iterdir()
    )


def check_output_dir(output_dir: Path, *, overwrite: bool, resume: str | None, inputs: list[str]) -> None:
    """Refuse a folder that holds another run, before anything slow; touches nothing.

    Args:
        resume: the checkpoint that is continued; only a run of which it is one is this run and not another.
        inputs: paths that the run reads; a folder that contains one of them is never moved away.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise UsageError(f"--output_dir {output_dir}: is a file. Name a folder.")
    continued = resume is not None and Path(resume).resolve().parent == output_dir.resolve()
    if continued or not holds_a_run(output_dir):
        return
    if not overwrite:
        raise UsageError(
            f"--output_dir {output_dir}: holds another run. Choose another folder, continue it with --resume auto, "
            "or pass --overwrite_output_dir to move it aside."
        )
    inside = [path for path in (*inputs, ".") if Path(path).resolve().is_relative_to(output_dir.resolve())]
    if inside:
        raise UsageError(
            f"--overwrite_output_dir: {output_dir} would be moved aside, but it contains {inside[0]!r}, which this run "
            "uses. Choose another --output_dir."
        )


def move_aside(output_dir: Path) -> None:
    """Move a folder that holds another run to the first free `OUT.bak-N`."""
    if not holds_a_run(output_dir):
        return
    number = 1
    while (backup := output_dir.with_name(f"{output_dir.name}.bak-{number}")).exists():
        number += 1
    shutil.move(output_dir, backup)
    logger.info("output       the run in %s was moved to %s", output_dir, backup)


def is_complete(checkpoint: Path) -> bool:
    """Whether everything that a resumed run reads is there and whole. The Trainer writes straight into the folder,
    the state last, and would resume in silence with a fresh optimizer where optimizer.pt is missing."""
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


def last_complete(output_dir: Path) -> Path | None:
    """The complete checkpoint with the highest step, None if there is none."""
    found = [
        (int(match.group(1)), entry)
        for entry in (output_dir.iterdir() if output_dir.is_dir() else ())
        if (match := CHECKPOINT.fullmatch(entry.name)) and is_complete(entry)
    ]
    return max(found, default=(0, None))[1]


def find_resume(resume: str | None, output_dir: Path) -> str | None:
    """The checkpoint to go on from: `auto` finds the last good one in `output_dir`, a path must be good."""
    if resume is None:
        return None
    if resume != "auto":
        if not is_complete(Path(resume)):
            raise UsageError(
                f"--resume {resume}: is not a complete checkpoint. Use --resume auto to continue from the last good "
                "one, or leave the flag out."
            )
        return resume
    checkpoint = last_complete(output_dir)
    logger.info("resume       %s", checkpoint or "no checkpoint to continue from: starting")
    return str(checkpoint) if checkpoint else None


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the folders that hold nothing."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
