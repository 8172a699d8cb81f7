"""Rows that repeat each other: byte for byte, but for case and punctuation, or nearly; inside a split and across.

Repeats between train and test have undone published results (Barz & Denzler 2020, Do we train on test data?), and
repeats inside train teach models to recite (Lee et al. 2022, Deduplicating training data makes language models better).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from datasets import DatasetDict
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from classification.splits import text_keys
from classification.words import Words

# N rows, the splits' rows under each other; S shingles of all of them.

SHINGLE = 3  # words
PERMUTATIONS, BAND = 64, 4  # a pair as alike as 0.8 shares one of the 16 bands with probability 0.9998
NEAR = 0.8  # Jaccard index of two rows' shingles
FEWEST_SHINGLES = 5  # in shorter texts one other word is another meaning
CHUNK = 1 << 21  # shingles that are permuted at a time
EXACT, NORMALISED = "exact", "normalised"
LEVELS = (EXACT, NORMALISED, "near")


@dataclass(frozen=True)
class Repeats:
    """Which rows are one text: for each level the number of a row's group, int64 [N]. Groups of a level are unions of
    groups of the level before it.

    Args:
        split_of: the place in `splits` of the split of each row, int64 [N].
    """

    splits: tuple[str, ...]
    split_of: np.ndarray
    groups: dict[str, np.ndarray]

    @classmethod
    def find(cls, splits: DatasetDict, words: Words) -> Repeats:
        """Linear in the rows: rows with one key are a group, nearly equal ones come from `near_pairs`."""
        texts = [text for data in splits.values() for text in text_keys(data)]
        exact = group_numbers(texts)
        normalised = merge(exact, equal_words(texts, words))
        firsts = np.unique(normalised, return_index=True)[1]
        pairs = near_pairs(words.of_rows(firsts))
        near = connect(len(firsts), pairs)[normalised]
        split_of = np.repeat(np.arange(len(splits)), [len(data) for data in splits.values()])
        return cls(tuple(splits), split_of, dict(zip(LEVELS, (exact, normalised, near), strict=True)))

    def inside(self, split: str, level: str) -> np.ndarray:
        """The rows that repeat an earlier one of their split at this level and at none before it."""
        rows = self._rows_of(split)
        repeated = is_later(self.groups[level][rows])
        for before in self._before(level):
            repeated &= ~is_later(self.groups[before][rows])
        return rows[repeated]

    def across(self, first: str, second: str, level: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """For each text that stands in both splits at this level and at none before it: its rows in either."""
        groups, sides = self.groups[level], [self._rows_of(split) for split in (first, second)]
        shared = np.intersect1d(*(groups[rows] for rows in sides))
        for before in self._before(level):
            finer = self.groups[before]
            found = np.isin(finer, np.intersect1d(*(finer[rows] for rows in sides)))
            shared = np.setdiff1d(shared, groups[found])
        by_group = [rows_of_groups(groups[rows], rows, shared) for rows in sides]
        return [(by_group[0][group], by_group[1][group]) for group in shared.tolist()]

    def _rows_of(self, split: str) -> np.ndarray:
        return np.flatnonzero(self.split_of == self.splits.index(split))

    def _before(self, level: str) -> tuple[str, ...]:
        """The level before this one, if there is one."""
        place = LEVELS.index(level)
        return LEVELS[max(place - 1, 0) : place]

    def with_made_validation_in_train(self) -> Repeats:
        """The same rows as the data has them: a validation split that was split off train is a part of train."""
        names = tuple(name for name in self.splits if name != "validation")
        place = {name: names.index("train" if name == "validation" else name) for name in self.splits}
        return replace(self, splits=names, split_of=np.array([place[name] for name in self.splits])[self.split_of])

    def to_drop(self, *, duplicates: bool, leaked: bool, made: bool) -> np.ndarray:
        """Which rows of train repeat an earlier one, or stand in validation or test; nearly so included: bool [N].

        Args:
            made: whether validation was split off train; then it is searched too, for what stands in test.
        """
        groups, drop = self.groups[LEVELS[-1]], np.zeros(len(self.split_of), dtype=bool)
        of = {name: self.split_of == place for place, name in enumerate(self.splits)}
        source = of["train"] | of["validation"] if made else of["train"]
        if leaked:
            drop |= of["train"] & np.isin(groups, groups[~of["train"]])
            drop |= source & np.isin(groups, groups[~source])
        if duplicates:
            drop[np.flatnonzero(source)[is_later(groups[source])]] = True
        return drop


def group_numbers(keys: Sequence) -> np.ndarray:
    """Equal keys have equal numbers, counted up in the order of their first row: int64 [N]."""
    known: dict = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def is_later(groups: np.ndarray) -> np.ndarray:
    """Whether an earlier row has the same number, bool [N]."""
    later = np.ones(len(groups), dtype=bool)
    later[np.unique(groups, return_index=True)[1]] = False
    return later


def rows_of_groups(groups: np.ndarray, rows: np.ndarray, wanted: np.ndarray) -> dict[int, np.ndarray]:
    """The rows of each of the `wanted` groups."""
    found: dict[int, list[int]] = {group: [] for group in wanted.tolist()}
    chosen = np.isin(groups, wanted)
    for group, row in zip(groups[chosen].tolist(), rows[chosen].tolist(), strict=True):
        found[group].append(row)
    return {group: np.array(members) for group, members in found.items()}


def equal_words(texts: Sequence[str], words: Words) -> np.ndarray:
    """Numbers of groups of the same words in the same order, int64 [N]; a text without words is its own key."""
    ends = zip(words.offsets[:-1].tolist(), words.offsets[1:].tolist(), texts, strict=True)
    return group_numbers(words.ids[start:end].tobytes() if end > start else text for start, end, text in ends)


def merge(groups: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Rows that share a group in one or the other: int64 [N]."""
    size = int(groups.max(initial=-1)) + 1
    pairs = np.stack([groups, size + others], axis=1)
    return group_numbers(connect(size + int(others.max(initial=-1)) + 1, pairs)[groups].tolist())


