"""A value of a row as the text of a JSON or CSV file: numbers as they were written, dates in ISO 8601, valid JSON."""

from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

import numpy as np

from classification.data.sources.json_decoder import NumberText
from classification.data.unreadable_texts import HALF, without_halves


def json_text(value: Any) -> str:
    """JSON of one line. NaN becomes null, and infinity a number that is read as infinity.

    >>> json_text({"a": [NumberText("1.10"), None, True], "b": "\\u00e9\\n", "c": float("inf")})
    '{"a": [1.10, null, true], "b": "\\u00e9\\\\n", "c": 1e999}'
    """
    if isinstance(value, NumberText):
        return str(value)
    if isinstance(value, str):
        return encode_basestring_ascii(value) if HALF.search(value) else encode_basestring(value)
    if isinstance(value, np.generic | np.ndarray):
        return json_text(own_digits(value).tolist())
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return json_number(value)
    if isinstance(value, int | Decimal):
        return str(value) if not isinstance(value, Decimal) or value.is_finite() else "null"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json_text(str(key))}: {json_text(item)}' for key, item in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(json_text, value))}]"
    return json_text(plain_text(value))


def own_digits(values: np.generic | np.ndarray) -> np.generic | np.ndarray:
    """Numbers with the digits of their own type: 0.1 as float32 becomes 0.1, not 0.10000000149."""
    is_small = values.dtype.kind == "f" and values.dtype.itemsize < 8
    return values.astype("U").astype(np.float64) if is_small else values


def json_number(value: float) -> str:
    if math.isnan(value):
        return "null"
    return repr(value) if math.isfinite(value) else "1e999" if value > 0 else "-1e999"


def csv_text(value: Any) -> str:
    """A cell. Null and NaN are empty; lists and objects are JSON; half of a character becomes U+FFFD.

    >>> [csv_text(value) for value in (None, NumberText("1e400"), 0.5, False, {"a": "\\u00e9"})]
    ['', '1e400', '0.5', 'False', '{"a": "\\u00e9"}']
    """
    if value is None or value != value:
        return ""
    if isinstance(value, dict | list | tuple):
        return json_text(value)
    return without_halves(str(value) if isinstance(value, str | bool | int | float | Decimal) else plain_text(value))


def plain_text(value: Any) -> str:
    """A date, a time or a time stamp in ISO 8601; anything else as Python writes it."""
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)
