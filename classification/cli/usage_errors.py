"""How the shell sees an error."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from classification.errors import RunError, Stopped, UsageError, first_line
from classification.messages.redaction import hide_secrets, secrets_of
from classification.messages.shown_texts import format_error
from classification.messages.streams import flush_or_discard, write_line
from classification.models.kernels.allocator import own_process

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

MEMORY_REMEDY = "Use a smaller model, fewer rows (--max_train_samples) or end other programs that use this memory."


def exit_on_usage_error(
    function: Callable[Parameters, Result], *arguments: Parameters.args, **options: Parameters.kwargs
) -> Result:
    """Call the function of a command; a UsageError prints one line and exits with code 2, a RunError with code 1.

    So does a lack of memory. A signal that stops the run exits with code 130 or 143. `--debug` keeps the traceback of
    an error. A pipe whose reader leaves early (`| head`) is no error.
    """
    try:
        with own_process(sys.argv[0]):
            return function(*arguments, **options)
    except Stopped as stop:
        if is_main():
            write_line(f"\n{stop}", sys.stderr)
        leave(stop)
        sys.exit(stop.code)
    except KeyboardInterrupt:
        if is_main():
            write_line("\nCtrl-C: stopped.", sys.stderr)
        sys.exit(130)
    except (UsageError, RunError, RuntimeError, MemoryError) as error:
        is_memory = not isinstance(error, UsageError | RunError)
        if "--debug" in sys.argv or (is_memory and not lacks_memory(error)):
            raise
        is_alone = isinstance(error, RunError) and not error.is_shared
        text = f"out of memory: {first_line(error)} {MEMORY_REMEDY}" if is_memory else str(error)
        if is_main() or is_alone or is_memory:
            write_line(f"error: {hide_secrets(text, secrets_of(sys.argv))}", sys.stderr)
        leave(error)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    finally:
        flush_or_discard(sys.stdout)


def is_main() -> bool:
    return int(os.environ.get("RANK", 0)) == 0


def leave(error: BaseException) -> None:
    """Wait for the other processes, if they have the same error."""
    if getattr(error, "is_shared", False):
        from classification.training.processes import leave_together

        leave_together()


def lacks_memory(error: BaseException) -> bool:
    """Whether an error is a lack of memory; answered without loading torch where torch is not loaded."""
    if "torch" not in sys.modules:
        return isinstance(error, MemoryError)
    from classification.models.memory_errors import is_out_of_memory

    return is_out_of_memory(error)


def print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """`sys.excepthook` of a command: the usual traceback, without secrets and without texts that must not be shown."""
    text = format_error(error)
    write_line(hide_secrets(text, secrets_of(sys.argv)).rstrip("\n"), sys.stderr)
