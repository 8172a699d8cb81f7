"""The validation split, and subsets of the splits."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, DatasetDict

from classification.data.corpus import GIVEN, text_keys
from classification.data.folds import check_folds, fold_splits, multi_label_split
from classification.data.labels import LabelSpace
from classification.data.seeded_order import Sides, draw_rows, hashed_split
from classification.errors import UsageError

logger = logging.getLogger(__name__)

MIN_VALIDATION_ROWS = 200
MAX_SHARE_FOR_MINIMUM = 0.2
AUTO_FRACTION = 0.05
ONLY_FOR_THE_SPLIT = {"group", "time"}  # columns


@dataclass(frozen=True)
class SplitPlan:
    """How a validation set is split off train.

    Args:
        fraction: of the rows of train; None for `auto`, see `validation_rows`.
        strategy: `stratified`, `random`, `tail` or `time`.
        seed: of the choice.
        fold: number (from 0) and count of folds; validation is that fold.
    """

    fraction: float | None = None
    strategy: str = "stratified"
    seed: int = 42
    fold: tuple[int, int] | None = None


def add_validation(splits: DatasetDict, task: LabelSpace, plan: SplitPlan) -> tuple[DatasetDict, str]:
    """Split a validation set off train, unless there is one, and remove the columns that only the split needs.

    With a fold, validation gets a column `position`: the row numbers in train, to put all folds together again.

    Returns:
        The splits, and how validation was made: `GIVEN`, or words for people.

    Raises:
        UsageError: no validation set can be split off.
    """
    method = GIVEN
    if "validation" not in splits:
        train = splits["train"]
        (train_rows, validation_rows), method = choose_validation(train, task, plan)
        if not train_rows or not validation_rows:
            groups = " without dividing a group of --validation_group_column" if "group" in train.column_names else ""
            raise UsageError(
                f"--validation_fraction: no validation set can be split off {len(train)} training rows{groups}. "
                "Give more rows, or a file with --validation_file."
            )
        validation = train.select(validation_rows)
        if plan.fold:
            validation = validation.add_column("position", validation_rows)
        splits = DatasetDict({**splits, "train": train.select(train_rows), "validation": validation})
    without = {
        name: data.select_columns([column for column in data.column_names if column not in ONLY_FOR_THE_SPLIT])
        for name, data in splits.items()
    }
    return DatasetDict(without), method


def choose_validation(train: Dataset, task: LabelSpace, plan: SplitPlan) -> tuple[Sides, str]:
    """(train rows, validation rows), and how they were chosen.

    Raises:
        UsageError: one group, one time, or too few rows, texts or groups for the folds.
    """
    has_groups = "group" in train.column_names
    keys = train["group"][:] if has_groups else text_keys(train)
    together = "groups kept together" if has_groups else "identical texts kept together"
    if has_groups and len(set(keys)) < 2:
        raise UsageError(
            f"--validation_group_column: all {len(train)} rows have the same group ({keys[0]!r}), so no group can be "
            "held out. Name a column that distinguishes users, films or threads."
        )
    size = num_validation_rows(len(train), plan.fraction)
    if plan.strategy == "tail":
        return tail_split(len(train), size), "the last rows of train in file order (--validation_strategy tail)"
    if plan.strategy == "time":
        return time_split(train["time"][:], size), "the newest rows of train (--validation_strategy time)"
    is_stratified = plan.strategy == "stratified"
    strata = task.strata(train["label"][:]) if is_stratified else np.zeros(len(train), dtype=np.int64)
    if plan.fold:
        number, count = plan.fold
        most = len(set(keys))
        if most < count:
            raise UsageError(f"--folds {count}: there are only {most} groups or different texts. Pass at most {most}.")
        folds = fold_splits(keys, strata, count, plan.seed)
        if is_stratified:
            check_folds(folds, train["label"][:], task)
        return folds[number], f"fold {number + 1} of {count}, {together}"
    if strata.ndim == 2:
        sides = multi_label_split(keys, strata, size, plan.seed)
        return sides, f"split off train stratified by labels, {together}"
    choice = "stratified by label" if len(np.unique(strata)) > 1 else "at random"
    return hashed_split(keys, strata.tolist(), size, plan.seed), f"split off train {choice}, {together}"


def num_validation_rows(num_rows: int, fraction: float | None) -> int:
    """The number of rows that `--validation_fraction` means; None is `auto`: 5%, but at least min(200 rows, 20%).

    >>> num_validation_rows(25_000, None), num_validation_rows(320, None)
    (1250, 64)
    """
    if fraction is None:
        size = max(AUTO_FRACTION * num_rows, min(MIN_VALIDATION_ROWS, MAX_SHARE_FOR_MINIMUM * num_rows))
    else:
        size = fraction * num_rows
    return max(1, round(size))


def tail_split(num_rows: int, num_validation: int) -> Sides:
    """(train rows, validation rows): the last rows in file order become validation, like `train[95%:]`."""
    first = num_rows - num_validation
    return list(range(first)), list(range(first, num_rows))


def time_split(times: Sequence[float], num_validation: int) -> Sides:
    """(train rows, validation rows): the newest rows become validation.

    Rows of the same time stay together, in validation. A warning is logged if that makes it more than twice as large.

    Raises:
        UsageError: all rows have the same time.
    """
    if len(set(times)) < 2:
        problem = f"all {len(times)} rows have the same time, so no row is the newest"
        raise UsageError(f"--time_column: {problem}. Name another column.")
    first = sorted(times)[len(times) - num_validation]
    newer = [row for row, time in enumerate(times) if time >= first]
    if len(newer) > 2 * num_validation:
        logger.warning(
            "--time_column: many rows have the same time, so validation gets %d rows instead of %d",
            len(newer), num_validation,
        )  # fmt: skip
    return [row for row, time in enumerate(times) if time < first], newer


def check_validation(label_ids: Sequence, task: LabelSpace, strategy: str, *, given: bool) -> None:
    """Refuse a validation set with one class only: val_loss would favour the checkpoint that predicts that class.

    With the strategy `tail`, which reproduces `train[95%:]` on purpose, this is only a warning.

    Args:
        label_ids: of the validation rows.
        given: whether the data has a validation split of its own.
    """
    only = task.only_class(label_ids)
    if only is None:
        return
    problem = (
        f"the validation set has one class only ({only!r}, {len(label_ids)} rows), so val_loss would choose the "
        "checkpoint that favours this class"
    )
    if given:
        flag = "--validation_file"
        remedy = "Leave it out to split a stratified one off train, or give rows of every class"
    elif strategy == "tail":
        logger.warning("%s: the file is sorted by label. Use --validation_strategy stratified", problem)
        return
    elif strategy == "time":
        flag = "--validation_strategy time"
        remedy = "Raise --validation_fraction, so that it includes older rows with other classes"
    else:
        flag = "--validation_fraction"
        remedy = "Give more training rows of every class, or a file with --validation_file"
    raise UsageError(f"{flag}: {problem}. {remedy}.")


def take_samples(splits: DatasetDict, limits: Mapping[str, int | None], seed: int) -> DatasetDict:
    """At most `limits[split]` rows of each split, by a seeded stratified draw (`--max_*_samples`)."""
    samples = DatasetDict()
    for split, data in splits.items():
        limit = limits.get(split)
        if limit is not None and limit < len(data):
            classes = [str(label) for label in data["label"]] if "label" in data.column_names else [""] * len(data)
            if len(set(classes)) > len(data) / 2:  # regression, or many labels: nearly every row its own class
                classes = [""] * len(data)
            data = data.select(draw_rows(text_keys(data), classes, limit, seed))
        samples[split] = data
    return samples
