"""Checks of the flags about a teacher and its texts without labels."""

from __future__ import annotations

import os
from pathlib import Path

from classification.cli.checks.source_flags import check_file
from classification.cli.flags import Flags
from classification.errors import UsageError
from classification.models.weight_files import check_weight_files

NEEDS_TEACHER = ("teacher_temperature", "teacher_weight", "unlabelled_file")


def check_teacher(flags: Flags) -> None:
    """A teacher that exists, and no flag that has no effect or no meaning beside it."""
    name, values = flags.objective.teacher, flags.as_typed()
    if name is None:
        for flag in NEEDS_TEACHER:
            if flag in flags.given and values[flag] is not None:
                raise UsageError(
                    f"--{flag} {values[flag]}: has no effect without --teacher. Name the folder of a trained "
                    f"classifier with --teacher, or leave --{flag} out."
                )
        return
    if not flags.includes("train"):
        raise UsageError(f"--teacher {name}: nothing is trained. Pass --do_train, or leave the flag out.")
    check_folder(name)
    path = flags.data.unlabelled_file
    if path is None:
        return
    check_file(path, "--unlabelled_file")
    if flags.objective.sampler == "balanced":
        raise UsageError(
            f"--sampler balanced and --unlabelled_file {path}: texts without labels have no class to be drawn by. Use "
            "--class_weights balanced, or leave one of them out."
        )


def check_folder(name: str) -> None:
    """A local folder holds a model in safetensors format; a name that can only be a folder exists."""
    if Path(name).is_file():
        raise UsageError(f"--teacher {name}: is a file. Name the folder of a trained classifier.")
    if Path(name).is_dir():
        if not Path(name, "config.json").is_file():
            raise UsageError(f"--teacher {name}: the folder has no config.json. Name the folder of a saved classifier.")
        try:
            check_weight_files(name)
        except UsageError as error:
            raise UsageError(str(error).replace("--model_name_or_path", "--teacher")) from error
    elif os.path.isabs(name) or name.startswith((".", "~")):
        raise UsageError(f"--teacher {name}: there is no such folder. Name the folder of a trained classifier.")
