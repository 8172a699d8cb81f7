"""The model at the end of training: its files appear in the output folder whole, the weights last."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from classification.errors import RunError, UsageError
from classification.system.files import disk_problem, sync_file, sync_folder
from classification.training.disk_errors import disk_error
from classification.training.processes import stop_together
from classification.training.trainer import ClassificationTrainer
from classification.training.unsealed_checkpoint import refuse_cut_off

ASIDE = ".model.partial"
CARD = "README.md"  # of an adapter; the user may have changed it


def save_final_model(trainer: ClassificationTrainer, notes: Mapping[str, str] | None = None) -> None:
    """Save the model to a folder inside the output folder, then move its files to their places.

    A kill at any moment leaves either no weights in the output folder or the whole of them. Files of other names stay
    as they are.

    Args:
        notes: texts about the model by file name, which appear with it.

    Raises:
        RunError: the disk refuses a file, or the output folder is another run's; in all processes.
    """
    trainer.keep_folders()
    folder = Path(trainer.args.output_dir)
    error: Exception | None = None
    try:
        _save(trainer, folder, notes or {})
    except Exception as problem:  # the other processes wait below
        error = problem
    try:
        with stop_together():
            if error is not None:
                if found := disk_problem(error, folder):
                    raise UsageError(str(disk_error(error, found, folder, "the model")))  # the others get its message
                raise error
    except UsageError as shared:
        raise RunError(str(shared)) from error


def _save(trainer: ClassificationTrainer, folder: Path, notes: Mapping[str, str]) -> None:
    aside = folder / ASIDE
    try:
        if trainer.args.should_save:
            shutil.rmtree(aside, ignore_errors=True)
        trainer.save_model(str(aside))
        if trainer.args.should_save:
            refuse_cut_off(aside)
            for name, text in notes.items():
                (aside / name).write_text(text, encoding="utf-8")
            move_files(aside, folder)
    finally:
        if trainer.args.should_save:
            shutil.rmtree(aside, ignore_errors=True)


def move_files(source: Path, target: Path) -> None:
    """Move every file of a folder once all of them are on the disk, the weights last. A card that exists stays."""
    files = sorted(source.iterdir(), key=lambda path: (path.suffix == ".safetensors", path.name))
    for file in files:
        sync_file(file)
    for file in files:
        if file.suffix == ".safetensors":
            sync_folder(target)  # without power a later rename may be on the disk and an earlier one not
        if file.name != CARD or not (target / CARD).exists():
            os.replace(file, target / file.name)
    sync_folder(target)
