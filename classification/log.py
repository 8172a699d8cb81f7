"""A line about a decision, as a value: the object that decides writes it, the console prints it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """`topic` is the word in front (at most 12 letters), `level` one of the `logging` levels."""

    topic: str
    text: str
    level: int = logging.INFO


def log_lines(lines: Iterable[Line], *, title: str | None = None) -> None:
    """Log lines with their topics in one column, below a title if there is one."""
    lines = list(lines)
    if title and lines:
        logger.info("\n%s", title)
    for line in lines:
        logger.log(line.level, "%s", f"{line.topic:<12} {line.text}" if line.topic else line.text)


def warning(text: str) -> Line:
    return Line("", text, logging.WARNING)
