"""The values of a column as few groups of rows: bands of numbers, the most frequent values, and all the others."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classification.data.label_values import as_float

# N rows.

MAX_VALUES = 20  # of one column; a column of numbers with more becomes bands
BANDS = 5
MIN_ROWS_OF_BAND = 5
MISSING = "(missing)"


def group_values(cells: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The groups of a column's cells, and the group of each row, int [N]; outer spaces do not count."""
    names, codes = np.unique(np.array([cell.strip() for cell in cells], dtype=object), return_inverse=True)
    codes = codes.ravel()
    is_blank = names == ""
    if (~is_blank).sum() > MAX_VALUES and all(as_float(name) is not None for name in names[~is_blank]):
        return band_texts(names, codes)
    counts = np.bincount(codes)
    if len(names) > MAX_VALUES + is_blank.any():
        by_count: list[int] = sorted(np.flatnonzero(~is_blank).tolist(), key=lambda code: (-counts[code], names[code]))
        others = by_count[MAX_VALUES:]
        return merged(names, codes, others, f"other ({len(others)} values)")
    return [shown(name) for name in names], codes


def merged(names: np.ndarray, codes: np.ndarray, others: list[int], name: str) -> tuple[list[str], np.ndarray]:
    """The groups with `others` as one."""
    kept = np.setdiff1d(np.arange(len(names)), others)
    places = np.full(len(names), len(kept))
    places[kept] = np.arange(len(kept))
    return [*(shown(names[code]) for code in kept), name], places[codes]


def shown(name: str) -> str:
    """The name of a group. Quotes tell a value from a name that we give."""
    if not name:
        return MISSING
    return f'"{name}"' if name == MISSING or name.startswith("other (") else name


def band_texts(names: np.ndarray, codes: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Bands of numbers, with the numbers as they are written; rows without one are a group of their own."""
    numbers = np.array([float(name) if name else np.nan for name in names])
    text_of = {number: name for number, name in zip(numbers, names, strict=True) if name}
    is_missing = (names == "")[codes]
    bands, inside = band_numbers(numbers[codes][~is_missing])
    groups = np.full(len(codes), len(bands))
    groups[~is_missing] = inside
    titles = [band_name(text_of[low], text_of[high]) for low, high in bands]
    return titles + ([MISSING] if is_missing.any() else []), groups


def band_numbers(numbers: np.ndarray) -> tuple[list[tuple[float, float]], np.ndarray]:
    """At most `BANDS` bands of about equally many rows: the least and the largest number of each, and each row's band.

    Equal numbers are in one band. Fewer than 10 rows are one band.
    """
    edges, below = list[float](), 0
    for edge in np.unique(np.quantile(numbers, np.arange(1, BANDS) / BANDS, method="inverted_cdf")):
        rows = int((numbers <= edge).sum())
        if rows - below >= MIN_ROWS_OF_BAND and len(numbers) - rows >= MIN_ROWS_OF_BAND:
            edges.append(float(edge))
            below = rows
    bands = np.searchsorted(edges, numbers, side="left")
    return [(numbers[bands == band].min(), numbers[bands == band].max()) for band in range(len(edges) + 1)], bands


def band_name(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
