"""The interval of a share, without a library: also a model that only answers uses it."""

from __future__ import annotations

import math


def wilson_interval(share: float, rows: float, z: float) -> tuple[float, float]:
    """The interval of a share of `rows`, `z` standard errors to each side.

    Wilson 1927, Probable Inference, the Law of Succession, and Statistical Inference. For a mean of shares it is wide
    enough: they spread no more than zeros and ones.

    >>> [round(end, 3) for end in wilson_interval(0.5, 100, 1.96)]
    [0.404, 0.596]
    """
    centre = share + z**2 / (2 * rows)
    spread = z * math.sqrt(max(share * (1 - share), 0) / rows + z**2 / (4 * rows**2))
    return (centre - spread) / (1 + z**2 / rows), (centre + spread) / (1 + z**2 / rows)
