"""A class without training rows cannot be learned: a split of ours leaves every class a row in train."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from classification.data.findings import agree
from classification.data.seeded_order import Sides, both_sides, rows_by_key
from classification.errors import join_first

logger = logging.getLogger(__name__)

# N rows, C classes (or labels).


def rows_per_class(strata: np.ndarray, rows: Sequence[int]) -> np.ndarray:
    """Number of `rows` with each class, int [C].

    Args:
        strata: class ids [N], or 0 and 1 [N, C] for several labels per row.
    """
    some = strata[np.asarray(rows, dtype=np.int64)]
    if strata.ndim == 2:
        return some.sum(axis=0).astype(np.int64)
    return np.bincount(some, minlength=int(strata.max()) + 1)


def members(strata: np.ndarray, label: int) -> list[int]:
    """The rows with a class."""
    return np.flatnonzero(strata[:, label] if strata.ndim == 2 else strata == label).tolist()


def keep_every_class(sides: Sides, keys: Iterable[str], strata: np.ndarray, seed: int) -> Sides:
    """Move rows from validation back to train where train would have no row of a class.

    The smallest set of rows with equal keys that has the class is moved.

    Args:
        keys: rows with equal keys stay together [N].
        strata: as in `rows_per_class`.
    """
    train, validation = sides
    in_train, in_validation = rows_per_class(strata, train), rows_per_class(strata, validation)
    lost = np.flatnonzero((in_train == 0) & (in_validation > 0)).tolist()
    if not lost:
        return sides
    groups = rows_by_key(keys, seed)
    group_of_row = {row: number for number, rows in enumerate(groups) for row in rows}
    held_out = set(validation)
    for label in lost:
        with_label = members(strata, label)
        if held_out.issuperset(with_label):
            numbers = {group_of_row[row] for row in with_label}
            held_out -= set(groups[min(numbers, key=lambda number: (len(groups[number]), number))])
    return both_sides(len(strata), held_out)


def describe_kept(
    sides: Sides, keys: Iterable[str], strata: np.ndarray, names: Sequence[str], noun: str, seed: int
) -> str | None:
    """The line about classes that are not in validation because they have one text (or group); None without such.

    Args:
        names: of the classes; empty for numbers.
        noun: `text` or `group`.
    """
    in_train, in_validation = (rows_per_class(strata, side) for side in sides)
    absent = np.flatnonzero((in_train > 0) & (in_validation == 0)).tolist()
    if not absent or not names:
        return None
    kept = [names[label] for label in classes_of_one_key(absent, keys, strata, seed)]
    if not kept:
        return None
    count = len(kept)
    what = f"{count} {'class' if count == 1 else 'classes'} with a single {noun}"
    return f"{what} {agree(count, 'stay')} in train and {agree(count, 'are')} not in validation: {join_first(kept)}"


def classes_of_one_key(labels: Iterable[int], keys: Iterable[str], strata: np.ndarray, seed: int) -> list[int]:
    """Those of `labels` whose rows all have one key."""
    group_of_row = {row: number for number, rows in enumerate(rows_by_key(keys, seed)) for row in rows}
    return [label for label in labels if len({group_of_row[row] for row in members(strata, label)}) == 1]
