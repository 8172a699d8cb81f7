"""Texts cut to a length or to a budget that they share; a cut never divides what a reader sees as one character."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence

import numpy as np

JOINER = "\u200d"


def cut_text(text: str, length: int) -> str:
    """At most the first `length` characters, without a part of a cluster (accents, emoji) at the end.

    >>> cut_text("cafe\\u0301s", 4)
    'caf'
    """
    if len(text) <= length:
        return text
    end = max(length, 0)
    while end and (continues(text[end]) or text[end - 1] == JOINER):
        end -= 1
    return text[: end or length]


def shortened(text: str, length: int) -> str:
    """The text, or where it is longer than `length`, its beginning and an ellipsis."""
    return text if len(text) <= length else f"{cut_text(text, length - 1)}…"


def continues(character: str) -> bool:
    """Whether a character belongs to the one before it: a mark, a joiner, a variation selector, a skin tone."""
    is_tone = "\U0001f3fb" <= character <= "\U0001f3ff"
    return character == JOINER or is_tone or unicodedata.category(character) in ("Mn", "Mc", "Me")


def encoded_size(text: str) -> int:
    """Bytes of a text in a page, as JSON or as HTML: signs with a meaning there are written with up to 6 bytes."""
    plain = len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace"))
    return plain + 5 * sum(text.count(sign) for sign in "<>&'")


def fit_texts(texts: Sequence[str], budget: int) -> list[str]:
    """The texts, the longest ones cut so that all together need at most `budget` bytes in a page."""
    sizes = np.array([encoded_size(text) for text in texts], dtype=np.int64)
    if sizes.sum() <= budget:
        return list(texts)
    limit = highest_limit(sizes, budget)
    return [text if size <= limit else cut_to_size(text, int(limit)) for text, size in zip(texts, sizes, strict=True)]


def highest_limit(sizes: np.ndarray, budget: int) -> int:
    """The largest size to which all larger ones can be cut so that the sum keeps within the budget."""
    ascending = np.sort(sizes)
    left, count = budget, len(ascending)
    for place, size in enumerate(ascending.tolist()):
        if size * (count - place) > left:
            return max(0, left // (count - place))
        left -= size
    return int(ascending[-1]) if count else 0


def cut_to_size(text: str, limit: int) -> str:
    """The longest beginning of a text that needs at most `limit` bytes in a page."""
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if encoded_size(text[:middle]) <= limit else (low, middle - 1)
    return cut_text(text, low) if low else ""
