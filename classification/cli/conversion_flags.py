"""The command line of scripts/convert_tf_checkpoint.py, read without importing a library that takes long."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from classification.cli.command_table import CommandTable, TableFlag
from classification.cli.prediction_values import READERS, one_of
from classification.conversion.new_folder import check_out
from classification.errors import UsageError
from classification.models.google_checkpoints import conversion_hint

USAGE = "convert_tf_checkpoint.py ZIP_OR_DIR OUT [--flag value ...]"
DESCRIPTION = """Convert Google's TensorFlow checkpoint of a BERT to a folder with safetensors and a tokenizer.

  python scripts/convert_tf_checkpoint.py multi_cased_L-12_H-768_A-12.zip multi_cased

TensorFlow is installed once, into an environment of its own (1.6 GB), unless --python names one.
"""
GROUP, NAME = "flags", READERS["name"]
FLAGS = (
    TableFlag("lower_case", GROUP, "Whether texts are lower-cased. Default: by config, name or vocabulary.",
                   one_of("true", "false"), "true|false"),
    TableFlag("checkpoint", GROUP, "Which of several checkpoints, such as model.ckpt-2000.", NAME, "NAME"),
    TableFlag("python", GROUP, "A Python that has TensorFlow; nothing is installed.", NAME, "PATH"),
    TableFlag("cache_dir", GROUP, "Where the environment of TensorFlow is kept.", NAME, "FOLDER"),
    TableFlag("debug", GROUP, "Show the traceback of an error."),
)  # fmt: skip
TABLE = CommandTable(USAGE, DESCRIPTION, FLAGS)


@dataclass(frozen=True)
class ConversionFlags:
    """Checked flags; None for one that is not given."""

    source: str
    out: str
    lower_case: bool | None = None
    checkpoint: str | None = None
    python: str | None = None
    cache_dir: str | None = None


def read_conversion_flags(argv: Sequence[str]) -> ConversionFlags:
    """The flags of a command line, checked.

    Raises:
        UsageError: a flag or a path that is wrong; names it and the remedy.
        SystemExit: after `--help`.
    """
    values, places = TABLE.read(argv)
    if len(places) != 2:
        given = f" {' '.join(places)}" if places else ""
        raise UsageError(f"ZIP_OR_DIR OUT{given}: two paths are needed, and {len(places)} are given. {USAGE}")
    source, out = (os.path.expanduser(place) for place in places)
    check_places(source, out)
    values.pop("debug", None)  # `exit_on_usage_error` looks for it
    if "lower_case" in values:
        values["lower_case"] = values["lower_case"] == "true"
    return ConversionFlags(source, out, **values)


def check_places(source: str, out: str) -> None:
    if not source or not out:
        raise UsageError("ZIP_OR_DIR OUT: one of them is empty. Give two paths.")
    if not os.path.exists(source) or not (os.path.isdir(source) or source.lower().endswith(".zip")):
        folder = os.path.dirname(source) or "."
        if conversion_hint(source):  # one file of a checkpoint, or its name without an ending
            raise UsageError(f"ZIP_OR_DIR {source}: is one of several files. Pass their folder: {folder}")
        if not os.path.exists(source):
            raise UsageError(f"ZIP_OR_DIR {source}: there is no such file or folder. Check its spelling.")
    check_out(Path(out))
