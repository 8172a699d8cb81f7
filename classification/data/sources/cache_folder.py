"""Where downloads and tokenised rows are kept, and what is said where the disk refuses."""

from __future__ import annotations

import atexit
import errno
import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import datasets

from classification.errors import UsageError

logger = logging.getLogger(__name__)

FULL = (errno.ENOSPC, errno.EDQUOT)
NOT_WRITABLE = (errno.EROFS, errno.EACCES, errno.EPERM)
NAME_ANOTHER = "Name a folder that can be written with --cache_dir, or set HF_HOME."


def cache_folder(cache_dir: str | None, *parts: str) -> Path:
    """A folder in the cache that can be written: `cache_dir`, else the library's own, else a temporary one.

    The temporary folder is removed when the process ends; the log names it once.
    """
    wanted = Path(cache_dir or datasets.config.HF_DATASETS_CACHE).expanduser()
    folder = wanted.joinpath(*parts)
    reason = why_not_writable(folder)
    if reason is None:
        return folder
    folder = temporary_folder(str(wanted), reason).joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def why_not_writable(folder: Path) -> str | None:
    """What the system answers to a new file in `folder`, which is made; None where it can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as handle:
            handle.write(b"0")
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


@cache
def temporary_folder(wanted: str, reason: str) -> Path:
    """A private folder for this process, in place of the folder `wanted`.

    Raises:
        UsageError: no temporary folder can be made either.
    """
    try:
        folder = tempfile.mkdtemp(prefix="text_classification_")
    except OSError as error:
        raise UsageError(f"--cache_dir {wanted}: cannot be written ({reason}). {NAME_ANOTHER}") from error
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    logger.warning(
        "the cache %s cannot be written (%s): using %s in this run. %s", wanted, reason, folder, NAME_ANOTHER
    )
    return Path(folder)


def describe_disk_error(error: BaseException | None) -> str | None:
    """The message for an error that is the disk's fault, wherever in its chain of causes; None for other errors."""
    while error is not None:
        number = getattr(error, "errno", None)
        place = getattr(error, "filename", None) or "the cache folder"
        if number in FULL or "No space left on device" in str(error):
            return f"the disk is full, no space is left for {place}. Free some, or name another with --cache_dir."
        if number in NOT_WRITABLE and isinstance(error, OSError):
            return f"{place} cannot be written or read ({error.strerror}). {NAME_ANOTHER}"
        error = error.__cause__ or error.__context__
    return None


@contextmanager
def disk_errors_named(what: str) -> Iterator[None]:
    """Inside, a full disk or a folder that cannot be written becomes a UsageError that begins with `what`.

    Also a decorator of functions.
    """
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        if message := describe_disk_error(error):
            raise UsageError(f"{what}: {message}") from error
        raise
