"""Which rows repeat each other, inside a split and across splits, and which of them to drop from train.

Repeats between train and test have invalidated published results (Barz & Denzler 2020, Do we train on test data?).
Repeats inside train make models memorise (Lee et al. 2022, Deduplicating training data makes language models better).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from datasets import Dataset, DatasetDict

from classification.data.corpus import text_columns, text_keys
from classification.data.findings import NOTE, Finding, agree, quantity
from classification.data.quality.near_duplicates import group_texts
from classification.data.quality.words import plain
from classification.data.regression import CONFLICT
from classification.errors import UsageError

# N rows: those of all splits, concatenated.

EXACT, NORMALISED, NEAR = "exact", "normalised", "near"
LIKENESS = {  # the levels, each wider than the one before
    EXACT: "byte for byte",
    NORMALISED: "identical apart from case, spaces, commas, quotation marks or markup",
    NEAR: "nearly identical",
}
LEVELS = tuple(LIKENESS)
# Not ! ? :) + # and others that carry meaning.
IGNORED = str.maketrans(dict.fromkeys('.,;"\u201c\u201d\u2026\u3002', " ") | dict.fromkeys("'`\u2018", ""))


@dataclass(frozen=True)
class Repeats:
    """Which rows are the same text: for each level the number of each row's group, int64 [N].

    A group of one level is a union of groups of the level before.

    Args:
        splits: names.
        split_of: the place in `splits` of each row's split, int64 [N].
        classes: of each row; numbers in steps of half a standard deviation; None without a label.
    """

    splits: tuple[str, ...]
    split_of: np.ndarray
    groups: dict[str, np.ndarray]
    classes: list[Hashable]

    @classmethod
    def find(cls, splits: DatasetDict) -> Repeats:
        """Compare all rows, in time linear in their number.

        A pair repeats another one if both texts do. Nearly equal rows of different classes are not repeats, because
        minimal pairs are written that way on purpose.
        """
        exact = group_numbers(key for data in splits.values() for key in text_keys(data))
        columns = [[text for data in splits.values() for text in data[name]] for name in text_columns(splits["train"])]
        keys = [[normalised(text) for text in texts] for texts in columns]
        normal = group_numbers(zip(*keys, strict=True))
        firsts = np.unique(normal, return_index=True)[1]
        near = [
            group_alike([key[row] for row in firsts], [texts[row] for row in firsts])
            for key, texts in zip(keys, columns, strict=True)
        ]
        classes = [
            round(label / CONFLICT) if isinstance(label, float) else label
            for data in splits.values()
            for label in labels_of(data)
        ]
        of_one_class = divide_by_label(group_numbers(zip(*near, strict=True)), [classes[row] for row in firsts])
        split_of = np.repeat(np.arange(len(splits)), [len(data) for data in splits.values()])
        groups = {EXACT: exact, NORMALISED: normal, NEAR: of_one_class[normal]}
        return cls(tuple(splits), split_of, groups, classes)

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
            drop |= is_later(group_numbers((groups[row], self.classes[row]) for row in rows.tolist()))
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


def labels_of(data: Dataset) -> list[Hashable]:
    """The label of each row, None where there is none; lists as tuples."""
    if "label" not in data.column_names:
        return [None] * len(data)
    return [tuple(label) if isinstance(label, list) else label for label in data["label"]]


def normalised(text: str) -> str:
    """A text without case, width, markup, repeated spaces, commas, full stops and quotation marks; the text itself if
    nothing else is in it."""
    return " ".join(plain(text).translate(IGNORED).split()) or text


def group_alike(keys: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Numbers of the groups of texts with equal keys or nearly equal words, int64 [number of texts]."""
    groups = group_numbers(keys)
    firsts = np.unique(groups, return_index=True)[1]
    return group_texts([texts[row] for row in firsts])[groups]


def group_numbers(keys: Iterable[Hashable]) -> np.ndarray:
    """Equal keys have equal numbers, counted in the order of their first rows: int64 [N]."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def is_later(groups: np.ndarray) -> np.ndarray:
    """Whether an earlier row has the same number, bool [N]."""
    later = np.ones(len(groups), dtype=bool)
    later[np.unique(groups, return_index=True)[1]] = False
    return later


def first_rows(groups: np.ndarray, rows: np.ndarray) -> dict[int, int]:
    """The first of `rows` in each group."""
    firsts = rows[~is_later(groups[rows])]
    return dict(zip(groups[firsts].tolist(), firsts.tolist(), strict=True))


def divide_by_label(groups: np.ndarray, labels: Sequence[Hashable]) -> np.ndarray:
    """Groups divided by label; a row without a label gets the first label of its group: int64 [N]."""
    first: dict[int, Hashable] = {}
    for group, label in zip(groups.tolist(), labels, strict=True):
        if label is not None:
            first.setdefault(group, label)
    return group_numbers(
        (group, first.get(group) if label is None else label)
        for group, label in zip(groups.tolist(), labels, strict=True)
    )
