"""What comes in through a pipe, as a file that can be read twice."""

from __future__ import annotations

import logging
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from classification.data.sources.data_files import DataFile
from classification.data.sources.file_formats import refusal_of
from classification.data.sources.first_bytes import COMPRESSED, HEAD, TABLES, find_format, read_head
from classification.data.sources.text_encoding import find_encoding
from classification.errors import UsageError, first_line
from classification.messages.streams import is_terminal

logger = logging.getLogger(__name__)

STDIN = "-"
OBJECT = re.compile(r'\s*\{\s*(["}]|\Z)')
ARRAY = re.compile(r"\s*\[\s*([{\]]|\Z)")


def is_pipe(path: str) -> bool:
    """Whether a name is stdin, or a file that can be read only once, such as `<(command)` in a shell."""
    if path == STDIN:
        return True
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


def copy_pipe(path: str, place: str) -> tuple[Path, Callable[[], None]]:
    """A copy of all that comes in, and the function that removes it. It is also removed when the process ends.

    Raises:
        UsageError: nothing comes in, or it does not fit on the disk.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="predict_input_")
    except OSError as error:
        raise UsageError(f"{place}: {describe_no_room(error)}") from error
    copy = Path(folder.name) / "input"
    try:
        with copy.open("wb") as handle:
            if path == STDIN:
                shutil.copyfileobj(stdin_bytes(place), handle, HEAD)
            else:
                with open(path, "rb") as pipe:
                    shutil.copyfileobj(pipe, handle, HEAD)
        if copy.stat().st_size == 0:
            raise UsageError(f"{place}: nothing came in. Pipe at least one row into the command.")
    except OSError as error:
        folder.cleanup()
        raise UsageError(f"{place}: {describe_no_room(error)}") from error
    except BaseException:
        folder.cleanup()
        raise
    return copy, folder.cleanup


def stdin_bytes(place: str) -> BinaryIO:
    """The bytes of stdin.

    Raises:
        UsageError: stdin is closed.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise UsageError(f"{place}: stdin is closed. Pipe rows into the command, or give a file.")
    if is_terminal(sys.stdin):
        logger.info("reading the terminal, one text per line; end with Ctrl-D")
    return sys.stdin.buffer


def describe_no_room(error: OSError) -> str:
    return (
        f"cannot be copied to {tempfile.gettempdir()} ({error.strerror or first_line(error).rstrip('.')}). Name a "
        "folder with room in the variable TMPDIR, or give a file."
    )


def kind_of_copy(copy: Path, place: str) -> str:
    """`parquet`, `arrow`, `jsonl`, `json` or `text`, by the first bytes.

    Raises:
        UsageError: a format that cannot be read.
    """
    content = find_format(read_head(copy))
    if content in TABLES:
        logger.info("input        %s: read as %s", place, content)
        return content
    if refusal := refusal_of(copy, content):
        raise UsageError(f"{place}: {refusal.replace(str(copy), 'FILE')}")
    with DataFile(copy, place).unpacked() as handle:
        head = handle.peek(HEAD)[:HEAD]
    encoding = find_encoding(head)
    if encoding is None:
        raise UsageError(
            f"{place}: is binary, and no format that is read. Give CSV, TSV, JSON, Parquet, Arrow or text."
        )
    text = head.decode(encoding, errors="replace").lstrip("\ufeff")
    packed = f", unpacked from {content}" if content in COMPRESSED else ""
    kind = "jsonl" if OBJECT.match(text) else "json" if ARRAY.match(text) else "text"
    advice = ", one text per line; for a table pass --input_format csv" if kind == "text" else ""
    logger.info("input        %s: read as %s%s%s", place, kind, packed, advice)
    return kind
