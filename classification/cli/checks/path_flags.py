"""Checks of the values as text, and of the folders that a run writes to."""

from __future__ import annotations

import os
import tempfile

from classification.cli.flags import Flags
from classification.errors import UsageError
from classification.system.files import LONGEST_NAME, NOT_TEXT

MAY_BE_EMPTY = ("text_column_delimiter", "fsdp", "debug")
PATHS = (
    "dataset_name", "train_file", "validation_file", "test_file", "unlabelled_file", "model_name_or_path",
    "config_name", "tokenizer_name", "teacher", "cache_dir", "config", "resume", "logging_dir", "output_dir",
    "search_space",
)  # fmt: skip
CHECKED_ELSEWHERE = ("label_delimiter", "label_column_names", "seeds", "token", "hub_token", "hub_model_id")


def check_words(flags: Flags) -> None:
    """No value is empty, and each can be the name of a file or be written to one."""
    values = {**flags.as_typed(), **flags.trainer}
    for name in sorted(flags.given):
        value = values.get(name)
        if not isinstance(value, str):
            continue
        # An empty value is mostly an unset variable of a shell script: the run would be another one than was meant.
        if not value.strip() and name not in (*MAY_BE_EMPTY, *CHECKED_ELSEWHERE):
            raise UsageError(f"--{name} {value!r}: is empty. Give a value, or leave --{name} out.")
        if NOT_TEXT.search(value):
            raise UsageError(
                f"--{name} {value!r}: is not valid UTF-8. Rename the file, or set the variable PYTHONUTF8=1 where the "
                "name looks right."
            )
        if name in PATHS and max(map(len, value.encode().split(b"/"))) > LONGEST_NAME:
            raise UsageError(f"--{name} {value[:50]}...: is too long for a name. Give the name of a file or folder.")


def check_folders(flags: Flags) -> None:
    """The folders for results, caches and logs are no files, and results can be written."""
    output_dir = flags.trainer.text("output_dir")
    for flag, path in (
        ("output_dir", output_dir), ("cache_dir", flags.model.cache_dir), ("logging_dir", flags.run.logging_dir),
    ):  # fmt: skip
        nearest = existing_parent(path) if path else "."
        if not os.path.isdir(nearest):
            where = "is a file" if nearest == path else f"cannot be created, because {nearest} is a file"
            raise UsageError(f"--{flag} {path}: {where}. Name a folder.")
    try:
        with tempfile.TemporaryFile(dir=existing_parent(output_dir)):
            pass
    except OSError as error:
        problem = f"cannot be written ({error.strerror}). Name another folder."
        raise UsageError(f"--output_dir {output_dir}: {problem}") from error


def existing_parent(path: str) -> str:
    """The path itself where it exists, else the nearest folder (or file) above it that does."""
    while not os.path.exists(path):
        above = os.path.dirname(path.rstrip(os.sep)) or ("." if not os.path.isabs(path) else os.sep)
        if above == path:
            return path
        path = above
    return path
