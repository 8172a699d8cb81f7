"""Which rows go where: the validation split and the seeded subsets.

Rows are ordered by a hash of their content, never by their place in the file, so shuffling the file changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

logger = logging.getLogger(__name__)

MIN_VALIDATION_ROWS = 200
MAX_SHARE_FOR_MINIMUM = 0.2
AUTO_FRACTION = 0.05


def validation_rows(num_rows: int, fraction: float | None) -> int:
    """How many rows `--validation_fraction` asks for; None is `auto`: 5%, but at least min(200 rows, 20%).

    >>> validation_rows(25_000, None), validation_rows(320, None)
    (1250, 64)
    """
    if fraction is None:
        wanted = max(AUTO_FRACTION * num_rows, min(MIN_VALIDATION_ROWS, MAX_SHARE_FOR_MINIMUM * num_rows))
    else:
        wanted = fraction * num_rows
    return max(1, round(wanted))


def tail_split(num_rows: int, num_validation: int) -> tuple[list[int], list[int]]:
    """The last rows as they stand, like `train[95%:]`: (train rows, validation rows)."""
    first = num_rows - num_validation
    return list(range(first)), list(range(first, num_rows))


def hashed_split(
    keys: Sequence[str], classes: Sequence[Hashable], num_validation: int, seed: int
) -> tuple[list[int], list[int]]:
    """Split so that rows with one key stay on one side and each class keeps its share: (train rows, validation rows).

    Keys are walked in the order of their seeded hash, and a key's rows go to validation where every class of theirs
    still has room. Unlike scikit-learn's splitters this is unchanged by row order, linear in the rows, and takes a
    class of two members. With one constant class it is a plain random split. Where the keys' rows are too many for the
    classes' shares, only the number of rows is kept to, with a warning.

    Args:
        keys: what must stay together, one a row: the text itself, or a user, film or thread.
        classes: the class of each row.
        num_validation: rows wanted; a class with at least two members gives at least one.
        seed: of the hash.
    """
    groups: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[key].append(row)
    sizes = Counter(classes)
    share = num_validation / len(keys)
    room = {label: max(1, round(share * size)) if size > 1 else 0 for label, size in sizes.items()}
    walk = sorted(groups.values(), key=lambda rows: seeded_hash(keys[rows[0]], seed))
    chosen = _take_with_room(walk, classes, room)
    if len(chosen) < num_validation / 2 and len(walk) > 1:
        # Groups too large or too mixed for the classes' shares: keep to the number of rows alone. Smallest first,
        # so that one huge group does not take all of it.
        logger.warning("the groups are too large for every class to keep its share of validation: look at the counts")
        chosen = []
        for rows in sorted(walk, key=len)[: len(walk) - 1]:
            if len(chosen) >= num_validation:
                break
            chosen += rows
    held_out = set(chosen)
    return [row for row in range(len(keys)) if row not in held_out], sorted(held_out)


def _take_with_room(walk: list[list[int]], classes: Sequence[Hashable], room: dict[Hashable, int]) -> list[int]:
    room = dict(room)
    chosen: list[int] = []
    for rows in walk:
        need = Counter(classes[row] for row in rows)
        if all(room[label] >= count for label, count in need.items()):
            chosen += rows
            for label, count in need.items():
                room[label] -= count
    return chosen


def draw_rows(keys: Sequence[str], classes: Sequence[Hashable], num_rows: int, seed: int) -> list[int]:
    """A seeded stratified draw of `num_rows` rows, in their old order.

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


def seeded_hash(key: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\x1f{key}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
