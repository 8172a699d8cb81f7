"""The words of all texts as numbers, so that checks are array operations: 50,000 reviews take seconds."""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import regex

# N texts, W words of all of them.

ELEMENTS = (
    "a|abbr|article|b|big|blockquote|body|br|button|center|code|dd|div|dl|dt|em|font|footer|form|h[1-6]|head|header|hr|html|i|"
    "iframe|img|input|label|li|link|main|meta|nav|ol|option|p|pre|s|script|section|select|small|span|strike|strong|style|"
    "sub|sup|table|tbody|td|textarea|tfoot|th|thead|title|tr|tt|u|ul|video"
)
ATTRIBUTE = r"""\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s<>"']+)"""
TAG = re.compile(rf"</?(?:{ELEMENTS})(?:{ATTRIBUTE})*\s*/?>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
ENTITY = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6}|#x[0-9a-f]{1,5});", re.IGNORECASE)
# Scripts without spaces between words, and pictures: each character is a word.
ALONE = r"\p{Thai}\p{Lao}\p{Myanmar}\p{Khmer}\p{Hiragana}\p{Katakana}\p{Han}\p{So}"
LETTERS = rf"(?:[[\p{{L}}\p{{N}}]--[{ALONE}]]\p{{M}}*+)++"  # with accents, and vowel signs of Hebrew, Arabic or Hindi
WORD = regex.compile(rf"[{ALONE}]|{LETTERS}(?:'{LETTERS})*+", regex.V1)  # don't is one word
ASCII_WORD = re.compile("[a-z0-9]+(?:'[a-z0-9]+)*")  # the same for ASCII in lower case, 4 times faster
# Not ! ? :) + # and others that carry meaning.
IGNORED = str.maketrans(dict.fromkeys('.,;"\u201c\u201d\u2026\u3002', " ") | dict.fromkeys("'`\u2018", ""))
CHUNK = 1 << 21  # words that checks process together


def split_words(text: str) -> list[str]:
    """The words of a text, without case, width (NFKC), punctuation and markup.

    >>> split_words("It’s <b>GOOD</b>, 很好!")
    ["it's", 'good', '很', '好']
    """
    text = plain(text)
    return (ASCII_WORD if text.isascii() else WORD).findall(text)


def plain(text: str) -> str:
    """A text without case, width (NFKC) and markup."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    return (TAG.sub(" ", text) if "<" in text else text).casefold()


def normalised(text: str) -> str:
    """A text without case, width, markup, repeated spaces, commas, full stops and quotation marks; the text itself if
    nothing else is in it."""
    return " ".join(plain(text).translate(IGNORED).split()) or text


@dataclass(frozen=True)
class Words:
    """The words of N texts, concatenated.

    Args:
        ids: places in `vocabulary`, int32 [W].
        offsets: the words of text i are `ids[offsets[i]:offsets[i + 1]]`, int64 [N + 1].
    """

    ids: np.ndarray
    offsets: np.ndarray
    vocabulary: list[str]

    @classmethod
    def from_texts(cls, texts: Iterable[str]) -> Words:
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
        """The text of each word, int64 [W]."""
        return np.repeat(np.arange(len(self)), self.counts)

    def of_rows(self, rows: np.ndarray) -> Words:
        """The words of some of the texts, with the same vocabulary."""
        starts, counts = self.offsets[rows], self.counts[rows]
        offsets = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts) + np.repeat(starts, counts)
        return Words(self.ids[places], offsets, self.vocabulary)

    def of_text(self, row: int) -> list[int]:
        """The word ids of one text."""
        return self.ids[self.offsets[row] : self.offsets[row + 1]].tolist()

    def chunks(self) -> Iterator[tuple[np.ndarray, Words]]:
        """The texts in parts of about two million words, to keep memory small: row numbers and their words."""
        chunk = self.offsets[:-1] // CHUNK  # in which each text begins
        for rows in np.split(np.arange(len(self)), np.flatnonzero(np.diff(chunk)) + 1):
            yield rows, self.of_rows(rows)
