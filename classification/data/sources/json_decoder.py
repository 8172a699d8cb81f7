"""JSON values as they are written: numbers keep their text, no key repeats, and what is broken is described."""

from __future__ import annotations

import json
from typing import Any

from classification.data.unreadable_texts import without_halves
from classification.messages.shown_texts import column_title


class NumberText(str):
    """A JSON number as it is written."""

    __slots__ = ()


class BadRow(dict[str, Any]):
    """A row that cannot be read: the fields that are known, and why."""

    def __init__(self, problem: str, known: dict[str, Any] | None = None):
        super().__init__(known or {})
        self.problem = problem


class Decoder(json.JSONDecoder):
    """JSON in which no key repeats. NaN is a missing value, as pandas writes it.

    Args:
        numbers_as_text: whether numbers become `NumberText`.
    """

    def __init__(self, *, numbers_as_text: bool = False):
        numbers = {"parse_int": NumberText, "parse_float": NumberText} if numbers_as_text else {}
        super().__init__(object_pairs_hook=unique_keys, parse_constant=read_constant, strict=False, **numbers)


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {column_title(repeated)!r} occurs twice in one object")
    return row


def read_constant(name: str) -> float | None:
    return None if name == "NaN" else float(name)


def describe_broken(error: Exception, number: int) -> str:
    """The line and the reason, where JSON cannot be read."""
    if isinstance(error, json.JSONDecodeError):
        return f"line {number} is not JSON ({error.msg} at column {error.colno})"
    reason = "the values are nested too deeply" if isinstance(error, RecursionError) else str(error)
    return f"line {number}: {reason}"


def half_character(row: dict[str, Any]) -> str | None:
    """A half of a character in a row, as it is written in JSON; None where there is none."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        return ascii(error.object[error.start])[1:-1]
    return None


def repaired_value(value: Any) -> Any:
    """A value with U+FFFD for halves of characters."""
    if isinstance(value, dict):
        return {without_halves(key): repaired_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [repaired_value(item) for item in value]
    return without_halves(value) if isinstance(value, str) and not isinstance(value, NumberText) else value


def is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
