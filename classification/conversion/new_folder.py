"""OUT: a new or empty folder that is filled in one go at the end, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classification.errors import UsageError


def check_out(out: Path) -> None:
    """OUT is a folder that does not exist yet, or an empty one.

    Raises:
        UsageError: it is neither.
    """
    try:
        out.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError) as error:  # too long, or with a character that no name has
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"OUT {str(out)[:50]!r}: cannot be a folder ({reason}). Name another one.") from error
    if out.is_dir():
        if any(out.iterdir()):
            raise UsageError(f"OUT {out}: holds files already. Name a new folder.")
    else:
        raise UsageError(f"OUT {out}: is a file. Name a new folder.")


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """A folder for everything that is unfinished, on the disk of OUT; it is removed in the end."""
    place = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    try:
        work = Path(tempfile.mkdtemp(prefix=".conversion-", dir=place))
    except OSError as error:
        raise UsageError(f"OUT {out}: {place} cannot be written ({error.strerror}). Name another folder.") from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def move(folder: Path, out: Path) -> None:
    """Give a complete folder its name. In a folder that exists, config.json is the last file to appear."""
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        os.replace(folder, out)
        return
    for file in sorted(folder.iterdir(), key=lambda path: path.name == "config.json"):
        os.replace(file, out / file.name)
