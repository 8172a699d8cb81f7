"""What a run prints: lines, warnings and tables. The objects that decide write the lines; this file only prints."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import datasets
import transformers
from tqdm.auto import tqdm
from wcwidth import wcwidth

from classification.progress import has_terminal

logger = logging.getLogger("recipe")

OUR_LOGGERS = ("recipe", "classification", "data_utils")
MAX_NAME_WIDTH = 30  # columns of a name in a table
Cell = str | int | float | None


class ConsoleHandler(logging.Handler):
    """Writes past the progress bars: facts to stdout as they are, warnings marked."""

    def emit(self, record: logging.LogRecord) -> None:
        mark = "warning: " if record.levelno >= logging.WARNING else ""
        tqdm.write(mark + record.getMessage(), file=sys.stdout)


@contextmanager
def console(*, quiet: bool) -> Iterator[None]:
    """Inside, our own lines are printed by the main process, and the libraries print errors only, unless the user asks
    for more with TRANSFORMERS_VERBOSITY. Handlers, levels, bars and TENSORBOARD_LOGGING_DIR are restored on exit.

    Args:
        quiet: no progress bars (`--disable_tqdm true`). Without a terminal there are none either.
    """
    level = logging.INFO if int(os.environ.get("RANK", 0)) == 0 else logging.ERROR
    loggers = [logging.getLogger(name) for name in OUR_LOGGERS]
    library = logging.getLogger("datasets")
    before = [(log, log.handlers, log.propagate, log.level) for log in (*loggers, library)]
    verbosity = transformers.utils.logging.get_verbosity()
    weight_bars = transformers.utils.logging.is_progress_bar_enabled()
    map_bars = datasets.are_progress_bars_disabled()
    for log in loggers:
        log.handlers, log.propagate = [ConsoleHandler()], False
        log.setLevel(level)
    library.setLevel(logging.ERROR)
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()  # one bar per weights file
    if quiet or not has_terminal():
        datasets.disable_progress_bars()
    tensorboard = os.environ.get("TENSORBOARD_LOGGING_DIR")  # `--logging_dir` sets it
    try:
        yield
    finally:
        os.environ.pop("TENSORBOARD_LOGGING_DIR", None)
        if tensorboard is not None:
            os.environ["TENSORBOARD_LOGGING_DIR"] = tensorboard
        for log, handlers, propagate, old_level in before:
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(old_level)
        transformers.utils.logging.set_verbosity(verbosity)
        if weight_bars:
            transformers.utils.logging.enable_progress_bar()
        if not map_bars:
            datasets.enable_progress_bars()


@contextmanager
def muted() -> Iterator[None]:
    """Inside, only errors and the progress of long work are printed; for a run inside a run."""
    progress = logging.getLogger("classification.progress")
    loggers = [*(logging.getLogger(name) for name in OUR_LOGGERS), progress]
    levels = [log.level for log in loggers]
    progress.setLevel(progress.getEffectiveLevel())
    for log in loggers[:-1]:
        log.setLevel(max(log.level, logging.ERROR))
    try:
        yield
    finally:
        for log, level in zip(loggers, levels, strict=True):
            log.setLevel(level)


def log_table(
    corner: str, columns: Sequence[str], rows: Mapping[str, Sequence[Cell]], *, narrowest: int = 7, first: int = 12
) -> None:
    """Print a table of named rows: four decimals for a float, blank for None.

    Args:
        narrowest: least width of a column; first: width of the names.
    """
    widths = [max(narrowest, len(name)) for name in columns]
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
    return min(MAX_NAME_WIDTH, max([12, *map(text_width, names)]))


def padded(name: str, width: int) -> str:
    """A name cut to 30 columns of a terminal and filled up to `width`."""
    while text_width(name) > MAX_NAME_WIDTH:
        name = name[:-1]
    return name + " " * (width - text_width(name))
