"""Rows that repeat each other: byte for byte, but for case, spaces, commas and the like, or nearly; inside a split and
across.

Repeats between train and test have undone published results (Barz & Denzler 2020, Do we train on test data?), and
repeats inside train teach models to recite (Lee et al. 2022, Deduplicating training data makes language models better).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from datasets import DatasetDict
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from classification.data.quality.words import Words, plain
from classification.data.splitting import text_columns, text_keys

# N rows, the splits' rows under each other; S shingles.

SHINGLE = 3  # words
PERMUTATIONS, BAND = 64, 4  # a pair as alike as 0.8 shares one of the 16 bands with probability 0.9998
NEAR = 0.8  # Jaccard index of two rows' shingles
FEWEST_WORDS = 7  # in shorter texts one other word is another meaning; two letters of Chinese are taken for a word
HALF_A_DEVIATION = 0.5  # of numbers: farther apart they contradict each other
EXACT, NORMALISED = "exact", "normalised"
LEVELS = (EXACT, NORMALISED, "near")
# Not ! ? :) + # and others that say something.
IGNORED = str.maketrans(dict.fromkeys('.,;"\u201c\u201d\u2026\u3002', " ") | dict.fromkeys("'`\u2018", ""))


@dataclass(frozen=True)
class Repeats:
    """Which rows are one text: for each level the number of a row's group, int64 [N]. Groups of a level are unions of
    groups of the level before it.

    Args:
        split_of: the place in `splits` of the split of each row, int64 [N].
        classes: of each row; of numbers, in steps of half a deviation; None without a label.
    """

    splits: tuple[str, ...]
    split_of: np.ndarray
    groups: dict[str, np.ndarray]
    classes: list[Hashable]

    @classmethod
    def find(cls, splits: DatasetDict) -> Repeats:
        """Linear in the rows: rows with one key are a group, nearly equal ones come from `near_pairs`. Of a pair, both
        texts must be alike. Nearly equal rows of different classes are no repeats: minimal pairs are made so."""
        exact = group_numbers(key for data in splits.values() for key in text_keys(data))
        columns = text_columns(next(iter(splits.values())))
        of_columns = [[text for data in splits.values() for text in data[name]] for name in columns]
        keys = [[normalised(text) for text in texts] for texts in of_columns]
        normal = group_numbers(zip(*keys, strict=True))
        firsts = np.unique(normal, return_index=True)[1]
        alike = [
            alike_texts([key[row] for row in firsts], [texts[row] for row in firsts])
            for key, texts in zip(keys, of_columns, strict=True)
        ]
        classes = [
            round(label / HALF_A_DEVIATION) if isinstance(label, float) else label
            for data in splits.values()
            for label in labels_of(data)
        ]
        near = with_one_label(group_numbers(zip(*alike, strict=True)), [classes[row] for row in firsts])
        split_of = np.repeat(np.arange(len(splits)), [len(data) for data in splits.values()])
        return cls(tuple(splits), split_of, dict(zip(LEVELS, (exact, normal, near[normal]), strict=True)), classes)

    def inside(self, split: str, level: str) -> np.ndarray:
        """The rows that repeat an earlier one of their split at this level and at none before it."""
        rows = self.rows_of(split)
        repeated = is_later(self.groups[level][rows])
        for before in self._before(level):
            repeated &= ~is_later(self.groups[before][rows])
        return rows[repeated]

    def across(self, first: str, second: str, level: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows of either split whose text the other one has too, at this level and at none before it."""
        sides = [self.rows_of(first), self.rows_of(second)]
        found = []
        for rows, others in (sides, sides[::-1]):
            shared = np.isin(self.groups[level][rows], self.groups[level][others])
            for before in self._before(level):
                shared &= ~np.isin(self.groups[before][rows], self.groups[before][others])
            found.append(rows[shared])
        return found[0], found[1]

    def rows_of(self, split: str) -> np.ndarray:
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

    def to_drop(self, *, duplicates: bool, leaked: bool) -> np.ndarray:
        """The rows of train, by their place there, that repeat an earlier one of their class, or stand in another
        split; nearly so included. One text with two labels stays: which of them is right, only its owner can say."""
        groups, rows = self.groups[LEVELS[-1]], self.rows_of("train")
        drop = np.zeros(len(rows), dtype=bool)
        if leaked:
            drop |= np.isin(groups[rows], np.delete(groups, rows))
        if duplicates:
            drop |= is_later(group_numbers((groups[row], self.classes[row]) for row in rows.tolist()))
        return np.flatnonzero(drop)


