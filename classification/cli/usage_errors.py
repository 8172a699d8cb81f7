"""How the shell sees an error."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from classification.errors import RunError, UsageError
from classification.models.kernels.allocator import own_process
from classification.redaction import hide_secrets, secrets_of
from classification.streams import flush_or_discard, write_line

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def exit_on_usage_error(
    function: Callable[Parameters, Result], *arguments: Parameters.args, **options: Parameters.kwargs
) -> Result:
    """Call the function of a command; a UsageError prints one line and exits with code 2, a RunError with code 1.

    `--debug` keeps the traceback. A pipe whose reader leaves early (`| head`) is no error.
    """
    try:
        with own_process(sys.argv[0]):
            return function(*arguments, **options)
    except (UsageError, RunError) as error:
        if "--debug" in sys.argv:
            raise
        if int(os.environ.get("RANK", 0)) == 0:
            write_line(f"error: {hide_secrets(str(error), secrets_of(sys.argv))}", sys.stderr)
        if getattr(error, "is_shared", False):  # the other processes are here too
            from classification.training.processes import leave_together

            leave_together()
        sys.exit(1 if isinstance(error, RunError) else 2)
    finally:
        flush_or_discard(sys.stdout)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook` of a command: the usual traceback, without the secrets of the command line."""
    text = "".join(traceback.format_exception(kind, error, trace))
    write_line(hide_secrets(text, secrets_of(sys.argv)).rstrip("\n"), sys.stderr)
