"""What a decision threshold or the target of a decision rule may be, and for which labels it is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from classification.errors import UsageError, did_you_mean, join_first

RULE_FLAGS = ("tune_thresholds", "target_precision", "target_recall", "costs", "thresholds")  # one of them at a time

ByName = float | dict[str, float]  # one number for every label, or some by name


def check_threshold(value: object, source: str) -> None:
    """Raise a UsageError that begins with `source` unless `value` is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"{source} {value!r}: a threshold is a probability, a number from 0 to 1.")


def check_target(value: object, source: str) -> None:
    """Raise a UsageError that begins with `source` unless `value` is a number between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        share = f" Write {value:g}% as {value / 100:g}." if isinstance(value, int | float) and 1 < value < 100 else ""
        raise UsageError(f"{source} {value!r}: a target is a share between 0 and 1, such as 0.95.{share}")


def check_names(given: Mapping[str, object], names: Sequence[str], source: str) -> None:
    """Raise a UsageError that begins with `source` for the first name that is no label."""
    for name in given:
        if name not in names:
            known = did_you_mean(str(name), names) or (
                ' For several labels write JSON, such as {"spam": 0.9, "ham": 0.8}.' if "=" in str(name) else ""
            )
            raise UsageError(f"{source}: {name!r} is not a label; the labels are {join_first(names, 10)}.{known}")
