"""What a run prints: lines, warnings and tables. The objects that decide write the lines; this file only prints."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import datasets
import transformers
from wcwidth import wcwidth

from classification.messages.log import OUR_LOGGERS, LineHandler
from classification.messages.progress import has_terminal
from classification.messages.streams import on_one_line, usable
from classification.reporting.process_state import process_state_restored

logger = logging.getLogger("recipe")

NEVER_MUTED = {  # loggers and their levels: how far long work is, and what has happened to the run
    "classification.messages.progress": logging.INFO,
    "classification.training.smaller_batches": logging.WARNING,
    "classification.training.smaller_evaluation": logging.WARNING,
    "classification.training.faults": logging.WARNING,
    "classification.system.kept_folders": logging.WARNING,
}
MAX_NAME_WIDTH = 30  # columns of a name in a table
Cell = str | int | float | None


@contextmanager
def console(*, quiet: bool) -> Iterator[None]:
    """Inside, our own lines are printed by the main process, and the libraries print errors only, unless the user asks
    for more with TRANSFORMERS_VERBOSITY. On exit the process is as it was (see `process_state`).

    Args:
        quiet: no progress bars (`--disable_tqdm true`). Without a terminal there are none either.
    """
    with process_state_restored():
        level = logging.INFO if int(os.environ.get("RANK", 0)) == 0 else logging.ERROR
        for log in map(logging.getLogger, OUR_LOGGERS):
            log.handlers, log.propagate = [LineHandler()], False
            log.setLevel(level)
        logging.getLogger("datasets").setLevel(logging.ERROR)
        if "TRANSFORMERS_VERBOSITY" not in os.environ:
            transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()  # one bar per weights file
        if quiet or not has_terminal():
            datasets.disable_progress_bars()
        sys.stdout, sys.stderr = usable(sys.stdout), usable(sys.stderr)
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # before a process is forked: no warning follows
        yield


@contextmanager
def muted() -> Iterator[None]:
    """Inside, only errors and what `NEVER_MUTED` names are printed; for a run inside a run."""
    named = {logging.getLogger(name): level for name, level in NEVER_MUTED.items()}
    levels = {log: max(log.getEffectiveLevel(), level) for log, level in named.items()}
    levels |= {log: max(log.level, logging.ERROR) for log in map(logging.getLogger, OUR_LOGGERS)}
    before = {log: log.level for log in levels}
    for log, level in levels.items():
        log.setLevel(level)
    try:
        yield
    finally:
        for log, level in before.items():
            log.setLevel(level)


def log_table(
    corner: str, columns: Sequence[str], rows: Mapping[str, Sequence[Cell]], *, narrowest: int = 7, first: int = 12
) -> None:
    """Print a table of named rows: four decimals for a float, blank for None.

    Args:
        narrowest: least width of a column, which is as wide as its cells; first: width of the names.
    """
    cells = zip(*rows.values(), strict=True) if rows else [()] * len(columns)
    widths = [
        max([narrowest, len(name), *(text_width(as_text(cell)) for cell in column)])
        for name, column in zip(columns, cells, strict=True)
    ]
    header = " ".join(f"{name:>{width}}" for name, width in zip(columns, widths, strict=True))
    logger.info("\n%s %s", padded(corner, first), header)
    for name, values in rows.items():
        line = " ".join(f"{as_text(value):>{width}}" for value, width in zip(values, widths, strict=True))
        logger.info("%s %s", padded(name, first), line)


def as_text(value: Cell) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def text_width(text: str) -> int:
    """Columns of a terminal: two for East Asian letters, none for combining marks."""
    return sum(max(wcwidth(letter), 0) for letter in text)


def name_width(names: Iterable[str]) -> int:
    """The width of a column of names, from 12 to 30 columns of a terminal."""
    return min(MAX_NAME_WIDTH, max([12, *(text_width(on_one_line(name)) for name in names)]))


def padded(name: str, width: int) -> str:
    """A name cut to 30 columns of a terminal and filled up to `width`."""
    name = on_one_line(name)
    while text_width(name) > MAX_NAME_WIDTH:
        name = name[:-1]
    return name + " " * (width - text_width(name))
