"""What a decision threshold may be."""

from __future__ import annotations

from classification.errors import UsageError


def check_threshold(value: object, source: str) -> None:
    """Raise a UsageError that begins with `source` unless `value` is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"{source} {value!r}: a threshold is a probability, a number from 0 to 1.")
