"""Which rows repeat each other, inside a split and across splits, and which of them to drop from train.

Repeats between train and test have invalidated published results (Barz & Denzler 2020, Do we train on test data?).
Repeats inside train make models memorise (Lee et al. 2022, Deduplicating training data makes language models better).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from datasets import DatasetDict

from classification.data.corpus import batches_of, text_columns
from classification.data.findings import NOTE, Finding, agree, quantity
from classification.data.quality.group_numbers import (
    class_numbers,
    divide_by_label,
    is_later,
    joint_numbers,
    text_numbers,
)
from classification.data.quality.near_duplicates import group_words
from classification.data.quality.row_sample import RowSample
from classification.data.words import Words, normalised
from classification.errors import UsageError

# N rows: those of all splits, concatenated.

EXACT, NORMALISED, NEAR = "exact", "normalised", "near"
LIKENESS = {  # the levels, each wider than the one before
    EXACT: "byte for byte",
    NORMALISED: "identical apart from case, spaces, commas, quotation marks or markup",
    NEAR: "nearly identical",
}
LEVELS = tuple(LIKENESS)


@dataclass(frozen=True)
class Repeats:
    """Which rows are the same text: for each level the number of each row's group, int64 [N].

    A group of one level is a union of groups of the level before.

    Args:
        splits: names.
        split_of: the place in `splits` of each row's split, int64 [N].
        classes: number of each row's label, int64 [N]; -1 without one.
        is_compared: whether the words of a row, or of a row with equal words, were compared, bool [N]. All others are
            near repeats of nothing.
    """

    splits: tuple[str, ...]
    split_of: np.ndarray
    groups: dict[str, np.ndarray]
    classes: np.ndarray
    is_compared: np.ndarray

    @classmethod
    def find(cls, splits: DatasetDict, sample: RowSample | None = None) -> Repeats:
        """Compare all rows, in time linear in their number.

        A pair repeats another one if both texts do. Nearly equal rows of different classes are not repeats, because
        minimal pairs are written that way on purpose.

        Args:
            sample: the rows whose words are compared for near repeats; None for all.
        """
        columns = text_columns(splits["train"])
        numbers = [text_numbers(splits, column, str, normalised) for column in columns]
        exact, normal = (joint_numbers(*level) for level in zip(*numbers, strict=True))
        classes = class_numbers(splits)
        firsts = np.unique(normal, return_index=True)[1]
        is_compared = np.ones(len(firsts), dtype=bool)
        starts = np.concatenate([[0], np.cumsum([len(data) for data in splits.values()])])
        if sample is not None:
            places = zip(starts[:-1], splits, strict=True)
            is_compared[:] = False
            is_compared[normal[np.concatenate([start + sample.rows[split] for start, split in places])]] = True
        compared = firsts[is_compared]
        near = [
            group_alike(splits, column, keys[compared], compared - starts[:-1, None])
            for column, (_, keys) in zip(columns, numbers, strict=True)
        ]
        groups_of_firsts = np.arange(len(firsts))
        groups_of_firsts[is_compared] = len(firsts) + joint_numbers(*near)
        of_one_class = divide_by_label(groups_of_firsts, classes[firsts])
        groups = {EXACT: exact, NORMALISED: normal, NEAR: of_one_class[normal]}
        split_of = np.repeat(np.arange(len(splits)), np.diff(starts))
        return cls(tuple(splits), split_of, groups, classes, is_compared[normal])

    def inside(self, split: str, level: str) -> np.ndarray:
        """The rows that repeat an earlier row of their split at this level, and at no level before it."""
        rows = self.rows_of(split)
        is_repeated = is_later(self.groups[level][rows])
        for before in self._level_before(level):
            is_repeated &= ~is_later(self.groups[before][rows])
        return rows[is_repeated]

    def across(self, first: str, second: str, level: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows of each split whose text is in the other split, at this level and at no level before it."""
        sides = [self.rows_of(first), self.rows_of(second)]
        shared = []
        for rows, others in (sides, sides[::-1]):
            is_shared = np.isin(self.groups[level][rows], self.groups[level][others])
            for before in self._level_before(level):
                is_shared &= ~np.isin(self.groups[before][rows], self.groups[before][others])
            shared.append(rows[is_shared])
        return shared[0], shared[1]

    def rows_of(self, split: str) -> np.ndarray:
        return np.flatnonzero(self.split_of == self.splits.index(split))

    def num_compared(self, split: str, level: str) -> int:
        """How many rows of a split were compared at a level: all, but for near repeats."""
        rows = self.rows_of(split)
        return int(self.is_compared[rows].sum()) if level == NEAR else len(rows)

    def _level_before(self, level: str) -> tuple[str, ...]:
        place = LEVELS.index(level)
        return LEVELS[max(place - 1, 0) : place]

    def with_validation_in_train(self) -> Repeats:
        """The same rows, with a validation split that was split off train counted as train."""
        names = tuple(name for name in self.splits if name != "validation")
        place = {name: names.index("train" if name == "validation" else name) for name in self.splits}
        return replace(self, splits=names, split_of=np.array([place[name] for name in self.splits])[self.split_of])

    def to_drop(self, *, duplicates: bool, leaked: bool) -> np.ndarray:
        """The rows of train, numbered from 0, that repeat an earlier row of their class or are in another split, nearly
        equal rows included.

        Equal texts with different labels are kept: only the owner of the data knows which label is right.
        """
        groups, rows = self.groups[NEAR], self.rows_of("train")
        drop = np.zeros(len(rows), dtype=bool)
        if leaked:
            drop |= np.isin(groups[rows], np.delete(groups, rows))
        if duplicates:
            drop |= is_later(joint_numbers(groups[rows], self.classes[rows]))
        return np.flatnonzero(drop)


