"""Which rows go where: the validation split, folds and the seeded subsets.

Rows are ordered by a hash of their content, never by their place in the file, so shuffling the file changes nothing.
"""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence

import numpy as np
from datasets import Dataset
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit
from sklearn.model_selection import StratifiedGroupKFold

from classification.data.labels import LabelSpace
from classification.errors import UsageError

logger = logging.getLogger(__name__)

MIN_VALIDATION_ROWS = 200
MAX_SHARE_FOR_MINIMUM = 0.2
AUTO_FRACTION = 0.05


def choose_validation(
    train: Dataset, labels: LabelSpace, fraction: float | None, strategy: str, seed: int, fold: tuple[int, int] | None
) -> tuple[tuple[list[int], list[int]], str]:
    """(train rows, validation rows), and how they were chosen; arguments as of `data_utils.add_validation`.

    Raises:
        UsageError: one group, one moment, or too few rows, texts or groups for the folds.
    """
    grouped = "group" in train.column_names
    keys = train["group"][:] if grouped else text_keys(train)
    together = "groups kept together" if grouped else "identical texts kept together"
    if grouped and len(set(keys)) < 2:
        raise UsageError(
            f"--validation_group_column: all {len(train)} rows are of one group ({keys[0]!r}), so none can be held "
            "out. Name a column that tells users, films or threads apart."
        )
    wanted = validation_rows(len(train), fraction)
    if strategy == "tail":
        return tail_split(len(train), wanted), "the last rows of train as they stand (--validation_strategy tail)"
    if strategy == "time":
        if len(set(train["time"])) < 2:
            raise UsageError(f"--time_column: all {len(train)} rows have the same time, so none is the newest.")
        return time_split(train["time"][:], wanted), "the newest rows of train (--validation_strategy time)"
    stratified = strategy == "stratified" and not labels.is_regression
    strata = np.array(train["label"][:] if stratified else [0] * len(train))
    if fold:
        number, count = fold
        if len(set(keys)) < count:
            raise UsageError(f"--folds {count}: there are only {len(set(keys))} groups or different texts.")
        folds = fold_splits(keys, strata, count, seed)
        if stratified:
            check_folds(folds, strata, labels)
        return folds[number], f"fold {number + 1} of {count}, {together}"
    if stratified and labels.is_multi_label:
        return multi_label_split(keys, strata, wanted, seed), f"split off train stratified by labels, {together}"
    how = "stratified by label" if stratified else "at random"
    return hashed_split(keys, strata.tolist(), wanted, seed), f"split off train {how}, {together}"


def text_columns(data: Dataset) -> list[str]:
    """The columns that hold texts: `text` and, of pairs, `text_pair`."""
    return [name for name in ("text", "text_pair") if name in data.column_names]


def text_keys(data: Dataset) -> list[str]:
    if "text_pair" not in data.column_names:
        return data["text"][:]
    return [f"{text}\x1f{pair}" for text, pair in zip(data["text"], data["text_pair"], strict=True)]


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
    sizes = Counter(classes)
    share = num_validation / len(keys)
    room = {label: max(1, round(share * size)) if size > 1 else 0 for label, size in sizes.items()}
    walk = rows_by_key(keys, seed)
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
    return both_sides(len(keys), set(chosen))


def both_sides(num_rows: int, held_out: set[int]) -> tuple[list[int], list[int]]:
    """(train rows, validation rows), each in their old order."""
    return [row for row in range(num_rows) if row not in held_out], sorted(held_out)


def rows_by_key(keys: Sequence[str], seed: int) -> list[list[int]]:
    """The rows of each key, keys in the order of their seeded hash."""
    groups: dict[str, list[int]] = defaultdict(list)
    for row, key in enumerate(keys):
        groups[key].append(row)
    return sorted(groups.values(), key=lambda rows: seeded_hash(keys[rows[0]], seed))


def time_split(times: Sequence[float], num_validation: int) -> tuple[list[int], list[int]]:
    """The newest rows become validation: (train rows, validation rows). Rows of one moment stay on one side, with
    the newer ones; where that makes more than twice the wanted rows, a warning says so."""
    first = sorted(times)[len(times) - num_validation]
    newer = [row for row, time in enumerate(times) if time >= first]
    if len(newer) > 2 * num_validation:
        logger.warning("--time_column: many rows have the same time, so %d rows become validation where %d were wanted",
                       len(newer), num_validation)  # fmt: skip
    return [row for row, time in enumerate(times) if time < first], newer


def multi_label_split(
    keys: Sequence[str], label_rows: np.ndarray, num_validation: int, seed: int
) -> tuple[list[int], list[int]]:
    """Split so that each label and each pair of labels keeps its share: (train rows, validation rows).

    Iterative stratification (Sechidis et al. 2011, On the Stratification of Multi-Label Data), over keys rather than
    rows, so that rows with one key stay on one side. Unchanged by row order.

    Args:
        label_rows: 0 or 1, [N, C].
    """
    walk = rows_by_key(keys, seed)
    wanted = min(max(1, round(num_validation * len(walk) / len(keys))), len(walk) - 1)
    if wanted < 1:
        return list(range(len(keys))), []
    of_keys = np.stack([label_rows[rows].max(axis=0) for rows in walk])
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=wanted, random_state=seed)
    held_out = {row for place in next(splitter.split(of_keys, of_keys))[1] for row in walk[place]}
    return both_sides(len(keys), held_out)


def check_folds(folds: list[tuple[list[int], list[int]]], strata: np.ndarray, labels: LabelSpace) -> None:
    """Refuse folds of which one holds or leaves one class only: before the first is trained, not in the middle.

    Args:
        strata: the label of each row.
    """
    for number, sides in enumerate(folds, start=1):
        for rows, verb in zip(sides, ("leaves", "holds"), strict=True):
            present = {labels.decode(label) for label in strata[rows]}
            if len(present) < 2:
                raise UsageError(
                    f"--folds {len(folds)}: fold {number} {verb} one class only ({present.pop()!r}). Ask for fewer "
                    "folds, or add rows (or groups) of the other classes."
                )


def fold_splits(
    keys: Sequence[str], strata: np.ndarray, num_folds: int, seed: int
) -> list[tuple[list[int], list[int]]]:
    """For each fold the rows outside and inside it: (train rows, validation rows).

    Every row is inside one fold; rows with one key are in the same; each class (or label) keeps its share as far as
    the keys allow. Unchanged by row order.

    Args:
        strata: class ids int [N] (constant for regression), or 0 and 1 [N, C] for several labels a row.
    """
    walk = rows_by_key(keys, seed)
    if strata.ndim == 2:
        of_keys = np.stack([strata[rows].max(axis=0) for rows in walk])
        splitter = MultilabelStratifiedKFold(n_splits=num_folds, shuffle=True, random_state=seed)
        inside = [{row for place in places for row in walk[place]} for _, places in splitter.split(of_keys, of_keys)]
    else:
        order = np.array([row for rows in walk for row in rows])
        groups = np.repeat(np.arange(len(walk)), [len(rows) for rows in walk])
        largest = Counter(strata.tolist()).most_common(1)[0][1]
        if num_folds > largest:
            raise UsageError(f"--folds {num_folds}: no class has so many rows; the largest has {largest}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a class of few rows: the run says so itself
            splitter = StratifiedGroupKFold(n_splits=num_folds)
            inside = [set(order[places].tolist()) for _, places in splitter.split(order, strata[order], groups)]
    return [both_sides(len(keys), held_out) for held_out in inside]


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