def connect(count: int, pairs: np.ndarray) -> np.ndarray:
    """Numbers of the groups that `pairs` [P, 2] of `count` items make, int64 [count]."""
    edges = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)


# ---------------------------------------------------------------------------------------------------- near duplicates


def shingles(words: Words) -> Words:
    """A hash for every three words in a row, int64 as `ids` [S]; a text has as many as its words less two."""
    codes = np.random.default_rng(0).integers(1, 2**63, size=len(words.vocabulary) + 1, dtype=np.uint64)
    of_words = codes[words.ids]
    counts = np.maximum(words.counts - (SHINGLE - 1), 0)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    starts = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts) + np.repeat(words.offsets[:-1], counts)
    hashed = np.zeros(offsets[-1], dtype=np.uint64)
    for place in range(SHINGLE):
        hashed = mixed(hashed + of_words[starts + place])
    return Words(hashed.view(np.int64), offsets, [])


def mixed(numbers: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele et al. 2014): every bit of uint64 depends on every other."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def signatures(of_texts: Words) -> np.ndarray:
    """MinHash (Broder 1997): of every text the smallest of its shingles under each of 64 random orders, uint32 [N, 64].
    Two texts agree in a place with the probability of their Jaccard index. Every text has shingles."""
    factors = np.random.default_rng(1).integers(0, 2**63, size=PERMUTATIONS, dtype=np.uint64) | np.uint64(1)
    result = np.empty((len(of_texts), PERMUTATIONS), dtype=np.uint32)
    chunk = of_texts.offsets[:-1] // CHUNK  # the chunk in which a text begins
    for texts in np.split(np.arange(len(of_texts)), np.flatnonzero(np.diff(chunk)) + 1):
        part = of_texts.of_rows(texts)
        ids = part.ids.view(np.uint64)
        for place, factor in enumerate(factors):  # multiply-shift (Dietzfelbinger et al. 1997)
            permuted = ((ids * factor) >> np.uint64(32)).astype(np.uint32)
            result[texts, place] = np.minimum.reduceat(permuted, part.offsets[:-1])
    return result


def near_pairs(words: Words) -> np.ndarray:
    """Pairs of texts whose shingles have a Jaccard index of at least 0.8, int64 [P, 2], found by locality-sensitive
    hashing (Indyk & Motwani 1998): texts that agree in a band of four places are compared, each with the first and the
    one before it in its bucket, so that the work stays linear however large a bucket is."""
    of_texts = shingles(words)
    long = np.flatnonzero(of_texts.counts >= FEWEST_SHINGLES)
    of_texts = of_texts.of_rows(long)
    if not len(long):
        return np.empty((0, 2), dtype=np.int64)
    candidates = []
    for band in np.split(signatures(of_texts), PERMUTATIONS // BAND, axis=1):
        order = np.lexsort(band.T)
        same = np.concatenate([[False], (band[order][1:] == band[order][:-1]).all(axis=1)])
        first = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
        places = np.flatnonzero(same)
        for others in (places - 1, first[places]):
            candidates.append(np.stack([order[others], order[places]], axis=1))
    candidates = np.unique(np.sort(np.concatenate(candidates), axis=1), axis=0)
    alike = [jaccard(of_texts, *pair) >= NEAR for pair in candidates.tolist()]
    return long[candidates[np.array(alike, dtype=bool)]]


def jaccard(of_texts: Words, one: int, other: int) -> float:
    """Shingles that two texts share, of those that either has."""
    sets = [set(of_texts.ids[of_texts.offsets[row] : of_texts.offsets[row + 1]].tolist()) for row in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])