def drop_repeats(splits: DatasetDict, findings: list[Finding], *, duplicates: bool, leaked: bool) -> DatasetDict:
    """The splits without the rows of train that repeat an earlier row, or are in another split.

    Args:
        findings: gets a note that names the dropped rows.

    Raises:
        UsageError: no row of train is left.
    """
    if not (duplicates or leaked):
        return splits
    train = splits["train"]
    drop = Repeats.find(splits).to_drop(duplicates=duplicates, leaked=leaked)
    if not len(drop):
        return splits
    if len(drop) == len(train):
        raise UsageError(
            f"--drop_leaked: all {len(train)} rows of train are also in validation or test, so no row is left. "
            "Give other rows, or leave the flag out."
        )
    reasons = {"repeats": "--drop_duplicates"} if duplicates else {}
    reasons |= {"leaks": "--drop_leaked"} if leaked else {}
    rows = f"{quantity(len(drop), 'row')} of train"
    findings.append(
        Finding(
            kind="dropped_rows",
            severity=NOTE,
            split="train",
            count=len(drop),
            what=f"{rows} {agree(len(drop), 'were')} dropped ({', '.join(reasons)})",
            why=f"requested by {' and '.join(reasons.values())}",
            remedy="",
            ids=tuple(train.select(drop)["id"]),
        )
    )
    kept = np.delete(np.arange(len(train)), drop)
    return DatasetDict({**splits, "train": train.select(kept)})


def group_alike(splits: DatasetDict, column: str, keys: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Numbers of the groups of rows with equal keys or nearly equal words.

    Args:
        keys: numbers of equal texts, one for each row.
        rows: the same rows as numbers in each split, int64 [splits, rows]; negative or too large in all but one split.
    """
    groups = joint_numbers(keys)
    firsts = np.unique(groups, return_index=True)[1]
    parts = [
        data.select(numbers[(numbers >= 0) & (numbers < len(data))])
        for data, numbers in zip(splits.values(), rows[:, firsts], strict=True)
    ]
    words = Words.from_texts(text for data in parts for batch in batches_of(data, column) for text in batch[column])
    return group_words(words)[groups]
