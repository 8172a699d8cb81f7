"""What a notebook gives a classifier: a text, texts, or pairs of texts; anything else is refused with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from classification.data.unreadable_texts import HALF, is_blank
from classification.errors import UsageError
from classification.messages.shown_texts import quoted

Texts = str | Iterable[str] | Iterable[tuple[str, str]]
Pairs = str | Iterable[str] | None
LONGEST_EXAMPLE = 40  # characters


@dataclass(frozen=True)
class GivenTexts:
    """N texts, and their second texts where they are pairs. `is_one`: a text alone, not a list of one."""

    texts: list[str]
    pairs: list[str] | None
    is_one: bool


def read_texts(texts: Any, pairs: Any = None) -> GivenTexts:
    """Check and sort what was given.

    Raises:
        UsageError: a value that is no text, a blank text, or texts without their pairs.
    """
    if isinstance(texts, str):
        if not (pairs is None or isinstance(pairs, str)):
            raise UsageError("pairs: one text has one second text. Pass a string, or a list of texts.")
        both = None if pairs is None else [check_text(pairs, "the second text", may_be_blank=True)]
        return GivenTexts([check_text(texts, "the text")], both, True)
    if isinstance(texts, Mapping | bytes) or not isinstance(texts, Iterable):
        raise UsageError(f"{type(texts).__name__}: is no text and no list of texts. Pass a string or a list.")
    items = list(texts)
    if pairs is None and items and not isinstance(items[0], str) and is_pair(items[0]):
        for place, item in enumerate(items):
            if isinstance(item, str) or not is_pair(item):
                raise UsageError(f"text {place}: is no pair (text, second text), and the first one is. Make all pairs.")
        first, second = ([item[side] for item in items] for side in (0, 1))
    else:
        first, second = items, pairs
        if isinstance(second, str | Mapping | bytes) or not (second is None or isinstance(second, Iterable)):
            raise UsageError("pairs: there are several texts. Pass a list with the second text of each.")
        second = None if second is None else list(second)
    if second is not None and len(second) != len(first):
        raise UsageError(f"pairs: {len(second)} second texts for {len(first)} texts. Pass one for each.")
    checked = [check_text(text, f"text {place}") for place, text in enumerate(first)]
    if second is not None:
        second = [check_text(text, f"second text {i}", may_be_blank=True) for i, text in enumerate(second)]
    return GivenTexts(checked, second, False)


def is_pair(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2


def check_text(value: Any, place: str, *, may_be_blank: bool = False) -> str:
    """The value itself, where it is a text.

    Raises:
        UsageError: it is not; or it is blank, and may not be.
    """
    if not isinstance(value, str):
        example = f" ({quoted(value, LONGEST_EXAMPLE)})"
        raise UsageError(f"{place}: is of type {type(value).__name__}{example}, not a text. Pass a string.")
    if HALF.search(value):
        raise UsageError(
            f"{place}: has half of a character ({quoted(value, LONGEST_EXAMPLE)}). Decode it as UTF-8 again."
        )
    if not may_be_blank and is_blank(value):
        raise UsageError(f"{place}: is blank. Pass a text with words, or leave it out.")
    return str(value)
