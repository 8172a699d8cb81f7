"""Single values: which ones are missing, which are numbers, and when two of them are the same label."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from numbers import Real
from typing import Any

WHOLE_NUMBER = re.compile(r"-?(0|[1-9]\d{0,999})(\.0+)?", re.ASCII)  # "007" is a name; "7.0" is how pandas writes 7
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)  # Python also reads 1_5 and digits like １
SEPARATED = re.compile(  # "3,5", "1.234,5", "1,234.5", "1 234", "1'234.5", "1.234.567"
    r"[+-]?(\d{1,3}(?:[.'’\u00a0\u202f ]\d{3})*,\d+|\d+(?:,\d+)+(?:\.\d+)?|,\d+"
    r"|\d{1,3}(?:['’\u00a0\u202f ]\d{3})+(?:[.,]\d+)?|\d{1,3}(?:\.\d{3}){2,})",
    re.ASCII,
)
OTHER_DIGITS = re.compile(
    "[+\u2212\u2013-]?\\d+[.,٫]\\d+"
)  # digits of any script, and the minus signs of word processors
TRUE_FALSE = {"true": "True", "false": "False"}  # a boolean by its lower case -> its name


def is_missing(value: object) -> bool:
    """Whether a cell has no value: None, NaN or a blank string. The words nan, None and null are values."""
    if isinstance(value, float | Decimal):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())


def as_int(value: object) -> int | None:
    """The whole number that `value` is or spells, else None. Booleans are names, not numbers."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    text = str(value).strip()
    return int(text.partition(".")[0]) if WHOLE_NUMBER.fullmatch(text) else None


def as_float(value: Any) -> float | None:
    """The finite number that `value` is or spells in ASCII digits with a decimal point, else None.

    >>> as_float(" +3.5 "), as_float("1e3"), as_float("3,5"), as_float("1_5"), as_float("nan"), as_float(True)
    (3.5, 1000.0, None, None, None, None)
    """
    is_number = isinstance(value, Real | Decimal) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and NUMBER.fullmatch(value.strip())):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def as_yes_no(value: Any) -> bool | None:
    """Whether a cell of 0/1 or true/false is given, None for any other value.

    >>> as_yes_no("1.0"), as_yes_no(False), as_yes_no(" TRUE"), as_yes_no("yes"), as_yes_no(2)
    (True, False, True, None, None)
    """
    word = TRUE_FALSE.get(str(value).strip().lower())
    number = {"True": 1.0, "False": 0.0}[word] if word else as_float(value)
    return bool(number) if number in (0.0, 1.0) else None


def has_separator(text: object) -> bool:
    """Whether a text looks like a number with a decimal comma, separated thousands, or digits or signs beyond ASCII.

    >>> has_separator("3,5"), has_separator("1.234.567"), has_separator("3.5"), has_separator("a,b")
    (True, True, False, False)
    """
    text = str(text).strip()
    return bool(SEPARATED.fullmatch(text) or (not text.isascii() and OTHER_DIGITS.fullmatch(text)))


def label_key(value: object) -> int | str:
    """The key by which labels are compared: 1, "1" and "1.0" are one label, anything else is its text."""
    number = as_int(value)
    return str(value) if number is None else number


def sorted_names(values: Iterable) -> tuple[str, ...]:
    """The names of the labels: whole numbers in numeric order; otherwise as they are written, in alphabetical order.

    Of several spellings of one label ("1" and "1.0") the most frequent counts.

    >>> sorted_names([10, "2.0", 2]), sorted_names(["2", "1.0", "1.5"])
    (('2', '10'), ('1.0', '1.5', '2'))
    """
    counts = Counter(str(value) for value in values)
    by_frequency = sorted(counts, key=lambda text: (-counts[text], text))
    spellings: dict[int | str, str] = {}
    for text in by_frequency:
        spellings.setdefault(label_key(text), text)
    if all(isinstance(key, int) for key in spellings):
        return tuple(str(key) for key in sorted(spellings))
    return tuple(sorted(spellings.values()))


def name_booleans(values: list) -> list:
    """The labels with `True` and `False` for every spelling of them, where no label is anything else."""
    if not all(value is None or isinstance(value, bool) or str(value).lower() in TRUE_FALSE for value in values):
        return values
    return [None if value is None else TRUE_FALSE[str(value).lower()] for value in values]
