"""The words of all texts as numbers, so that checks over them are array operations: 50,000 reviews in seconds."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# N texts, W words of all of them.

TAG = re.compile(r"</?[a-z][^<>]*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE)
# Scripts without spaces between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese) and pictures: each character is a
# word.
ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff\u2600-\u27bf\U0001f300-\U0001faff"
)
# Accents and the vowel signs of Hebrew, Arabic and Indic scripts are for Python no part of a word.
MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962-\u0963"
LETTERS = rf"(?:[^\W_{ALONE}][{MARKS}]*)+"
WORD = re.compile(rf"[{ALONE}]|{LETTERS}(?:'{LETTERS})*")  # don't is one word


def split_words(text: str) -> list[str]:
    """The words of a text, without case, width (NFKC), punctuation and markup.

    >>> split_words("It’s <b>GOOD</b>, 很好!")
    ["it's", 'good', '很', '好']
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return WORD.findall(TAG.sub(" ", text).casefold() if "<" in text else text.casefold())


@dataclass(frozen=True)
class Words:
    """The words of N texts under each other: `ids` int64 [W] into `vocabulary`; those of text i stand from
    `offsets[i]` to `offsets[i + 1]`, int64 [N + 1]."""

    ids: np.ndarray
    offsets: np.ndarray
    vocabulary: list[str]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Words:
        known: defaultdict[str, int] = defaultdict()
        known.default_factory = known.__len__  # a new word gets the next number
        ids, offsets = array("q"), array("q", [0])
        for text in texts:
            ids.extend(map(known.__getitem__, split_words(text)))
            offsets.append(len(ids))
        return cls(np.array(ids, dtype=np.int64), np.array(offsets, dtype=np.int64), list(known))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def counts(self) -> np.ndarray:
        """Words of each text, int64 [N]."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> np.ndarray:
        """The text that each word is from, int64 [W]."""
        return np.repeat(np.arange(len(self)), self.counts)

    def of_rows(self, rows: np.ndarray) -> Words:
        """The words of some of the texts, under the same vocabulary."""
        starts, counts = self.offsets[rows], self.counts[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts) + np.repeat(starts, counts)
        return Words(self.ids[places], offsets, self.vocabulary)
