"""Compare two finished runs on the same test rows: is B better than A, and where?

    python scripts/compare_runs.py out/first out/second [--output flipped.csv] [--json]

reads run.json, all_results.json and predictions.csv of both folders, or those of two studies. Runs whose test rows or
labels differ are refused.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.command import run_command


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("a", type=Path, help="output folder of a run or a study")
    parser.add_argument("b", type=Path, help="output folder of another one")
    parser.add_argument("--output", type=Path, help="CSV file for all flipped rows")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def main(argv: list[str] | None = None) -> dict:
    """Compare two runs and print what differs.

    Returns:
        What `--json` prints.

    Raises:
        UsageError: a folder holds no run, or the rows or labels of the runs differ.
    """
    arguments = make_parser().parse_args(argv)

    from classification.errors import UsageError
    from classification.experiments.comparison_table import comparison_lines
    from classification.experiments.run_comparison import compare_runs
    from classification.messages.streams import write_line
    from classification.reporting.run_record import plain

    compared = compare_runs(arguments.a, arguments.b)
    if arguments.output is not None:
        try:
            compared.write(arguments.output)
        except OSError as error:
            raise UsageError(
                f"--output {arguments.output}: cannot be written ({error.strerror}). Name a file in a folder that "
                "exists."
            ) from error
    result = compared.as_dict()
    text = json.dumps(plain(result), indent=2, ensure_ascii=False)
    for line in [text] if arguments.json else comparison_lines(compared):
        write_line(line, sys.stdout)
    if arguments.output is not None and not arguments.json:
        write_line(f"\nall flipped rows are in {arguments.output}", sys.stdout)
    return result


if __name__ == "__main__":
    run_command(main)
