"""Texts that are nearly equal: pairs with a large share of common word triples, found by MinHash in linear time.

The library `datasketch` (2.0) finds the same 440 groups in 50,000 IMDB reviews, but takes 18 s on one core (7 s with
the hashes of `shingle_hashes`) instead of 2 s, and its time is quadratic in the rows of one template.
"""

from __future__ import annotations

import numpy as np

from classification.data.words import Words

# N texts, S shingles of all of them, P pairs.

SHINGLE = 3  # words
PERMUTATIONS, BAND = 64, 4  # a pair with Jaccard index 0.8 shares one of the 16 bands with probability 0.9998
MIN_JACCARD = 0.8  # of the shingles of two texts
MIN_WORDS = 7  # in shorter texts one other word changes the meaning; two Chinese characters count as one word


def near_pairs(words: Words) -> np.ndarray:
    """Pairs of texts whose shingles have a Jaccard index of at least 0.8, int64 [P, 2].

    Found by locality-sensitive hashing (Indyk & Motwani 1998): texts that agree in a band of four places are compared.
    In each bucket a text is compared with the first one and the one before it only, so that the work is linear however
    large a bucket is.
    """
    long = long_texts(words)
    if not len(long):
        return np.empty((0, 2), dtype=np.int64)
    words, candidates = words.of_rows(long), []
    for band in np.split(signatures(words), PERMUTATIONS // BAND, axis=1):
        order = np.lexsort(band.T)
        is_same = np.concatenate([[False], (band[order][1:] == band[order][:-1]).all(axis=1)])
        first = np.maximum.accumulate(np.where(is_same, 0, np.arange(len(order))))
        places = np.flatnonzero(is_same)
        for others in (places - 1, first[places]):
            candidates.append(np.stack([order[others], order[places]], axis=1))
    pairs = np.unique(np.sort(np.concatenate(candidates), axis=1), axis=0)
    is_near = [jaccard(words, one, other) >= MIN_JACCARD for one, other in pairs.tolist()]
    return long[pairs[np.array(is_near, dtype=bool)]]


def long_texts(words: Words) -> np.ndarray:
    """The texts with at least `MIN_WORDS` words: only these are compared, int64."""
    weights = np.array([0.5 if len(word) == 1 and not word.isascii() else 1.0 for word in words.vocabulary])
    lengths = np.zeros(len(words))
    for rows, part in words.chunks():
        lengths[rows] = np.bincount(part.rows, weights=weights[part.ids], minlength=len(rows))
    return np.flatnonzero(lengths >= MIN_WORDS)


def jaccard(words: Words, one: int, other: int) -> float:
    """The share of common shingles of two texts."""
    texts = [words.of_text(row) for row in (one, other)]
    first, second = ({tuple(text[i : i + SHINGLE]) for i in range(len(text) - SHINGLE + 1)} for text in texts)
    return len(first & second) / len(first | second)


def signatures(words: Words) -> np.ndarray:
    """MinHash (Broder 1997): the smallest hash of each text's shingles under 64 random orders, uint32 [N, 64].

    Two texts agree in a place with the probability of their Jaccard index. Every text must have three words.
    """
    factors = np.random.default_rng(1).integers(0, 2**63, size=PERMUTATIONS, dtype=np.uint64) | np.uint64(1)
    result = np.empty((len(words), PERMUTATIONS), dtype=np.uint32)
    for rows, part in words.chunks():
        hashes, offsets = shingle_hashes(part)
        for place, factor in enumerate(factors):  # multiply-shift (Dietzfelbinger et al. 1997)
            permuted = ((hashes * factor) >> np.uint64(32)).astype(np.uint32)
            result[rows, place] = np.minimum.reduceat(permuted, offsets[:-1])
    return result


def shingle_hashes(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """A hash of every three consecutive words, uint64 [S]; text i has those from `offsets[i]` to `offsets[i + 1]`,
    int64 [N + 1]."""
    codes = np.random.default_rng(0).integers(1, 2**63, size=len(words.vocabulary) + 1, dtype=np.uint64)
    word_codes = codes[words.ids]
    counts = np.maximum(words.counts - (SHINGLE - 1), 0)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    starts = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts) + np.repeat(words.offsets[:-1], counts)
    hashes = np.zeros(offsets[-1], dtype=np.uint64)
    for place in range(SHINGLE):
        hashes = mixed(hashes + word_codes[starts + place])
    return hashes, offsets


def mixed(numbers: np.ndarray) -> np.ndarray:
    """The finaliser of splitmix64 (Steele et al. 2014): every bit of uint64 depends on every other."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
