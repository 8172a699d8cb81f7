"""A learning curve continued: a power law fitted to the errors at several numbers of training rows.

The error of a classifier falls about as `a + b * n^-c` with its n training rows (Cortes et al. 1993, Learning curves:
asymptotic values and rate of convergence; Figueroa et al. 2012, Predicting sample size required for classification
performance). A fit to a few points is easily wrong: `fit_power_law` and `distrust` keep it honest, and its interval
comes from the same fit to resampled rows of validation. It does not contain what another seed would change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar, nnls

from classification.evaluation.resampling import LEVEL
from classification.evaluation.significance import Decided

# N rows of validation, P points, R resamples.

FEWEST_POINTS = 4  # the law has 3 parameters
RESAMPLES = 400
EXPONENTS = (0.05, 2.0)  # of published curves; beyond them the law is a constant or a step
LIMIT = 1.96  # standard deviations of a 95% interval
AT_A_TIME = 5_000_000  # counts in one array


@dataclass(frozen=True)
class PowerLaw:
    """error(n) = a + b * (n / scale)^-c"""

    a: float
    b: float
    c: float
    scale: float

    def error(self, rows: float) -> float:
        return float(self.a + self.b * (rows / self.scale) ** -self.c)


def fit_power_law(rows: Sequence[int], errors: np.ndarray, deviations: np.ndarray) -> PowerLaw:
    """The least squares fit with a, b >= 0, weighted by how sure each error is.

    For a given exponent the other two are linear, so that the search has one dimension and needs no starting values.

    Args:
        rows: of train at each point [P]; errors, deviations: of each point and its standard deviation, [P].
    """
    sizes, scale = np.asarray(rows, dtype=np.float64), float(max(rows))
    weights = 1 / deviations

    def solve(exponent: float) -> tuple[np.ndarray, float]:
        columns = np.stack([np.ones_like(sizes), (sizes / scale) ** -exponent], axis=1)
        return nnls(columns * weights[:, None], errors * weights)

    found = minimize_scalar(lambda exponent: solve(exponent)[1], bounds=EXPONENTS, method="bounded")
    exponent = float(found.x)
    (a, b), _ = solve(exponent)
    return PowerLaw(float(a), float(b), exponent, scale)


@dataclass(frozen=True)
class Resampled:
    """The metric of each point on the validation rows, and on the same resampled rows for all points.

    Args:
        values: [P]; samples: [R, P].
    """

    values: np.ndarray
    samples: np.ndarray
    lower_is_better: bool

    @classmethod
    def of(cls, points: Sequence[Decided]) -> Resampled:
        """The points decided the same rows, in one order; they have one statistic, the headline of the task."""
        statistic = points[0].statistic
        summands = np.concatenate([point.summands for point in points], axis=1)
        kinds, counts = np.unique(summands, axis=0, return_counts=True)
        generator, total = np.random.default_rng(0), len(summands)
        parts = []
        for start in range(0, RESAMPLES, step := max(1, AT_A_TIME // len(kinds))):
            size = min(step, RESAMPLES - start)
            parts.append(generator.multinomial(total, counts / total, size=size) @ kinds)
        totals = np.concatenate([summands.sum(axis=0, keepdims=True), *parts])
        values = np.stack([statistic.value(each) for each in np.split(totals, len(points), axis=1)], axis=1)
        return cls(values[0], values[1:], statistic.lower_is_better)

    def errors(self, values: np.ndarray) -> np.ndarray:
        """Values of the metric as errors, or errors as values."""
        return values if self.lower_is_better else 1 - values

    @property
    def deviations(self) -> np.ndarray:
        """The standard deviation of each point over the resamples, [P]; not 0."""
        return np.maximum(self.samples.std(axis=0), 1e-6 * max(1.0, float(np.abs(self.values).max())))


def distrust(rows: Sequence[int], resampled: Resampled) -> str:
    """Why the curve cannot be continued; "" where the fit can be believed."""
    if len(rows) < FEWEST_POINTS:
        return f"it takes {FEWEST_POINTS} points or more, and there are {len(rows)}"
    errors, resamples = resampled.errors(resampled.values), resampled.errors(resampled.samples)
    if errors[-1] <= 0:
        return "no row of validation is wrong any more"
    if np.percentile(resamples[:, 0] - resamples[:, -1], 100 * LEVEL / 2) <= 0:
        return "from the first point to the last one, nothing is gained clearly"
    law = fit_power_law(rows, errors, resampled.deviations)
    missed = [
        size for size, error, deviation in zip(rows, errors, resampled.deviations, strict=True)
        if abs(law.error(size) - error) > LIMIT * deviation
    ]  # fmt: skip
    if missed:
        return f"no power law comes near the point of {missed[0]:,} rows"
    if law.error(2 * rows[-1]) >= errors[-1]:
        return "the last point is better already than the power law of all points is at twice the rows"
    return ""


def extrapolate(rows: Sequence[int], resampled: Resampled, target: int) -> dict[str, float]:
    """The metric at `target` rows of train if the power law goes on, with 95% intervals.

    Returns:
        `rows`, `value`, `low`, `high`; `gain` over the last point with `gain_low` and `gain_high`, positive where the
        model gets better; `a`, `b`, `c` and `scale` of the law of the errors.
    """
    deviations = resampled.deviations
    laws = [fit_power_law(rows, errors, deviations) for errors in resampled.errors(resampled.samples)]
    law = fit_power_law(rows, resampled.errors(resampled.values), deviations)
    errors = np.array([each.error(target) for each in laws])
    gains = resampled.errors(resampled.samples)[:, -1] - errors  # over the point itself, which may lie off the law
    ends = (100 * LEVEL / 2, 100 - 100 * LEVEL / 2)
    low, high = sorted(resampled.errors(np.percentile(errors, ends)).tolist())
    gain_low, gain_high = np.percentile(gains, ends).tolist()
    value, last = float(resampled.errors(np.array(law.error(target)))), float(resampled.errors(resampled.values)[-1])
    gain = last - law.error(target)
    return {
        "rows": target, "value": value, "low": min(low, value), "high": max(high, value),
        "gain": gain, "gain_low": min(gain_low, gain), "gain_high": max(gain_high, gain),
        "a": law.a, "b": law.b, "c": law.c, "scale": law.scale,
    }  # fmt: skip
