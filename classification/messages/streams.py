"""Text for people, written to a stream that may be unable to take it."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
from typing import TextIO, cast

from tqdm.auto import tqdm

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line end
LINE_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees the stream; no stream, a closed one and a stand-in without `isatty` are no terminal."""
    try:
        return bool(stream is not None and stream.isatty())
    except (AttributeError, ValueError):
        return False


def has_colours(stream: TextIO | None) -> bool:
    """Whether a stream shows colours, and its user wants them (https://no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class StandIn(io.TextIOBase):
    """A stream for the libraries, which ask for more than `write` (`isatty`, `flush`) or do not expect a closed one."""

    def __init__(self, stream: TextIO):
        self.stream = stream

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(text)
        return len(text)


def usable(stream: TextIO | None) -> TextIO | None:
    """The stream itself where it is open and complete, else a stand-in that writes to it as far as it can."""
    is_complete = all(hasattr(stream, name) for name in ("write", "flush", "isatty"))
    if stream is None or (is_complete and not getattr(stream, "closed", False)):
        return stream
    return cast(TextIO, StandIn(stream))


def printable(text: str) -> str:
    """The text with control characters as escapes: a label or an id must not steer the terminal.

    >>> printable("red \\x1b[31m")
    'red \\\\x1b[31m'
    """
    return CONTROL.sub(_escape, text)


def on_one_line(text: str) -> str:
    """As `printable`, with line ends and tabs escaped too."""
    return LINE_CONTROL.sub(_escape, text)


def encodable(text: str, encoding: str | None) -> str:
    """The text with escapes for what the encoding lacks: Chinese in cp1252, a lone surrogate in UTF-8."""
    encoding = encoding or "utf-8"
    try:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    except LookupError:  # an encoding that Python does not know
        return text.encode("ascii", "backslashreplace").decode("ascii")


def write_line(text: str, stream: TextIO | None) -> None:
    """Write a line past the progress bars. Where nobody reads it, the line is lost and the run goes on.

    There may be no stream (a process without a console), a closed one, a pipe whose reader has left, or a full disk.
    """
    if stream is None:
        return
    try:
        tqdm.write(encodable(printable(text), getattr(stream, "encoding", None)), file=stream)
    except (OSError, ValueError):
        return


def flush_or_discard(stream: TextIO | None) -> None:
    """Before the process exits: discard what a pipe's reader did not want. Python would end with code 120 instead."""
    try:
        if stream is not None and not stream.closed:
            stream.flush()
    except OSError as error:
        if stream is None or error.errno not in (errno.EPIPE, errno.EINVAL):  # Windows has no EPIPE
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _escape(match: re.Match[str]) -> str:
    return match.group().encode("unicode_escape").decode("ascii")
