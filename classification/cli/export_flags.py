"""The command line of scripts/export_onnx.py, read into a frozen value without a library that is slow."""

from __future__ import annotations

import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import dataclass

from classification.cli.help_text import NAME_COLUMN, wants_help
from classification.cli.prediction_paths import check_model
from classification.cli.prediction_values import READERS, Reader, one_of, whole_number
from classification.cli.typed_values import Parser
from classification.errors import UsageError, did_you_mean
from classification.messages.streams import write_line
from classification.system.files import LONGEST_NAME

VARIANTS = ("fp32", "fp16", "int8")
ROWS = 500
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


FLAGS: dict[str, tuple[Reader, str, str]] = {  # name -> reader, word, help
    "variant": (one_of(*VARIANTS), "{fp32,fp16,int8}", "Number format of the weights (default: fp32)."),
    "check_file": (READERS["name"], "FILE", "Rows to compare on, in any format of predict.py. Default: "
                   "predictions.csv of MODEL."),
    "text_column_names": (READERS["name"], "A[,B]", "Text columns of FILE. Default: as in training, or usual names."),
    "label_column_name": (READERS["name"], "NAME", "Labels in FILE, for the metric. Default: as in training, or a "
                          "usual name."),
    "rows": (whole_number(1), "N", f"Compare this many rows, spread evenly (default: {ROWS})."),
    "min_agreement": (Reader(read_share), "P", "Share of the rows that must have the same answer (default: 1 for fp32, "
                      "0.995 for fp16, 0.99 for int8)."),
}  # fmt: skip
COLUMN_FLAGS = ("text_column_names", "label_column_name")
SWITCH = "overwrite"


def make_parser() -> Parser:
    parser = Parser(
        prog="export_onnx.py", usage="export_onnx.py MODEL OUT [--flag value ...]", description=DESCRIPTION,
        add_help=False, allow_abbrev=False,
        formatter_class=lambda prog: RawDescriptionHelpFormatter(prog, max_help_position=NAME_COLUMN),
    )  # fmt: skip
    parser.add_argument("places", nargs="*", metavar="MODEL OUT", help="folder of a trained model, and a new folder")
    for name, (_, word, text) in FLAGS.items():
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", dest=name, metavar=word, help=text)
    parser.add_argument(f"--{SWITCH}", action="store_true", help="Replace OUT if an earlier export has made it.")
    return parser


def read_export_flags(argv: Sequence[str]) -> ExportOptions:
    """The checked command line.

    Raises:
        UsageError: names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    parser = make_parser()
    if wants_help(list(argv)):
        write_line(parser.format_help().rstrip("\n"), sys.stdout)
        raise SystemExit(0)
    try:
        given, unknown = parser.parse_known_intermixed_args(list(argv))
    except UsageError as error:
        raise UsageError(
            str(error).removeprefix("argument ").replace("expected one argument", "needs a value.")
        ) from None
    if unknown:
        name = unknown[0].partition("=")[0]
        hint = did_you_mean(name.lstrip("-").replace("-", "_"), [*FLAGS, SWITCH])
        raise UsageError(f"{name}: there is no such flag.{hint} --help lists all flags.")
    if len(given.places) != 2:
        raise UsageError("Name the folder of a trained model and a new folder: python scripts/export_onnx.py MODEL OUT")
    values = {name: FLAGS[name][0](name, word) for name in FLAGS if (word := getattr(given, name)) is not None}
    model, out = (os.path.expanduser(place) for place in given.places)
    return ExportOptions(model, out, overwrite=given.overwrite, **checked(values, model, out))


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
