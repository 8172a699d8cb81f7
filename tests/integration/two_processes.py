"""Run several command lines in one process of a `torch.distributed.run` launch. The argument is a JSON list of them.

Beside the output folder of each, `<folder>.result-<rank>.json` holds what `main` returned in this process, or the
message of its UsageError, RunError or `Stopped`. A last word `exit` instead runs one command line as the shell does,
after a wait that is longer than the time limit of the collectives; `<folder>.exit-<rank>` then holds the exit code.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

from accelerate import PartialState

from classification.cli.command import run_command
from classification.errors import RunError, Stopped, UsageError
from classification.training.processes import leave_together, stop_together
from run_classification import main

RANK = int(os.environ["RANK"])
LIMIT = 2.0  # seconds


def beside(arguments: list[str], name: str) -> Path:
    """A file of this process beside the output folder of a command line."""
    folder = next(word.partition("=")[2] for word in arguments if word.startswith("--output_dir="))
    return Path(f"{folder}.{name}")


def run_all(lines: list[list[str]]) -> None:
    for arguments in lines:
        try:
            result = main(arguments)
        except (UsageError, RunError, Stopped) as error:
            result = str(error)
        beside(arguments, f"result-{RANK}.json").write_text(json.dumps(result, default=str), encoding="utf-8")
    leave_together()


def run_as_command(arguments: list[str]) -> None:
    PartialState(cpu=True, timeout=timedelta(seconds=LIMIT))
    with stop_together():
        time.sleep(1.5 * LIMIT if RANK == 0 else 0)
    try:
        run_command(lambda: main(arguments))
    except SystemExit as end:
        beside(arguments, f"exit-{RANK}").write_text(str(end.code), encoding="utf-8")
        raise


if __name__ == "__main__":
    command_lines = json.loads(sys.argv[1])
    if sys.argv[2:] == ["exit"]:
        run_as_command(command_lines[0])
    else:
        run_all(command_lines)
