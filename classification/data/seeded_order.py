"""Choices of rows by a seeded hash of their content: the order of the rows in the file changes nothing."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

logger = logging.getLogger(__name__)

Sides = tuple[list[int], list[int]]  # numbers of the train rows, and of the validation rows


def seeded_hash(key: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\x1f{key}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def rows_by_key(keys: Sequence[str], seed: int) -> list[list[int]]:
    """The rows of each key; the keys in the order of their seeded hash."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[key].append(row)
    return sorted(groups.values(), key=lambda rows: seeded_hash(keys[rows[0]], seed))


def both_sides(num_rows: int, held_out: set[int]) -> Sides:
    """(train rows, validation rows), each in the order of the file."""
    return [row for row in range(num_rows) if row not in held_out], sorted(held_out)


def hashed_split(keys: Sequence[str], classes: Sequence[Hashable], num_validation: int, seed: int) -> Sides:
    """Split so that rows with the same key stay on one side and each class keeps its share.

    The keys are visited in the order of their seeded hash. The rows of a key go to validation if each of their classes
    still has room there. Unlike scikit-learn's splitters, this does not depend on row order, takes linear time, and
    accepts a class of two members. If the keys are too large for the classes' shares, a warning is logged and only the
    number of rows is kept.

    Args:
        keys: rows with equal keys stay together [N]: the text itself, or a user, film or thread.
        classes: of each row [N]; constant for a plain random split.
        num_validation: rows to hold out; a class with at least two members gives at least one.
    """
    sizes = Counter(classes)
    share = num_validation / len(keys)
    room = {label: max(1, round(share * size)) if size > 1 else 0 for label, size in sizes.items()}
    groups = rows_by_key(keys, seed)
    chosen = _take_with_room(groups, classes, room)
    if len(chosen) < num_validation / 2 and len(groups) > 1:
        logger.warning("the groups are too large for every class to keep its share of validation: check the counts")
        chosen = []
        for rows in sorted(groups, key=len)[: len(groups) - 1]:  # smallest first: one huge group must not fill it
            if len(chosen) >= num_validation:
                break
            chosen += rows
    return both_sides(len(keys), set(chosen))


def _take_with_room(groups: list[list[int]], classes: Sequence[Hashable], room: dict[Hashable, int]) -> list[int]:
    room = dict(room)
    chosen: list[int] = []
    for rows in groups:
        needed = Counter(classes[row] for row in rows)
        if all(room[label] >= count for label, count in needed.items()):
            chosen += rows
            for label, count in needed.items():
                room[label] -= count
    return chosen


def draw_rows(keys: Sequence[str], classes: Sequence[Hashable], num_rows: int, seed: int) -> list[int]:
    """A seeded stratified draw of `num_rows` rows, in the order of the file.

    Each class gets its share, rounded by largest remainder so that the total is exact.
    """
    sizes = Counter(classes)
    exact = {label: num_rows * size / len(keys) for label, size in sizes.items()}
    quota = {label: int(share) for label, share in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (quota[label] - exact[label], str(label)))
    for label in by_remainder[: num_rows - sum(quota.values())]:
        quota[label] += 1
    chosen = []
    for row in sorted(range(len(keys)), key=lambda row: (seeded_hash(keys[row], seed), row)):
        if quota[classes[row]] > 0:
            quota[classes[row]] -= 1
            chosen.append(row)
    return sorted(chosen)
