"""Dotted names: `labels.name` is the field `name` inside the column `labels`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def longest_prefix(name: str, columns: Sequence[str]) -> str | None:
    """The longest column name that is followed by a dot in `name`."""
    return max((column for column in columns if name.startswith(f"{column}.")), key=len, default=None)


def field_value(value: Any, path: Sequence[str]) -> Any:
    """The value of a field inside objects, also where they are JSON text; None where it is missing."""
    for part in path:
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                return None
        value = value.get(part) if isinstance(value, dict) else None
    return value
