"""The words of all texts as numbers, so that checks over them are array operations: 50,000 reviews in seconds."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

# N texts, W words of all of them.

ELEMENTS = (
    "a|abbr|article|b|big|blockquote|body|br|button|center|code|dd|div|dl|dt|em|font|footer|form|h[1-6]|head|header|hr|html|i|"
    "iframe|img|input|label|li|link|main|meta|nav|ol|option|p|pre|s|script|section|select|small|span|strike|strong|style|"
    "sub|sup|table|tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|video"
)
ATTRIBUTE = r"""\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s<>"']+)"""
TAG = re.compile(rf"</?(?:{ELEMENTS})(?:{ATTRIBUTE})*\s*/?>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE)
# Scripts without spaces between words (Thai, Lao, Burmese, Khmer, Japanese, Chinese) and pictures: each character is a
# word.
ALONE = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\U00020000-\U0003ffff\u2600-\u27bf\u2b00-\u2bff\U0001f300-\U0001faff"
)
# Accents and the vowel signs of Hebrew, Arabic and Indic scripts are for Python no part of a word.
MARKS = "".join(re.escape(chr(code)) for code in range(0x300, 0xFFFF) if unicodedata.category(chr(code))[0] == "M")
LETTERS = rf"(?:[^\W_{ALONE}][{MARKS}]*)+"
WORD = re.compile(rf"[{ALONE}]|{LETTERS}(?:'{LETTERS})*")  # don't is one word
CHUNK = 1 << 21  # words that are looked at together


def split_words(text: str) -> list[str]:
    """The words of a text, without case, width (NFKC), punctuation and markup.

    >>> split_words("It’s <b>GOOD</b>, 很好!")
    ["it's", 'good', '很', '好']
    """
    return WORD.findall(plain(text))


def plain(text: str) -> str:
    """A text without case, width (NFKC) and markup."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return (TAG.sub(" ", text) if "<" in text else text).casefold()


@dataclass(frozen=True)
class Words:
    """The words of N texts under each other: `ids` int32 [W] into `vocabulary`; those of text i stand from
    `offsets[i]` to `offsets[i + 1]`, int64 [N + 1]."""

    ids: np.ndarray
    offsets: np.ndarray
    vocabulary: list[str]

    @classmethod
    def of(cls, texts: Sequence[str]) -> Words:
        known: defaultdict[str, int] = defaultdict()
        known.default_factory = known.__len__  # a new word gets the next number
        ids, offsets = array("i"), array("q", [0])
        for text in texts:
            ids.extend(map(known.__getitem__, split_words(text)))
            offsets.append(len(ids))
        return cls(np.array(ids, dtype=np.int32), np.array(offsets, dtype=np.int64), list(known))

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

    def of_text(self, row: int) -> list[int]:
        return self.ids[self.offsets[row] : self.offsets[row + 1]].tolist()

    def chunks(self) -> Iterator[tuple[np.ndarray, Words]]:
        """The texts in parts of about two million words, as row numbers and their words: memory stays small."""
        chunk = self.offsets[:-1] // CHUNK  # the one in which a text begins
        for rows in np.split(np.arange(len(self)), np.flatnonzero(np.diff(chunk)) + 1):
            yield rows, self.of_rows(rows)
