"""Choices of rows by a seeded hash of their content: the order of the rows in the file changes nothing."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

logger = logging.getLogger(__name__)

Sides = tuple[list[int], list[int]]  # numbers of the train rows, and of the validation rows


def seeded_hash(key: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\x1f{key}".encode("utf-8", "surrogatepass"), digest_size=16).digest()


def rows_by_key(keys: Iterable[str], seed: int) -> list[list[int]]:
    """The rows of each key; the keys in the order of their seeded hash. Only the hashes are held in memory."""
    groups: dict[bytes, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[seeded_hash(key, seed)].append(row)
    return [groups[digest] for digest in sorted(groups)]


def both_sides(num_rows: int, held_out: set[int]) -> Sides:
    """(train rows, validation rows), each in the order of the file."""
    return [row for row in range(num_rows) if row not in held_out], sorted(held_out)


def hashed_split(
    keys: Iterable[str], classes: Sequence[Hashable], num_validation: int, seed: int, noun: str = "groups"
) -> Sides:
    """Split so that rows with the same key stay on one side and each class keeps its share.

    The keys are visited in the order of their seeded hash. The rows of a key go to validation if each of their classes
    still has room there. Unlike scikit-learn's splitters, this does not depend on row order, takes linear time, and
    accepts a class of one member, which stays in train. If the keys are too large for the classes' shares, a warning
    is logged and only the number of rows is kept. Train keeps a row of every class.

    Args:
        keys: rows with equal keys stay together [N]: the text itself, or a user, film or thread.
        classes: of each row [N]; constant for a plain random split.
        num_validation: rows to hold out; a class with at least two members gives at least one.
        noun: what the rows of a key are called in the warning.
    """
    sizes = Counter(classes)
    share = num_validation / len(classes)
    room = {label: min(size - 1, max(1, round(share * size))) for label, size in sizes.items()}
    groups = rows_by_key(keys, seed)
    chosen = _take_with_room(groups, classes, room)
    wanted = min(num_validation, sum(room.values()))
    if len(chosen) < wanted / 2 and len(groups) > 1:
        logger.warning("the %s are too large for every class to keep its share of validation: check the counts", noun)
        chosen = _take_smallest(groups, classes, sizes, num_validation)
    return both_sides(len(classes), set(chosen))


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


def _take_smallest(
    groups: list[list[int]], classes: Sequence[Hashable], sizes: Counter[Hashable], num_validation: int
) -> list[int]:
    """The smallest groups first: one huge group must not fill validation. The last row of a class is not taken."""
    left = Counter(sizes)
    chosen: list[int] = []
    for rows in sorted(groups, key=len)[: len(groups) - 1]:
        if len(chosen) >= num_validation:
            break
        needed = Counter(classes[row] for row in rows)
        if all(left[label] > count for label, count in needed.items()):
            chosen += rows
            left -= needed
    return chosen


def draw_rows(keys: Iterable[str], classes: Sequence[Hashable], num_rows: int, seed: int) -> list[int]:
    """A seeded stratified draw of `num_rows` rows, in the order of the file.

    Each class gets its share, rounded by largest remainder so that the total is exact.
    """
    return sorted(draw_in_order(seeded_rows(keys, seed), classes, num_rows))


def seeded_rows(keys: Iterable[str], seed: int) -> list[int]:
    """The rows in the order of the seeded hash of their keys."""
    hashes = [seeded_hash(key, seed) for key in keys]
    return sorted(range(len(hashes)), key=lambda row: (hashes[row], row))


def draw_in_order(order: Sequence[int], classes: Sequence[Hashable], num_rows: int) -> list[int]:
    """The first rows of `order` that fill the share of each class."""
    sizes = Counter(classes)
    exact = {label: num_rows * size / len(classes) for label, size in sizes.items()}
    quota = {label: int(share) for label, share in exact.items()}
    by_remainder = sorted(exact, key=lambda label: (quota[label] - exact[label], str(label)))
    for label in by_remainder[: num_rows - sum(quota.values())]:
        quota[label] += 1
    chosen = []
    for row in order:
        if quota[classes[row]] > 0:
            quota[classes[row]] -= 1
            chosen.append(row)
    return chosen
