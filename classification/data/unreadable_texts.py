"""Texts that nobody can read: those in which nothing is visible, and halves of characters."""

from __future__ import annotations

import re

HALF = re.compile("[\\ud800-\\udfff]")  # also Python's stand-ins for bytes that are no text; UTF-8 cannot write it


def is_blank(text: str | None) -> bool:
    """Whether nothing of a text is visible: null, spaces, or characters without width."""
    return text is None or not any(character.isprintable() and not character.isspace() for character in text)


def without_halves(text: str) -> str:
    r"""A text with U+FFFD for halves of characters.

    >>> without_halves("a\udc80")
    'a\ufffd'
    """
    return text if text.isascii() else HALF.sub("\ufffd", text)
