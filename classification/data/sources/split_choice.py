"""Which split of a data set is predicted."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from classification.errors import UsageError, did_you_mean, join_first

logger = logging.getLogger(__name__)

USUAL = "test"


def choose_split(names: Sequence[str], wanted: str | None, place: str) -> str:
    """The split `wanted`, else the only one, else `test`.

    Raises:
        UsageError: there is no such split, or one must be chosen.
    """
    if wanted is not None:
        if wanted not in names:
            raise UsageError(
                f"--split {wanted}: {place} has no such split. Its splits are {join_first(names, 9)}."
                + did_you_mean(wanted, names)
            )
        return wanted
    if len(names) == 1:
        return names[0]
    if USUAL not in names:
        raise UsageError(f"{place}: has several splits ({join_first(names, 9)}). Choose one: --split {names[0]}")
    logger.info("input        %s: the split %s of %s", place, USUAL, join_first(names, 9))
    return USUAL
