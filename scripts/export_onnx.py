"""Export a trained classifier to ONNX, checked on real rows before it is kept.

    python scripts/export_onnx.py out out-onnx --check_file test.csv
    python scripts/export_onnx.py out out-int8 --variant int8 --check_file test.csv
    python predict.py out-onnx reviews.csv

docs/export.md says what is compared, and what to do when an export is refused.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.export_flags import read_export_flags

if __name__ == "__main__":  # before the imports below, which take seconds
    from classification.cli.command import run_light_command, start_command

    start_command(sys.argv[1:], read_export_flags)

from classification.cli.prediction_console import prediction_console
from classification.cli.prediction_stop import prediction_stoppable
from classification.export.export_folder import ExportRequest, export_model
from classification.models.choice import ModelChoice


def main(argv: list[str] | None = None) -> dict:
    """Run the command line `argv`.

    Returns:
        What is in the export.json of the new folder.

    Raises:
        UsageError: bad input, or an export whose answers are not those of the model.
        Stopped: after a signal; nothing is left.
    """
    words = sys.argv[1:] if argv is None else [str(word) for word in argv]
    given = read_export_flags(words)
    request = ExportRequest(
        choice=ModelChoice(given.model), out=Path(given.out), variant=given.variant, check_file=given.check_file,
        text_columns=given.text_column_names, label_column=given.label_column_name, rows=given.rows,
        min_agreement=given.min_agreement, overwrite=given.overwrite,
    )  # fmt: skip
    with prediction_console(to_stderr=False), prediction_stoppable(words, keeps_parts=False):
        return export_model(request)


if __name__ == "__main__":
    run_light_command(main)
