"""The one error that users see without a traceback, and how it suggests what they meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UsageError(ValueError):
    """Bad input: the message names the flag, the value and the remedy. The command exits with code 2."""


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
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return line if line.endswith((".", "!", "?")) else line + "."
