"""The two errors that users see without a traceback, what an error may cost, and how a message suggests a name."""

from __future__ import annotations

import difflib
import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from classification.messages.redaction import hide_secrets
from classification.messages.shown_texts import format_error, message_of
from classification.system.files import disk_problem

logger = logging.getLogger(__name__)

FORGIVING = True  # the tests set it to False, so that they see every error


class UsageError(ValueError):
    """Bad input: the message names the flag, the value and the remedy. The command exits with code 2.

    What looks like a token or a password is hidden in the message.
    """

    is_for_users = True  # see `shown_texts`

    def __init__(self, message: str = ""):
        super().__init__(hide_secrets(message))


class RunError(RuntimeError):
    """A run that cannot give a result although its input was accepted, such as a training that diverged.

    The message is one line. Every process of the run raises it. The command exits with code 1.
    """

    is_shared = True  # see `training.processes`
    is_for_users = True  # see `shown_texts`


class Diverged(RunError):
    """A training whose numbers are not finite. It would diverge again, so that a study goes on without it.

    Every other RunError of a part, such as a full disk or a lack of memory, stops the study, which can continue.
    """


def own_error(message: str) -> RunError:
    """A RunError of this process alone: no other process has it, or waits for this one."""
    error = RunError(message)
    error.is_shared = False
    return error


class Stopped(SystemExit):
    """A run that a signal has stopped. Every process of the run raises it, and the command exits with its code.

    Args:
        code: 143 after SIGTERM, 130 after Ctrl-C.
        message: what was saved and how the run continues.
        can_resume: whether a checkpoint was saved that the run can continue from.
        is_shared: see `training.processes`; False where the other processes may not have the signal.
    """

    def __init__(self, code: int, message: str = "", *, can_resume: bool = True, is_shared: bool = True):
        super().__init__(code)
        self.number, self.is_shared = code, is_shared
        self.message, self.can_resume = message, can_resume

    def __str__(self) -> str:
        return self.message


@contextmanager
def cosmetic(part: str, lost: list[str] | None = None, *, asked: bool = True) -> Iterator[None]:
    """Inside, an error costs only `part` of the output: it becomes a warning, and the run goes on.

    `--debug` prints the traceback too.

    Args:
        part: what is missing after an error, such as "the confusion matrix".
        lost: gets `part` after an error: the run goes on, but ends with an error, and `--resume auto` adds the part.
        asked: False for what the run adds unasked. An error that the same numbers would cause again is then no more
            than a warning, so that the run can be finished. `lost` gets the part only where a second attempt may
            succeed: after an error of the disk or the memory, or because of another part that is lost.
    """
    try:
        yield
    except Exception as error:
        ends_all = getattr(error, "is_shared", False) and not isinstance(error, UsageError | RunError)
        if ends_all or not FORGIVING:  # the other processes have left already, or this is a test
            raise
        if "--debug" in sys.argv:
            logger.warning("%s", format_error(error).rstrip())
        logger.warning("%s is missing: %s: %s", part, type(error).__name__, first_line(error))
        if lost is not None and (asked or lost or may_pass(error)):
            lost.append(part)


def may_pass(error: Exception) -> bool:
    """Whether an error comes from the disk or the memory, so that the same work may succeed another time."""
    lacks_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # the second is torch's
    return lacks_memory or isinstance(error, PermissionError) or disk_problem(error) is not None


@contextmanager
def usage_errors_of(flag: str, value: object, remedy: str) -> Iterator[None]:
    """Inside, what a library refuses becomes a UsageError that names the flag, the value and the remedy."""
    try:
        yield
    except (ImportError, TypeError, ValueError) as error:
        raise UsageError(f"{flag} {value}: {first_line(error)} {remedy}") from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` Did you mean X?` for the known name nearest to `name`, or an empty string.

    >>> did_you_mean("lable", ["text", "label"])
    " Did you mean 'label'?"
    """
    by_lower_case = {candidate.lower(): candidate for candidate in known}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.6)
    return f" Did you mean '{by_lower_case[near[0]]}'?" if near else ""


def join_first(items: Iterable, limit: int = 5) -> str:
    """The first few of `items`, comma separated, and how many more there are."""
    items = [str(item) for item in items]
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")


def first_line(error: Exception) -> str:
    """What a library's error says, in one line that ends like a sentence; its class where it says nothing."""
    line = next((line.strip() for line in message_of(error).splitlines() if line.strip()), type(error).__name__)
    return line if line.endswith((".", "!", "?")) else line + "."
