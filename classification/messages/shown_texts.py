"""Whether the texts of rows may be shown (`--report_texts`): decided here for the log, errors, findings and reports.

Everything that prints or records a piece of a row asks `quoted` or `are_texts_shown`. Names of labels are no texts.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

HIDDEN = "<hidden>"
NO_MESSAGE = "its message may quote a row and is hidden (--report_texts false)"
HARMLESS = (OSError, ImportError, MemoryError, RuntimeError)  # their messages name files, modules, sizes and shapes
HARMLESS_LIBRARIES = ("httpx", "huggingface_hub", "safetensors")
PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,39}")  # of a column; anything else may be a text

_shown = [True]  # the last one counts; one process has one run at a time, whichever thread asks


@contextmanager
def texts_shown(shown: bool) -> Iterator[None]:
    """Inside, texts of rows are shown or hidden. An error that leaves it keeps the choice, for its traceback."""
    _shown.append(shown)
    try:
        yield
    except BaseException as error:
        if not shown:
            error.hides_texts = True  # type: ignore[attr-defined]
        raise
    finally:
        _shown.pop()


def are_texts_shown() -> bool:
    """Whether texts may be shown now."""
    return _shown[-1]


def quoted(value: object, longest: int | None = None) -> str:
    """A piece of a row in quotes, at most `longest` characters of it.

    >>> quoted("a text", 1)
    "'a'"
    """
    if not are_texts_shown():
        return HIDDEN
    return repr(value if longest is None else str(value)[:longest])


def column_title(name: str) -> str:
    """The name of a column. In a file without a header it is a piece of the first row."""
    return name if are_texts_shown() or PLAIN_NAME.fullmatch(name) or not name.strip() else HIDDEN


def message_of(error: BaseException) -> str:
    """The message of an error; of a library's errors about values only where it cannot quote a row."""
    is_hidden = getattr(error, "hides_texts", False) or not are_texts_shown()
    is_ours = getattr(error, "is_for_users", False)  # its author has asked `quoted`
    is_harmless = isinstance(error, HARMLESS) or type(error).__module__.startswith(HARMLESS_LIBRARIES)
    return NO_MESSAGE if is_hidden and not is_ours and not is_harmless else str(error)


def format_error(error: BaseException) -> str:
    """The usual traceback of an error and of its causes, without the messages that may quote a row."""
    if are_texts_shown() and not getattr(error, "hides_texts", False):
        return "".join(traceback.format_exception(error))
    parts: list[str] = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        cause.hides_texts = True  # type: ignore[attr-defined]
        frames = "".join(traceback.format_tb(cause.__traceback__))
        parts.append(f"{frames}{type(cause).__name__}: {message_of(cause)}\n")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return "\nThe error above led to this one:\n\n".join(reversed(parts))
