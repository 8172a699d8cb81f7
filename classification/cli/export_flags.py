"""The command line of scripts/export_onnx.py, read into a frozen value without a library that is slow."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from classification.cli.command_table import CommandTable, TableFlag
from classification.cli.prediction_paths import check_model
from classification.cli.prediction_values import READERS, Reader, one_of, whole_number
from classification.errors import UsageError
from classification.system.files import LONGEST_NAME

VARIANTS = ("fp32", "fp16", "int8")
ROWS = 500
USAGE = "export_onnx.py MODEL OUT [--flag value ...]"
DESCRIPTION = """Export a trained classifier to ONNX, and compare both on real rows before the export is kept.

  python scripts/export_onnx.py out out-onnx --check_file test.csv
  python scripts/export_onnx.py out out-int8 --variant int8 --check_file test.csv
  python predict.py out-onnx reviews.csv

OUT is a new folder. Where too few rows have the same answer, nothing is written.
"""


@dataclass(frozen=True)
class ExportOptions:
    """The checked command line; None was not given."""

    model: str
    out: str
    variant: str = "fp32"
    check_file: str | None = None
    text_column_names: str | None = None
    label_column_name: str | None = None
    rows: int = ROWS
    min_agreement: float | None = None
    overwrite: bool = False


def read_share(name: str, word: str) -> float:
    try:
        share = float(word)
    except ValueError:
        share = -1.0
    if not 0 < share <= 1:
        percent = f" A percentage is divided by 100: {share / 100:g}." if 1 < share <= 100 else ""
        raise UsageError(f"--{name} {word}: must be a share above 0 and at most 1, such as 0.99.{percent}")
    return share


GROUP, NAME = "flags", READERS["name"]
FLAGS = (
    TableFlag("variant", GROUP, "Number format of the weights (default: fp32).", one_of(*VARIANTS)),
    TableFlag("check_file", GROUP, "Rows to compare on, in any format of predict.py. Default: predictions.csv of "
              "MODEL.", NAME, "FILE"),
    TableFlag("text_column_names", GROUP, "Text columns of FILE. Default: as in training, or usual names.", NAME,
              "A[,B]"),
    TableFlag("label_column_name", GROUP, "Labels in FILE, for the metric. Default: as in training, or a usual name.",
              NAME, "NAME"),
    TableFlag("rows", GROUP, f"Compare this many rows, spread evenly (default: {ROWS}).", whole_number(1), "N"),
    TableFlag("min_agreement", GROUP, "Share of the rows that must have the same answer (default: 1 for fp32, 0.995 "
              "for fp16, 0.99 for int8).", Reader(read_share), "P"),
    TableFlag("overwrite", GROUP, "Replace OUT if an earlier export has made it."),
)  # fmt: skip
TABLE = CommandTable(USAGE, DESCRIPTION, FLAGS)
COLUMN_FLAGS = ("text_column_names", "label_column_name")


def read_export_flags(argv: Sequence[str]) -> ExportOptions:
    """The checked command line.

    Raises:
        UsageError: names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    values, places = TABLE.read(argv)
    if len(places) != 2:
        raise UsageError("Name the folder of a trained model and a new folder: python scripts/export_onnx.py MODEL OUT")
    model, out = map(os.path.expanduser, places)
    return ExportOptions(model, out, **checked(values, model, out))


def checked(values: dict, model: str, out: str) -> dict:
    """The values, after a look at the folders and files that they name."""
    if not model.strip() or not out.strip():
        raise UsageError(f"{'MODEL' if not model.strip() else 'OUT'} '': is empty. Name a folder.")
    if max(map(len, os.fsencode(out).split(b"/"))) > LONGEST_NAME:
        raise UsageError(f"OUT {out[:50]}...: is too long for a name. Name another folder.")
    check_model(model)
    inner, outer = os.path.realpath(out), os.path.realpath(model)
    if os.path.isdir(model) and os.path.commonpath([inner, outer]) in (inner, outer):
        raise UsageError(f"OUT {out}: is in the folder of the model, or around it. Name a folder of its own.")
    if "check_file" in values:
        values["check_file"] = os.path.expanduser(values["check_file"])
        if values["check_file"] == "-":
            raise UsageError(
                "--check_file -: standard input can be read only once. Save it to a file, and name the file."
            )
    elif unused := next((name for name in COLUMN_FLAGS if name in values), None):
        raise UsageError(f"--{unused} {values[unused]}: has no effect without --check_file. Leave it out.")
    return values
