"""Checks of the flags that name data and say how validation is made."""

from __future__ import annotations

import os
from pathlib import Path

from classification.cli.flags import Flags
from classification.data.named_columns import bare_names
from classification.data.slice_names import check_slice_names
from classification.data.sources.file_formats import file_kind
from classification.errors import UsageError, did_you_mean


def check_sources(flags: Flags) -> None:
    """One source of data, whose files exist."""
    data, files, trainer = flags.data, flags.files, flags.trainer
    if data.dataset_name and files:
        raise UsageError(f"--dataset_name {data.dataset_name} and --{next(iter(files))}_file: give one or the other.")
    if not data.dataset_name and not files:
        raise UsageError("No data: give --train_file FILE, or --dataset_name NAME for a data set on the Hub.")
    if files and "train" not in files and not (trainer["do_eval"] or trainer["do_predict"]):
        raise UsageError(
            "--train_file is missing: give it to train, or pass --do_eval or --do_predict to use a trained model."
        )
    if trainer["do_train"] and files and "train" not in files:
        raise UsageError("--do_train: needs --train_file.")
    for split, path in files.items():
        check_file(path, f"--{split}_file")
    for name in ("dataset_config_name", "train_split_name", "validation_split_name", "test_split_name"):
        if getattr(data, name) and not data.dataset_name:
            raise UsageError(f"--{name} {getattr(data, name)}: has no effect with files. Leave it out.")


def check_columns(flags: Flags) -> None:
    """A pair has two different columns, and so have slices; their names are not those of other results."""
    names = bare_names(flags.data.text_column_names)
    if len(set(names)) < len(names):
        raise UsageError(f"--text_column_names {flags.data.text_column_names}: names a column twice. Name each once.")
    check_slice_names(bare_names(flags.data.slice_columns))


def check_file(path: str, flag: str) -> None:
    if not os.path.exists(path):  # `Path.exists` raises for a path that is too long
        if os.path.islink(path):
            raise UsageError(f"{flag} {path}: is a link to a file that is not there. Correct the link.")
        folder = os.path.dirname(path) or "."
        hint = did_you_mean(os.path.basename(path), os.listdir(folder)) if os.access(folder, os.R_OK | os.X_OK) else ""
        raise UsageError(f"{flag} {path}: there is no such file.{hint}")
    if Path(path).is_file():
        file_kind(Path(path), f"{flag} {path}")


def check_validation_flags(flags: Flags) -> None:
    """A validation strategy that fits its columns, and a fraction between 0 and 1."""
    data = flags.data
    strategy = data.validation_strategy
    if strategy in ("tail", "time") and data.validation_group_column:
        raise UsageError(
            f"--validation_strategy {strategy} and --validation_group_column {data.validation_group_column}: this "
            "strategy takes the last rows, which may split a group. Give one of them."
        )
    if (strategy == "time") != bool(data.time_column):
        raise UsageError(
            f"--validation_strategy {strategy} and --time_column {data.time_column}: to use the newest rows as "
            "validation, pass both --validation_strategy time and --time_column NAME."
        )
    if data.validation_fraction == "auto":
        return
    try:
        is_valid = 0 < float(data.validation_fraction) < 1
    except ValueError:
        is_valid = False
    if not is_valid:
        raise UsageError(f"--validation_fraction {data.validation_fraction}: must be auto or between 0 and 1.")
