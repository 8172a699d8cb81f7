"""The temperatures of a calibrated model in its config, as `calibration`.

The key cannot be `temperature`: transformers takes that for a setting of text generation, removes it when it reads a
config, and refuses to save one that has it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from classification.errors import UsageError, join_first

KEY, FOLDED = "calibration", "in_the_weights"  # the second one is written by `models.calibrated_head`


def calibration_facts(names: Sequence[str], temperatures: Sequence[float], rows: str) -> dict[str, object]:
    """The entry of a config: `temperature` is a number, or label -> number; `fitted_on` describes the rows."""
    by_label = dict(zip(names, temperatures, strict=True)) if len(temperatures) > 1 else temperatures[0]
    return {"temperature": by_label, "fitted_on": rows}


def saved_calibration(config: Any, names: Sequence[str]) -> dict[str, Any]:
    """The fields `temperatures` and `fitted_on` of the task of a saved model; empty where it is not calibrated.

    Raises:
        UsageError: a temperature that is no number above 0, or a label without one.
    """
    facts = getattr(config, KEY, None)
    if not isinstance(facts, dict) or "temperature" not in facts:
        return {}
    given = facts["temperature"]
    if isinstance(given, dict) and set(given) != set(names):
        raise UsageError(
            f"config.json: {KEY}: temperature has the labels {join_first(given, 10)}, and id2label has "
            f"{join_first(names, 10)}. Give each label of id2label its temperature."
        )
    values = [given[name] for name in names] if isinstance(given, dict) else [given]
    for value in values:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise UsageError(f"config.json: {KEY}: temperature {value!r}: must be a number above 0. Correct it there.")
    return {"temperatures": tuple(float(value) for value in values), "fitted_on": str(facts.get("fitted_on", ""))}
