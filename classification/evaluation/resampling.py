"""Resampling the rows of a split: how often each kind of row is drawn, and the interval that the draws give.

Rows with the same text are one unit: they are drawn together, because they are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse

# N rows, U units, V kinds of units, K kinds of rows or sums, R resamples.

RESAMPLES = 2000
MIN_RESAMPLES = 200
COUNTS_AT_A_TIME = 10_000_000  # counts in one array
COUNTS_IN_ALL = 20_000_000  # fewer resamples where one has many counts
LEVEL = 0.05
MIN_DEFINED = 0.5  # share of the resamples in which a metric must be defined


def paired_bootstrap(summands: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray]) -> tuple[float, float]:
    """The 95% percentile interval of a statistic of sums over rows [N, K]; a resampled row counts for both models.

    Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13. Equal rows are drawn together: how often
    each kind of row is drawn is multinomial. For the accuracy of 25,000 rows this takes 0.04 s, `scipy.stats.bootstrap`
    2.8 s; for micro F1 of 5,000 rows 0.17 s and 0.49 s; for RMSE, where all rows differ, 4.1 s and 2.7 s. The
    intervals agree within 0.0003.
    """
    kinds, counts = np.unique(summands, axis=0, return_counts=True)
    generator, shares = np.random.default_rng(0), counts / len(summands)
    values: list[float] = []
    while len(values) < RESAMPLES:
        size = min(RESAMPLES - len(values), max(1, COUNTS_AT_A_TIME // len(kinds)))
        values += statistic(generator.multinomial(len(summands), shares, size=size) @ kinds).tolist()
    low, high = np.percentile(values, [100 * LEVEL / 2, 100 - 100 * LEVEL / 2])
    return float(low), float(high)


def percentile_interval(values: np.ndarray) -> tuple[float, float] | None:
    """The 95% percentile interval of resampled values [R]; None where a metric is nan in most resamples."""
    defined = values[np.isfinite(values)]
    if len(defined) < max(MIN_DEFINED * len(values), 1):
        return None
    low, high = np.percentile(defined, [100 * LEVEL / 2, 100 - 100 * LEVEL / 2])
    return float(low), float(high)


def number_of_resamples(size: int) -> int:
    """2,000, or fewer where each has many counts; at least 200.

    >>> number_of_resamples(25), number_of_resamples(25_000), number_of_resamples(200_000)
    (2000, 800, 200)
    """
    return int(np.clip(COUNTS_IN_ALL // max(size, 1), MIN_RESAMPLES, RESAMPLES))


def kinds_of_units(kinds: np.ndarray, units: np.ndarray) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Which rows come together, and how many units have the same rows.

    Args:
        kinds: the kind of each row, int [N]; equal kinds are interchangeable.
        units: the unit of each row, int [N] from 0 to U - 1.

    Returns:
        Rows of each kind in a unit of each kind, [V, K]; and how many units are of each kind, int [V].
    """
    sizes, num_kinds = np.bincount(units), int(kinds.max()) + 1
    is_alone = sizes[units] == 1
    singles = np.bincount(kinds[is_alone], minlength=num_kinds)
    parts: dict[int, list[int]] = {}
    for unit, kind in zip(units[~is_alone].tolist(), kinds[~is_alone].tolist(), strict=True):
        parts.setdefault(unit, []).append(kind)
    several: dict[tuple[int, ...], int] = {}
    for rows_of_unit in parts.values():
        key = tuple(sorted(rows_of_unit))
        several[key] = several.get(key, 0) + 1
    used = np.flatnonzero(singles)
    members = np.array([len(used) + place for place, key in enumerate(several) for _ in key], dtype=np.int64)
    rows = np.concatenate([np.arange(len(used)), members])
    columns = np.concatenate([used, np.array([kind for key in several for kind in key], dtype=np.int64)])
    shape = (len(used) + len(several), num_kinds)
    together = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)  # repeats are added up
    return together, np.concatenate([singles[used], np.array([*several.values()], dtype=np.int64)])


def drawn_counts(frequencies: np.ndarray, resamples: int) -> Iterator[np.ndarray]:
    """How often each kind of unit is drawn in each of `resamples` draws of U units with replacement, [r, V] at a time.

    Args:
        frequencies: units of each kind, int [V].
    """
    total, kinds = int(frequencies.sum()), len(frequencies)
    generator = np.random.default_rng(0)
    kind_of = np.repeat(np.arange(kinds), frequencies) if kinds < total else None
    draws_units = 16 * kinds > total  # else one binomial number per kind is faster
    while resamples:
        size = min(resamples, max(1, COUNTS_AT_A_TIME // kinds))
        resamples -= size
        if not draws_units:
            yield generator.multinomial(total, frequencies / total, size=size)
            continue
        counts = np.empty((size, kinds))
        for row in counts:
            drawn = generator.integers(0, total, total, dtype=np.int32)
            row[:] = np.bincount(drawn if kind_of is None else kind_of[drawn], minlength=kinds)
        yield counts