def labels_of(data) -> list:
    """Of each row, None where there is none; lists as tuples."""
    if "label" not in data.column_names:
        return [None] * len(data)
    return [tuple(label) if isinstance(label, list) else label for label in data["label"]]


def normalised(text: str) -> str:
    """A text without case, width, markup, spaces beyond one, commas, full stops and quotation marks; or, where that
    leaves nothing, the text."""
    return " ".join(plain(text).translate(IGNORED).split()) or text


def group_numbers(keys) -> np.ndarray:
    """Equal keys have equal numbers, counted up in the order of their first row: int64 [N]."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(key, len(known)) for key in keys], dtype=np.int64)


def is_later(groups: np.ndarray) -> np.ndarray:
    """Whether an earlier row has the same number, bool [N]."""
    later = np.ones(len(groups), dtype=bool)
    later[np.unique(groups, return_index=True)[1]] = False
    return later


def with_one_label(groups: np.ndarray, labels: Sequence) -> np.ndarray:
    """Groups parted by label; a row without one belongs to the first that its group has: int64 [N]."""
    first: dict[int, Hashable] = {}
    for group, label in zip(groups.tolist(), labels, strict=True):
        if label is not None:
            first.setdefault(group, label)
    return group_numbers(
        (group, first.get(group) if label is None else label)
        for group, label in zip(groups.tolist(), labels, strict=True)
    )


def connect(count: int, pairs: np.ndarray) -> np.ndarray:
    """Numbers of the groups that `pairs` [P, 2] of `count` items make, int64 [count]."""
    edges = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return connected_components(edges, directed=False)[1].astype(np.int64)


# ---------------------------------------------------------------------------------------------------- near duplicates


def alike_texts(keys: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Numbers of groups of texts with equal keys, or nearly equal ones, int64 [N]."""
    groups = group_numbers(keys)
    firsts = np.unique(groups, return_index=True)[1]
    return connect(len(firsts), near_pairs(Words.of([texts[row] for row in firsts])))[groups]


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


def signatures(words: Words) -> np.ndarray:
    """MinHash (Broder 1997): of every text the smallest of its shingles under each of 64 random orders, uint32 [N, 64].
    Two texts agree in a place with the probability of their Jaccard index. Every text has three words."""
    factors = np.random.default_rng(1).integers(0, 2**63, size=PERMUTATIONS, dtype=np.uint64) | np.uint64(1)
    result = np.empty((len(words), PERMUTATIONS), dtype=np.uint32)
    for rows, part in words.chunks():
        of_texts = shingles(part)
        ids = of_texts.ids.view(np.uint64)
        for place, factor in enumerate(factors):  # multiply-shift (Dietzfelbinger et al. 1997)
            permuted = ((ids * factor) >> np.uint64(32)).astype(np.uint32)
            result[rows, place] = np.minimum.reduceat(permuted, of_texts.offsets[:-1])
    return result


def near_pairs(words: Words) -> np.ndarray:
    """Pairs of texts whose shingles have a Jaccard index of at least 0.8, int64 [P, 2], found by locality-sensitive
    hashing (Indyk & Motwani 1998): texts that agree in a band of four places are compared, each with the first and the
    one before it in its bucket, so that the work stays linear however large a bucket is."""
    weights = np.array([0.5 if len(word) == 1 and not word.isascii() else 1.0 for word in words.vocabulary])
    totals = np.zeros(len(words))
    for rows, part in words.chunks():
        totals[rows] = np.bincount(part.rows, weights=weights[part.ids], minlength=len(rows))
    long = np.flatnonzero(totals >= FEWEST_WORDS)
    if not len(long):
        return np.empty((0, 2), dtype=np.int64)
    words, candidates = words.of_rows(long), []
    for band in np.split(signatures(words), PERMUTATIONS // BAND, axis=1):
        order = np.lexsort(band.T)
        same = np.concatenate([[False], (band[order][1:] == band[order][:-1]).all(axis=1)])
        first = np.maximum.accumulate(np.where(same, 0, np.arange(len(order))))
        places = np.flatnonzero(same)
        for others in (places - 1, first[places]):
            candidates.append(np.stack([order[others], order[places]], axis=1))
    candidates = np.unique(np.sort(np.concatenate(candidates), axis=1), axis=0)
    alike = [jaccard(words, *pair) >= NEAR for pair in candidates.tolist()]
    return long[candidates[np.array(alike, dtype=bool)]]


def jaccard(words: Words, one: int, other: int) -> float:
    """Shingles that two texts share, of those that either has."""
    both = [words.of_text(row) for row in (one, other)]
    sets = [{tuple(text[place : place + SHINGLE]) for place in range(len(text) - SHINGLE + 1)} for text in both]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])
