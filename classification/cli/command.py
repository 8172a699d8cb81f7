"""The start and the end of a command. From Python, `main` does neither."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable

from classification.cli.parser import checked_flags
from classification.cli.threads import shorten_spinning
from classification.cli.usage_errors import exit_on_usage_error, print_traceback
from classification.system.stop_signals import SIGNALS


def start_command(argv: list[str], check: Callable[[list[str]], object] = checked_flags) -> None:
    """Prepare the environment of this process and its children, then answer `--help` and wrong flags.

    It is called before the libraries are imported: that takes seconds, and they read the environment only once.

    Args:
        check: raises a UsageError for wrong flags.

    Raises:
        SystemExit: with code 0 after `--help`, with code 2 after an error.
    """
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # set before forking, so that no warning follows
    shorten_spinning(os.environ)
    sys.excepthook = print_traceback
    SIGNALS.answer_imports()
    exit_on_usage_error(check, argv)
    gc.disable()  # looking for garbage among the many objects of the imports would take a fifth of their time


def end_imports() -> None:
    """Collect garbage again, but not in what the imports have made: at the end of the process that saves a second."""
    gc.freeze()
    gc.enable()


def run_light_command(main: Callable[[], object]) -> None:
    """As `run_command`, but without importing the training, which the processes of a prediction do not need to end.

    Raises:
        SystemExit: after an error, or with code 130 or 143 after a signal.
    """
    end_imports()
    exit_on_usage_error(main)


def run_command(main: Callable[[], object]) -> None:
    """Call `main`; a UsageError is one line and exit code 2. The processes of one run end together.

    Raises:
        SystemExit: after an error, or with code 130 or 143 after a signal.
    """
    from classification.training.processes import leave_together

    run_light_command(main)
    leave_together()
