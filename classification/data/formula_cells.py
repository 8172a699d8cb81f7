"""Cells of a CSV file that a spreadsheet would run as a formula (`--csv_safe`)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

QUOTES = "'\"`´‘’‚‛“”„‟«»"
INVISIBLE = ("Cf", "Cc", "Zs", "Zl", "Zp")  # Unicode categories: byte order mark, controls, spaces
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may run a cell: it begins with = + - @ (in any width), a tab or a line break.

    Spaces, quotes and invisible characters before the sign do not help: programs drop some of them.
    """
    for letter in text:
        if letter in "\t\r\n":
            return True
        if letter not in QUOTES and unicodedata.category(letter) not in INVISIBLE:
            return unicodedata.normalize("NFKC", letter)[:1] in ("=", "+", "-", "@")
    return False


def guarded(text: str) -> str:
    """The text with an apostrophe in front if it is a formula; spreadsheets then show it as text."""
    return f"'{text}" if is_formula(text) else text


def guarded_names(names: Iterable[str]) -> list[str]:
    """Labels, given or predicted: those that are numbers stay numbers."""
    return [name if NUMBER.fullmatch(name) else guarded(name) for name in names]


def unguarded(text: str) -> str:
    """The text that `guarded` was given."""
    return text[1:] if text.startswith("'") and is_formula(text[1:]) else text
