"""Texts in an order of preference, without copies and near copies of those before them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

import numpy as np

from classification.data.near_copies import BAND, MIN_JACCARD, PERMUTATIONS, jaccard, long_texts, signatures
from classification.data.words import Words, normalised

# N rows.


def choose_distinct(columns: Sequence[Sequence[str]], count: int) -> tuple[list[int], int]:
    """The first `count` rows that repeat no row chosen before, and how many rows were left out as copies.

    A row repeats another one if each of its texts does: equal but for case, spaces, commas and markup, or, from seven
    words on, a Jaccard index of the word triples of at least 0.8.

    Args:
        columns: the texts of a column [N], one per text of a row, the best row first.
    """
    texts = [ComparedTexts(column) for column in columns]
    chosen: list[int] = []
    left_out = 0
    by_key: dict[Hashable, list[int]] = {}  # the chosen rows with a common key
    for row in range(len(columns[0])):
        if len(chosen) == count:
            break
        keys = list(texts[0].keys(row))
        rivals = {other for key in keys for other in by_key.get(key, ())}
        if any(all(text.are_alike(other, row) for text in texts) for other in rivals):
            left_out += 1
            continue
        chosen.append(row)
        for key in keys:
            by_key.setdefault(key, []).append(row)
    return chosen, left_out


class ComparedTexts:
    """The texts of one column, ready to be compared: texts that are alike have a key in common."""

    def __init__(self, texts: Sequence[str]):
        self.plain = [normalised(text) for text in texts]
        self.words = Words.from_texts(texts)
        long = long_texts(self.words)
        self.places = dict(zip(long.tolist(), range(len(long)), strict=True))
        empty = np.empty((0, PERMUTATIONS), dtype=np.uint32)
        self.signatures = signatures(self.words.of_rows(long)) if len(long) else empty

    def keys(self, row: int) -> Iterator[Hashable]:
        yield self.plain[row]
        if row in self.places:
            for band, values in enumerate(np.split(self.signatures[self.places[row]], PERMUTATIONS // BAND)):
                yield band, values.tobytes()

    def are_alike(self, one: int, other: int) -> bool:
        if self.plain[one] == self.plain[other]:
            return True
        return one in self.places and other in self.places and jaccard(self.words, one, other) >= MIN_JACCARD
