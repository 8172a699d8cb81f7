"""Numbers as people read them; the templates have each function as a filter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeGuard

NONE = "–"  # a number that is missing


def is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def number(value: float | None, digits: int = 3) -> str:
    """A metric or a loss.

    >>> number(0.87312), number(12.3456), number(12.999), number(13), number(1234.5), number(0.000123), number(None)
    ('0.873', '12.3', '13.0', '13', '1,234', '0.000123', '–')
    """
    if not is_number(value):
        return NONE
    if value == 0 or abs(value) >= 10**digits:
        return "0" if value == 0 else f"{value:,.0f}"
    if abs(value) < 1 and abs(value) >= 10**-digits:
        return f"{value:.{digits}f}"
    if abs(value) > 1 and abs(value - round(value)) > 1e-9:
        return f"{value:#.{digits}g}".rstrip(".")
    return f"{value:.{digits}g}"


def with_limits(show: Callable[[Any], str], value: object, low: object, high: object) -> str:
    """A figure with its interval, where it has one.

    >>> with_limits(percent, 0.873, 0.861, 0.885), with_limits(percent, 0.873, None, None)
    ('87.3% (86.1% to 88.5%)', '87.3%')
    """
    limits = f" ({show(low)} to {show(high)})" if is_number(low) and is_number(high) else ""
    return f"{show(value)}{limits}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share. Only 1 is shown as 100%, and only 0 as 0%.

    >>> percent(0.87312), percent(1), percent(0.99999), percent(0.00001), percent(0), percent(None)
    ('87.3%', '100%', '>99.9%', '<0.1%', '0%', '–')
    """
    if not is_number(value):
        return NONE
    least = 10.0 ** -(digits + 2)
    if value in (0, 1):
        return f"{value:.0%}"
    if 0 < value < least / 2:
        return f"<{least:.{digits}%}"
    if 1 - least / 2 < value < 1:
        return f">{1 - least:.{digits}%}"
    return f"{value:.{digits}%}"


def count(value: float | None) -> str:
    """A whole number with separators.

    >>> count(1234567), count(None)
    ('1,234,567', '–')
    """
    return f"{value:,.0f}" if is_number(value) else NONE


def plural(value: int, noun: str) -> str:
    """A count and its noun.

    >>> plural(1, "row"), plural(2500, "row"), plural(2, "class")
    ('1 row', '2,500 rows', '2 classes')
    """
    ending = "" if value == 1 else "es" if noun.endswith(("s", "x", "ch")) else "s"
    return f"{count(value)} {noun}{ending}"


def duration(seconds: float | None) -> str:
    """Seconds, in the unit that people would use.

    >>> duration(0.0012), duration(0.034), duration(7.26), duration(75), duration(7384), duration(2e5), duration(None)
    ('<0.01 s', '0.03 s', '7.3 s', '1 min 15 s', '2 h 3 min', '2 d 7 h', '–')
    """
    if not is_number(seconds):
        return NONE
    if 0 < seconds < 0.005:
        return "<0.01 s"
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def size(number_of_bytes: float | None) -> str:
    """Bytes, in the unit that people would use.

    >>> size(430), size(71092), size(860954624), size(25e9), size(None)
    ('430 bytes', '71 kB', '861 MB', '25.0 GB', '–')
    """
    if not is_number(number_of_bytes):
        return NONE
    for unit, digits, factor in (("GB", 1, 1e9), ("MB", 0, 1e6), ("kB", 0, 1e3)):
        if number_of_bytes >= factor:
            return f"{number_of_bytes / factor:,.{digits}f} {unit}"
    return f"{number_of_bytes:.0f} bytes"


FILTERS: dict[str, Callable[..., str]] = {
    "number": number, "percent": percent, "count": count, "plural": plural, "duration": duration, "size": size,
}  # fmt: skip
