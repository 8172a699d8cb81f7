"""Splits by libraries for stratification: K folds, and one split that balances several labels per row."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold, MultilabelStratifiedShuffleSplit
from sklearn.model_selection import StratifiedGroupKFold

from classification.data.labels import LabelSpace
from classification.data.seeded_order import Sides, both_sides, rows_by_key
from classification.errors import UsageError

# N rows, C labels.


def multi_label_split(keys: Iterable[str], label_rows: np.ndarray, num_validation: int, seed: int) -> Sides:
    """Split so that each label and each pair of labels keeps its share, and rows with the same key stay together.

    Iterative stratification (Sechidis et al. 2011, On the Stratification of Multi-Label Data) over keys instead of
    rows. Does not depend on row order.

    Args:
        label_rows: 0 or 1, [N, C].
    """
    groups = rows_by_key(keys, seed)
    size = min(max(1, round(num_validation * len(groups) / len(label_rows))), len(groups) - 1)
    if size < 1:
        return list(range(len(label_rows))), []
    group_labels = np.stack([label_rows[rows].max(axis=0) for rows in groups])
    splitter = MultilabelStratifiedShuffleSplit(n_splits=1, test_size=size, random_state=seed)
    places = next(splitter.split(group_labels, group_labels))[1]
    return both_sides(len(label_rows), {row for place in places for row in groups[place]})


def fold_splits(keys: Iterable[str], strata: np.ndarray, num_folds: int, seed: int) -> list[Sides]:
    """For each fold (train rows, validation rows): the rows outside the fold, and inside.

    Every row is inside one fold, rows with the same key are inside the same fold, and each class (or label) keeps its
    share as far as the keys allow. Does not depend on row order.

    Args:
        strata: class ids int [N] (constant for regression), or 0 and 1 [N, C] for several labels per row.

    Raises:
        UsageError: more folds than keys, or than rows of the largest class.
    """
    groups = rows_by_key(keys, seed)
    if len(groups) < num_folds:
        most = len(groups)
        raise UsageError(f"--folds {num_folds}: there are only {most} groups or different texts. Pass at most {most}.")
    if strata.ndim == 2:
        group_labels = np.stack([strata[rows].max(axis=0) for rows in groups])
        splitter = MultilabelStratifiedKFold(n_splits=num_folds, shuffle=True, random_state=seed)
        folds = [places for _, places in splitter.split(group_labels, group_labels)]
        inside = [{row for place in places for row in groups[place]} for places in folds]
    else:
        order = np.array([row for rows in groups for row in rows])
        group_of_row = np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])
        largest = Counter(strata.tolist()).most_common(1)[0][1]
        if num_folds > largest:
            problem = f"more folds than rows in the largest class ({largest})"
            raise UsageError(f"--folds {num_folds}: {problem}. Pass at most {largest}.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about a class of few rows: the data checks report it
            by_group = StratifiedGroupKFold(n_splits=num_folds).split(order, strata[order], group_of_row)
            inside = [set(order[places].tolist()) for _, places in by_group]
    return [both_sides(len(strata), held_out) for held_out in inside]


def check_folds(folds: Sequence[Sides], label_ids: Sequence, task: LabelSpace) -> None:
    """Refuse folds of which one would train or validate on one class only, before the first fold is trained.

    Args:
        label_ids: of each row.
    """
    for number, sides in enumerate(folds, start=1):
        for rows, verb in zip(sides, ("trains on", "validates on"), strict=True):
            only = task.only_class(label_ids[row] for row in rows)
            if only is not None:
                raise UsageError(
                    f"--folds {len(folds)}: fold {number} {verb} one class only ({only!r}). Ask for fewer folds, or "
                    "add rows (or groups) of the other classes."
                )
