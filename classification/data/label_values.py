"""Single label values: which ones are missing, which are numbers, and when two of them are the same label."""

from __future__ import annotations

import math
import re
from typing import Any

WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.0+)?")  # "007" is a name; "7.0" is how pandas writes 7


def is_missing(value: object) -> bool:
    """Whether a row has no label: None, NaN or a blank string."""
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def as_int(value: object) -> int | None:
    """The whole number that `value` is or spells, else None. Booleans are names, not numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value)
    return int(text.partition(".")[0]) if WHOLE_NUMBER.fullmatch(text) else None


def as_float(value: Any) -> float | None:
    """The finite number that `value` is or spells, else None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and not isinstance(value, bool) else None


def label_key(value: object) -> int | str:
    """The key by which labels are compared: 1, "1" and "1.0" are one label, anything else is its text."""
    number = as_int(value)
    return str(value) if number is None else number


def sorted_names(keys: set[int | str]) -> tuple[str, ...]:
    """Whole numbers in numeric order, anything else in alphabetical order."""
    if all(isinstance(key, int) for key in keys):
        return tuple(str(key) for key in sorted(keys))
    return tuple(sorted(str(key) for key in keys))
