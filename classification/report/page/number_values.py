"""Predicted numbers against true ones: errors by the size of the number, and the rows that are furthest off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from classification.report.scored_rows import ScoredRows

# N scored rows.

BANDS = 5
WORST_ROWS = 10
GRID = 32  # cells along each side of a plot of many rows
MOST_POINTS = 400  # rows that are drawn one by one


@dataclass(frozen=True)
class Band:
    """Rows whose true numbers are from `low` to `high`.

    Args:
        rmse: root mean squared error. bias: mean of predicted minus true.
    """

    low: float
    high: float
    rows: int
    rmse: float
    bias: float


def bands_of(rows: ScoredRows, bands: int = BANDS) -> list[Band]:
    """About equally many rows per band, from the lowest true number to the highest."""
    truth, errors = rows.truth, rows.errors
    places = band_places(truth, bands)
    result = []
    for place in np.unique(places):
        inside = places == place
        own, off = truth[inside], errors[inside]
        rmse = float(np.sqrt((off**2).mean()))
        result.append(Band(float(own.min()), float(own.max()), int(inside.sum()), rmse, float(off.mean())))
    return result


def band_places(truth: np.ndarray, bands: int) -> np.ndarray:
    """The band of each row, [N]. Equal numbers share a band; few different numbers have a band each."""
    different, inverse, counts = np.unique(truth, return_inverse=True, return_counts=True)
    if len(different) <= bands + 1:
        return inverse
    size, band, filled, numbers = len(truth) / bands, 0, 0, []
    for count in counts.tolist():
        if filled and (filled >= size or filled + count > 1.5 * size):
            band, filled = band + 1, 0
        numbers.append(band)
        filled += count
    return np.array(numbers)[inverse]


def worst_places(rows: ScoredRows, count: int = WORST_ROWS) -> np.ndarray:
    """Places among the scored rows of the largest absolute errors, the largest first."""
    return np.argsort(-np.abs(rows.errors), kind="stable")[:count]


@dataclass(frozen=True)
class Points:
    """Points of a plot and how many rows each one is for, [P] each."""

    x: np.ndarray
    y: np.ndarray
    rows: np.ndarray

    @property
    def are_cells(self) -> bool:
        return bool((self.rows != 1).any())


def points_of(x: np.ndarray, y: np.ndarray, most: int = MOST_POINTS, grid: int = GRID) -> Points:
    """Every row, or where there are many, the mean of the rows in each cell of a grid."""
    if len(x) <= most:
        return Points(x, y, np.ones(len(x), dtype=np.int64))
    cell = cells_along(x, grid) * grid + cells_along(y, grid)
    counts = np.bincount(cell, minlength=grid * grid)
    filled = counts > 0
    sums = [np.bincount(cell, weights=values, minlength=grid * grid)[filled] for values in (x, y)]
    return Points(sums[0] / counts[filled], sums[1] / counts[filled], counts[filled])


def cells_along(values: np.ndarray, grid: int) -> np.ndarray:
    low, width = values.min(), np.ptp(values)
    return np.minimum(((values - low) / (width or 1.0) * grid).astype(np.int64), grid - 1)
