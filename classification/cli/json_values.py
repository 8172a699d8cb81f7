"""Values of flags by name: a number for all, `name=number`, or JSON typed in place or in a file."""

from __future__ import annotations

import json
from pathlib import Path

from classification.data.rules.threshold_values import ByName
from classification.errors import UsageError, first_line


def read_by_name(text: str | None, flag: str) -> ByName | None:
    """One number for every label, or numbers by name; None where the flag was not given.

    Raises:
        UsageError: neither a number, nor `name=number`, nor JSON; begins with the flag.
    """
    if text is None:
        return None
    number = number_in(text)
    if number is not None:
        return number
    name, equals, rest = text.rpartition("=")
    number = number_in(rest)
    if equals and name and number is not None and not text.lstrip().startswith("{"):
        return {name: number}
    return read_mapping(text, flag, "a number")


def number_in(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def read_mapping(text: str, flag: str, alternatives: str) -> dict[str, float]:
    """`{"spam": 5}`, or the content of a .json file of that form.

    Raises:
        UsageError: no such file, or no JSON object; names `flag` and its `alternatives`.
    """
    problem = "it names nothing"
    try:
        content = Path(text).expanduser().read_text(encoding="utf-8-sig") if text.endswith(".json") else text
        mapping = json.loads(content, object_pairs_hook=without_repeats)
    except (OSError, ValueError) as error:
        mapping, problem = None, first_line(error).rstrip(".")
    if not isinstance(mapping, dict) or not mapping:
        raise UsageError(
            f'{flag} {text}: must be {alternatives}, or labels and numbers as JSON such as {{"spam": 0.5}} or in a '
            f".json file ({problem})."
        )
    return mapping


def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; of two values under one name, JSON would drop the first in silence.

    Raises:
        ValueError: a name is there twice.
    """
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is there twice")
    return dict(pairs)
