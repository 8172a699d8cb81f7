"""Numbers for equal texts, labels and combinations of both: 8 bytes per row, whatever the length of the texts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence

import numpy as np
from datasets import DatasetDict

from classification.data.corpus import batches_of
from classification.data.regression import CONFLICT

# N rows.

NO_LABEL = -1


def text_numbers(splits: DatasetDict, column: str, *keys: Callable[[str], str]) -> list[np.ndarray]:
    """For each key function: numbers of the texts of all splits with equal keys, int64 [N].

    Texts are compared by hashes of 128 bits, so that none of them stays in memory.
    """
    hashes = [bytearray() for _ in keys]
    for data in splits.values():
        for batch in batches_of(data, column):
            for digests, key in zip(hashes, keys, strict=True):
                digests += b"".join(digest(key(text)) for text in batch[column])
    return [joint_numbers(*np.frombuffer(digests, dtype=np.uint64).reshape(-1, 2).T) for digests in hashes]


def digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def class_numbers(splits: DatasetDict) -> np.ndarray:
    """Numbers of the labels of all splits, int64 [N]; `NO_LABEL` for a row without one.

    Regression targets have one number for each step of half a standard deviation.
    """
    known: dict[Hashable, int] = {}
    numbers: list[int] = []
    for data in splits.values():
        if "label" not in data.column_names:
            numbers += [NO_LABEL] * len(data)
            continue
        for batch in batches_of(data, "label"):
            classes = map(class_of, batch["label"])
            numbers += [NO_LABEL if label is None else known.setdefault(label, len(known)) for label in classes]
    return np.array(numbers, dtype=np.int64)


def class_of(label: float | int | Sequence | None) -> Hashable:
    if isinstance(label, float):
        return round(label / CONFLICT)
    return tuple(label) if isinstance(label, list) else label


def joint_numbers(*columns: np.ndarray) -> np.ndarray:
    """Rows that are equal in every column have equal numbers, counted in the order of their first rows: int64 [N]."""
    if len(columns) == 1:
        _, firsts, groups = np.unique(columns[0], return_index=True, return_inverse=True)
    else:
        order = np.lexsort(columns[::-1])  # stable: the first row of a group stays its first
        changes = np.zeros(len(order), dtype=bool)
        changes[:1] = True
        for column in columns:
            changes[1:] |= column[order][1:] != column[order][:-1]
        firsts, groups = order[changes], np.empty(len(order), dtype=np.int64)
        groups[order] = np.cumsum(changes) - 1
    numbers = np.empty(len(firsts), dtype=np.int64)
    numbers[np.argsort(firsts)] = np.arange(len(firsts))
    return numbers[groups]


def is_later(groups: np.ndarray) -> np.ndarray:
    """Whether an earlier row has the same number, bool [N]."""
    later = np.ones(len(groups), dtype=bool)
    later[np.unique(groups, return_index=True)[1]] = False
    return later


def first_rows(groups: np.ndarray, rows: np.ndarray) -> dict[int, int]:
    """The first of `rows` in each group."""
    firsts = rows[~is_later(groups[rows])]
    return dict(zip(groups[firsts].tolist(), firsts.tolist(), strict=True))


def divide_by_label(groups: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Groups divided by label; a row without a label gets the first label of its group: int64 [N]."""
    first = np.full(groups.max(initial=-1) + 1, NO_LABEL)
    labelled = np.flatnonzero(labels != NO_LABEL)[::-1]  # from the last to the first, which is kept
    first[groups[labelled]] = labels[labelled]
    return joint_numbers(groups, np.where(labels == NO_LABEL, first[groups], labels))
