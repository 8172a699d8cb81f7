"""A line about a decision, as a value: the object that decides writes it, and a handler prints it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from dataclasses import dataclass

from classification.messages.streams import on_one_line, write_line

logger = logging.getLogger(__name__)

OUR_LOGGERS = ("recipe", "classification", "data_utils")


@dataclass(frozen=True)
class Line:
    """`topic` is the word in front (at most 12 letters), `level` one of the `logging` levels."""

    topic: str
    text: str
    level: int = logging.INFO


class LineHandler(logging.Handler):
    """Writes past the progress bars: facts as they are, warnings marked.

    Args:
        to_stderr: whether stdout has something else.
    """

    def __init__(self, *, to_stderr: bool = False):
        super().__init__()
        self.to_stderr = to_stderr

    def emit(self, record: logging.LogRecord) -> None:
        mark = "warning: " if record.levelno >= logging.WARNING else ""
        write_line(mark + record.getMessage(), sys.stderr if self.to_stderr else sys.stdout)


def log_lines(lines: Iterable[Line], *, title: str | None = None) -> None:
    """Log lines with their topics in one column, below a title if there is one.

    A line with a topic, and a warning, stays one line: the name of a label may have a line end.
    """
    lines = list(lines)
    if title and lines:
        logger.info("\n%s", title)
    for line in lines:
        text = on_one_line(line.text) if line.topic or line.level >= logging.WARNING else line.text
        logger.log(line.level, "%s", f"{line.topic:<12} {text}" if line.topic else text)


def warning(text: str) -> Line:
    return Line("", text, logging.WARNING)
