"""Draw report.html and the model card of a run or a study again, from the files in its folder.

    python scripts/report.py outputs/quickstart

reads run.json, predictions.csv, all_results.json and neighbours.json. The data and the model are not needed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.command import run_command


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path, help="the --output_dir of a run or a study")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: list[str] | None = None) -> list[Path]:
    """Draw the page, and the card where the folder holds a trained model.

    Returns:
        The files that were written.

    Raises:
        UsageError: the folder holds no run, a file is damaged or belongs to another run, or the disk refuses a file.
    """
    folder = make_parser().parse_args(argv).folder

    from classification.errors import UsageError
    from classification.messages.streams import write_line
    from classification.report.card.model_card import write_card
    from classification.report.page.page import write_page
    from classification.report.study_files import kept_run
    from classification.reporting.console import console

    with console(quiet=True):
        try:
            written = [write_page(folder), write_card(folder, kept_run(folder))]
        except OSError as error:
            raise UsageError(
                f"{folder}: {error.filename} cannot be written ({error.strerror}). Free some space, or copy the folder "
                "to a place that can be written to."
            ) from error
    files = [path for path in written if path is not None]
    for path in files:
        write_line(str(path), sys.stdout)
    return files


if __name__ == "__main__":
    run_command(main)
