"""What a text looks like, without what it says: the scripts of its letters, and the function words of languages."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import regex

from classification.data.function_words import languages_by_word

LONGEST = 2000  # characters of a text that are looked at
NO_LETTERS, OTHER = "no letters", "other"
KANA = "Kana"
# Scripts of living languages. Hiragana and Katakana are one: every Japanese text has both.
SCRIPTS = (
    "Latin", "Cyrillic", "Greek", "Han", "Hangul", "Arabic", "Hebrew", "Devanagari", "Bengali", "Thai", "Tamil",
    "Telugu", "Kannada", "Malayalam", "Gujarati", "Gurmukhi", "Sinhala", "Myanmar", "Khmer", "Lao", "Tibetan",
    "Georgian", "Armenian", "Ethiopic", "Mongolian",
)  # fmt: skip
SCRIPT = regex.compile(
    "|".join(f"(?P<{name}>\\p{{Script={name}}})" for name in SCRIPTS)
    + f"|(?P<{KANA}>[\\p{{Script=Hiragana}}\\p{{Script=Katakana}}])"
)
ASCII_WORD = re.compile("[a-z]+")
WORD = regex.compile(r"[\p{L}\p{M}]+")  # with the vowel signs of Hindi


class Shape(NamedTuple):
    """Of one text: the share of its letters in each script, and the share of its words that each language uses most.

    Args:
        characters, words: counts. Words are what spaces separate.
        scripts: adds up to 1; `NO_LETTERS` alone where there is none.
        languages: a word may belong to several; empty for a text without words.
    """

    characters: int
    words: int
    scripts: Mapping[str, float]
    languages: Mapping[str, float]


def shape_of(text: str) -> Shape:
    """The shape of the first `LONGEST` characters of a text.

    >>> shape_of("The cat, кот!").scripts
    {'Latin': 0.6666666666666666, 'Cyrillic': 0.3333333333333333}
    """
    text = text[:LONGEST]
    scripts = count_scripts(text)
    letters = sum(scripts.values())
    shares = {name: count / letters for name, count in scripts.items()} if letters else {NO_LETTERS: 1.0}
    return Shape(len(text), len(text.split()), shares, language_shares(text))


def count_scripts(text: str) -> dict[str, int]:
    """Letters per script."""
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        return {"Latin": letters} if letters else {}
    counts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if character.isalpha():
            counts[script_of(character)] += count
    return dict(counts)


@cache
def script_of(letter: str) -> str:
    """The script of a letter, `OTHER` for one that belongs to several scripts or to a rare one."""
    match = SCRIPT.match(letter)
    return match.lastgroup if match and match.lastgroup else OTHER


def language_shares(text: str) -> dict[str, float]:
    """The share of the words of a text that are function words of each language."""
    if text.isascii():
        words = ASCII_WORD.findall(text.lower())
    else:
        words = WORD.findall(unicodedata.normalize("NFC", text).lower())
    languages = known_words()
    counts: Counter[str] = Counter()
    for word in words:
        for language in languages.get(word, ()):
            counts[language] += 1
    return {language: count / len(words) for language, count in counts.items()}


@cache
def known_words() -> dict[str, tuple[str, ...]]:
    return languages_by_word()
