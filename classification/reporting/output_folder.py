"""Which folder a run may write to, and how another run in it is moved aside."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from classification.errors import UsageError
from classification.training.checkpoints import CHECKPOINT, WEIGHTS, find_resume
from classification.training.processes import stop_together, this_process

logger = logging.getLogger(__name__)

STUDY_FOLDER = re.compile(r"(seed|fold)-\d+")
RUN_FILES = ("run.json", "all_results.json", "baselines.json", *WEIGHTS, "config.json", "predictions.csv")


@dataclass(frozen=True)
class OutputFolder:
    """The folder that a run writes to.

    Args:
        path: where this run writes.
        guarded: the folder that must hold no other run: `path`, or the study's folder around it.
        created: folders that were not there before.
        checkpoint: the checkpoint to continue from.
    """

    path: Path
    guarded: Path
    overwrite: bool
    created: tuple[Path, ...]
    checkpoint: str | None

    @classmethod
    def claim(
        cls, path: Path, guarded: Path, *, overwrite: bool, resume: str | None, inputs: list[str], check: bool = True
    ) -> OutputFolder:
        """Refuse a folder that holds another run; changes nothing yet.

        Args:
            resume: `--resume`; inputs: paths that the run reads.
            check: False for a dry run, which writes nothing.
        """
        created = tuple(folder for folder in (path, guarded) if not folder.exists())
        checkpoint = find_resume(resume, path)
        if check:
            check_output_dir(guarded, overwrite=overwrite, resume=checkpoint, inputs=inputs)
        return cls(path, guarded, overwrite, created, checkpoint)

    def make_room(self) -> None:
        """Move another run aside (`--overwrite_output_dir`), now that this one is sure to begin."""
        with stop_together():
            if this_process().is_main_process and self.overwrite and not self.checkpoint:
                if self.path != self.guarded:
                    remove_empty([self.path])  # the Trainer created it inside the folder that moves away
                move_aside(self.guarded)

    def remove_if_empty(self) -> None:
        """Remove what the Trainer created for a run that writes nothing."""
        with stop_together():
            if this_process().is_main_process:
                remove_empty(self.created)


def holds_a_run(folder: Path) -> bool:
    """Whether a folder has the files of a run, finished or not."""
    if not folder.is_dir():
        return False
    return any((folder / name).exists() for name in RUN_FILES) or any(
        CHECKPOINT.fullmatch(entry.name) or STUDY_FOLDER.fullmatch(entry.name) for entry in folder.iterdir()
    )


def check_output_dir(output_dir: Path, *, overwrite: bool, resume: str | None, inputs: list[str]) -> None:
    """Refuse a folder that holds another run, before any long work; changes nothing.

    Args:
        resume: the checkpoint to continue from. A folder that holds it holds this run, not another.
        inputs: paths that the run reads; a folder that contains one of them is never moved.

    Raises:
        UsageError: the folder is a file, holds another run, or holds what this run reads.
    """
    if output_dir.exists() and not output_dir.is_dir():
        raise UsageError(f"--output_dir {output_dir}: is a file. Name a folder.")
    continues = resume is not None and Path(resume).resolve().parent == output_dir.resolve()
    if continues or not holds_a_run(output_dir):
        return
    if not overwrite:
        raise UsageError(
            f"--output_dir {output_dir}: holds another run. Choose another folder, continue the run with --resume "
            "auto, or pass --overwrite_output_dir to move it aside."
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


def remove_empty(folders: Iterable[Path]) -> None:
    """Remove the folders that hold nothing."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
