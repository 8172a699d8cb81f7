"""The words of a text with their character offsets, and which word each token of the model belongs to.

A word is what a reader takes for one: letters and digits with their accents, else one visible character (a sign, a
picture). Where a token covers several of these, as in scripts without spaces, they are one word.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import regex

from classification.data.words import LETTERS

# T tokens of a text (not of its special tokens), W words of the text.

NUMBER = r"\p{Nd}++(?:[.,:]\p{Nd}++)++"  # 3.5 is one word
PIECE = regex.compile(rf"{NUMBER}|{LETTERS}(?:['’]{LETTERS})*+|\X", regex.V1)


@dataclass(frozen=True)
class Spans:
    """The words of a text.

    Args:
        bounds: start and end of each word in the original text, in characters, [W].
        word_of: the word of each token, int64 [T]; -1 where the text has no word at all.
    """

    bounds: tuple[tuple[int, int], ...]
    word_of: np.ndarray

    def sums(self, scores: np.ndarray) -> np.ndarray:
        """The sum of the scores [T] of each word's tokens, [W]; every token counts once."""
        known = self.word_of >= 0
        return np.bincount(self.word_of[known], weights=scores[known], minlength=len(self.bounds))

    def is_read(self, tokens: np.ndarray) -> np.ndarray:
        """Which words have one of the tokens that `tokens` [T] is true for, bool [W]."""
        found = np.zeros(len(self.bounds), dtype=bool)
        found[self.word_of[tokens & (self.word_of >= 0)]] = True
        return found


def find_spans(text: str, offsets: Sequence[tuple[int, int]]) -> Spans:
    """The words of a text, by the start and end of each of its tokens [T].

    A byte-level token begins with the space before its word. A token of spaces or of nothing counts for the word that
    follows it, at the end for the last one.

    >>> find_spans("It's 很好!", [(0, 2), (2, 4), (4, 7), (7, 8)]).bounds
    ((0, 4), (5, 7), (7, 8))
    """
    pieces = [match.span() for match in PIECE.finditer(text) if not match.group().isspace()]
    bounds = merge(pieces, offsets)
    ends = [end for _, end in bounds]
    word_of = [min(bisect_right(ends, start), len(ends) - 1) for start, _ in offsets]
    return Spans(tuple(bounds), np.array(word_of, dtype=np.int64))


def merge(pieces: Sequence[tuple[int, int]], tokens: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pieces, those joined that one token covers."""
    starts, ends = [start for start, _ in pieces], [end for _, end in pieces]
    joined = [False] * len(pieces)  # to the piece before
    for start, end in tokens:
        if start < end:
            first, last = bisect_right(ends, start), bisect_left(starts, end)
            joined[first + 1 : last] = [True] * (last - first - 1)
    bounds: list[tuple[int, int]] = []
    for (start, end), with_last in zip(pieces, joined, strict=True):
        bounds[len(bounds) - with_last :] = [(bounds[-1][0] if with_last else start, end)]
    return bounds
