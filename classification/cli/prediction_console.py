"""What a prediction prints: its lines on stdout, or on stderr where stdout has the answers; libraries stay quiet."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from classification.messages.log import OUR_LOGGERS, LineHandler
from classification.messages.streams import usable

LIBRARIES = ("datasets", "transformers")


@contextmanager
def prediction_console(*, to_stderr: bool, level: int = logging.INFO) -> Iterator[None]:
    """Inside, our lines from `level` on are printed by the main process, and the libraries print errors only.

    On exit the loggers and the streams are as they were.
    """
    if int(os.environ.get("RANK", 0)) != 0:
        level = logging.ERROR
    ours, others = (list(map(logging.getLogger, names)) for names in (OUR_LOGGERS, LIBRARIES))
    before = [(log, log.handlers, log.level, log.propagate) for log in (*ours, *others)]
    streams = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = usable(sys.stdout), usable(sys.stderr)  # type: ignore[assignment]
    for log in ours:
        log.handlers, log.propagate = [LineHandler(to_stderr=to_stderr)], False
        log.setLevel(level)
    for log in others:
        if "TRANSFORMERS_VERBOSITY" not in os.environ:
            log.setLevel(logging.ERROR)
    try:
        with quiet_bars():
            yield
    finally:
        sys.stdout, sys.stderr = streams
        for log, handlers, old, propagate in before:
            log.handlers, log.propagate = handlers, propagate
            log.setLevel(old)


@contextmanager
def quiet_bars() -> Iterator[None]:
    """Inside, transformers shows no bars of its own while it loads a model."""
    from transformers.utils import logging as library

    was_on = library.is_progress_bar_enabled()
    library.disable_progress_bar()
    try:
        yield
    finally:
        if was_on:
            library.enable_progress_bar()
