"""The validation split, and subsets of the splits."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from datasets import Dataset, DatasetDict

from classification.data.corpus import GIVEN, TextKeys
from classification.data.folds import check_folds, fold_splits, multi_label_split
from classification.data.kept_classes import classes_of_one_key, describe_kept, keep_every_class, rows_per_class
from classification.data.label_values import as_float
from classification.data.labels import LabelSpace
from classification.data.nested_rows import NestedRows
from classification.data.sampling import draw_sample
from classification.data.seeded_order import Sides, hashed_split
from classification.errors import UsageError
from classification.messages.shown_texts import quoted

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
            raise UsageError(explain_no_validation(train, task, plan.seed))
        validation = train.select(validation_rows)
        if plan.fold:
            validation = validation.add_column("position", validation_rows)
        splits = DatasetDict({**splits, "train": train.select(train_rows), "validation": validation})
    without = {
        name: data.select_columns([column for column in data.column_names if column not in ONLY_FOR_THE_SPLIT])
        for name, data in splits.items()
    }
    return DatasetDict(without), method


def explain_no_validation(train: Dataset, task: LabelSpace, seed: int) -> str:
    """The error for a train split of which no row can be held out."""
    has_groups = "group" in train.column_names
    groups = " without dividing a group of --validation_group_column" if has_groups else ""
    problem = f"--validation_fraction: no validation set can be split off {len(train)} training rows{groups}"
    remedy = "Give more rows, or a file with --validation_file."
    strata = task.strata(train["label"][:])
    present = np.flatnonzero(rows_per_class(strata, range(len(train)))).tolist() if task.counts([]) else []
    if present and len(classes_of_one_key(present, split_keys(train), strata, seed)) == len(present):
        problem += f": every class has one {'group' if has_groups else 'text'} only"
        remedy = (
            "Check --label_column_name (is it an id or a text?), give more rows of every class, or a file with "
            "--validation_file."
        )
        if all(as_float(name) is not None for name in task.names):
            remedy += " If the labels are amounts, pass --do_regression."
    return f"{problem}. {remedy}"


def split_keys(train: Dataset) -> Iterable[str]:
    """Rows with equal keys stay on one side: the groups, where there are any, or the texts."""
    return train["group"][:] if "group" in train.column_names else TextKeys(train)


def choose_validation(train: Dataset, task: LabelSpace, plan: SplitPlan) -> tuple[Sides, str]:
    """(train rows, validation rows), and how they were chosen.

    Raises:
        UsageError: one group, one time, or too few rows, texts or groups for the folds.
    """
    has_groups = "group" in train.column_names
    keys = split_keys(train)
    together = "groups kept together" if has_groups else "identical texts kept together"
    if has_groups and len(set(keys)) < 2:
        raise UsageError(
            f"--validation_group_column: all {len(train)} rows have the same group ({quoted(next(iter(keys)))}), so no "
            "group can be held out. Name a column that distinguishes users, films or threads."
        )
    size = num_validation_rows(len(train), plan.fraction)
    if plan.strategy == "tail":
        return tail_split(len(train), size), "the last rows of train in file order (--validation_strategy tail)"
    if plan.strategy == "time":
        return time_split(train["time"][:], size), "the newest rows of train (--validation_strategy time)"
    label_ids = train["label"][:]
    strata = task.strata(label_ids)
    used = strata if plan.strategy == "stratified" else np.zeros(len(train), dtype=np.int64)
    if plan.fold:
        number, count = plan.fold
        folds = [keep_every_class(fold, keys, strata, plan.seed) for fold in fold_splits(keys, used, count, plan.seed)]
        if plan.strategy == "stratified":
            check_folds(folds, label_ids, task)
        sides, method = folds[number], f"fold {number + 1} of {count}"
    elif used.ndim == 2:
        sides, method = multi_label_split(keys, used, size, plan.seed), "split off train stratified by labels"
    else:
        noun = "groups" if has_groups else "sets of rows with one text"
        sides = hashed_split(keys, used.tolist(), size, plan.seed, noun)
        method = f"split off train {'stratified by label' if len(np.unique(used)) > 1 else 'at random'}"
    sides = keep_every_class(sides, keys, strata, plan.seed)
    names = task.names if task.counts([]) else ()
    kept = describe_kept(sides, keys, strata, names, "group" if has_groups else "text", plan.seed)
    if kept and sides[1]:
        few = f"; it has {len(sides[1])} rows instead of {size}" if not plan.fold and len(sides[1]) < size / 2 else ""
        logger.info("validation   %s%s", kept, few)
    return sides, f"{method}, {together}"


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


def take_samples(
    splits: DatasetDict, limits: Mapping[str, int | None], seed: int, *, part: int | None = None
) -> DatasetDict:
    """At most `limits[split]` rows of each split, by a seeded stratified draw (`--max_*_samples`).

    Args:
        part: rows of train that a point of `--learning_curve` takes, after that draw; None for all.
    """
    samples = DatasetDict()
    for split, data in splits.items():
        limit = limits.get(split)
        if limit is not None and limit < len(data):
            data = data.select(draw_sample(data, limit, split, seed))
        samples[split] = data
    if part is not None:
        samples["train"] = samples["train"].select(NestedRows.of(samples["train"], seed).take(part))
    return samples
