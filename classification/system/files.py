"""Writing the whole of a file or nothing, and what a full or broken disk answers."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO, cast

LONGEST_NAME = 255  # bytes, of the file systems in use
NOT_TEXT = re.compile("[\\ud800-\\udfff\\0]")  # Python's stand-ins for bytes that are no text, and the zero byte
# What `replacing` is writing, and the folder of a model that is being saved.
LEFTOVER = re.compile(r"\.(.+\.[a-z0-9_]{8}|model)\.partial")

# What to do, by the number of the error; any other means that the disk fails.
REMEDIES = {
    number: remedy
    for remedy, names in {
        "Free some space": ("ENOSPC", "EDQUOT"),
        "Allow larger files (ulimit -f)": ("EFBIG",),
        "Make the folder writable": ("EACCES", "EPERM", "EROFS"),
        "Choose a shorter path": ("ENAMETOOLONG",),
        "Check the disk": ("EIO", "ESTALE", "ENXIO", "ENODEV"),  # a disk, card or network share that fails
    }.items()
    for name in names
    if (number := getattr(errno, name, None)) is not None
}
REFUSALS = {errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}  # also of reading, and of what is no file
DISK_ERRORS = REMEDIES.keys() - REFUSALS
# safetensors and tokenizers write in Rust; the latter raises plain Exceptions.
RUST_ERROR, RUST_CLASSES = re.compile(r"\(os error (\d+)\)"), ("SafetensorError", "Exception")
# torch.save writes in C++ and hides the number of the error.
TORCH_ERROR = re.compile(r"PytorchStreamWriter|inline_container|iostream|file write failed|cannot be opened", re.I)
REFUSED = "the disk refuses it"
# Of file systems that sync no folder, and of a folder that may be written to but not be read.
NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EISDIR, errno.EACCES, errno.EPERM}


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A new text file (UTF-8, line ends as written) that replaces `path` once it is complete and on the disk.

    If writing fails, the old file stays and the new one is removed. Two writers of one path do not disturb each other.

    Raises:
        OSError: the disk refuses the file; its `filename` is `path`.
    """
    with _replacing(path, "w", encoding="utf-8", newline="") as handle:
        yield cast(TextIO, handle)


@contextmanager
def replacing_bytes(path: Path) -> Iterator[BinaryIO]:
    """As `replacing`, for a file of bytes."""
    with _replacing(path, "wb") as handle:
        yield cast(BinaryIO, handle)


@contextmanager
def _replacing(path: Path, mode: str, **how: str) -> Iterator[IO[Any]]:
    temporary = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
        temporary = Path(name)
        with open(descriptor, mode, **how) as handle:  # type: ignore[call-overload]
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        temporary.chmod(0o666 & ~current_umask())  # mkstemp lets only the owner read
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        if error.filename is None or (temporary and error.filename == str(temporary)):
            error.filename = str(path)
        raise
    finally:
        if temporary is not None:
            with suppress(OSError):  # of a disk that has failed; the first error counts
                temporary.unlink(missing_ok=True)


def current_umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on the disk."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk. Windows opens no folders, and some file systems sync none.

    Raises:
        OSError: the disk fails.
    """
    if not hasattr(os, "O_DIRECTORY"):
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in NO_FOLDER_SYNC:
            raise


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files that killed runs have left; no other run may be writing to the folder."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if LEFTOVER.fullmatch(path.name):
            remove(path)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that it holds, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_device(path: Path) -> bool:
    """Whether a path is a named pipe or a device such as /dev/null: it is written to, and never replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


@dataclass(frozen=True)
class DiskProblem:
    """Why a file cannot be written.

    Args:
        number: of the error; None where the library hides it.
    """

    number: int | None = None
    reason: str = REFUSED

    @classmethod
    def of(cls, error: OSError) -> DiskProblem:
        return cls(error.errno, error.strerror or str(error))

    def __str__(self) -> str:
        return self.reason

    @property
    def remedy(self) -> str:
        """What to do first; it is followed by how to go on."""
        return REMEDIES.get(self.number or 0, "Check the disk")


def disk_problem(error: BaseException | None, folder: Path | None = None) -> DiskProblem | None:
    """Why the disk refuses a file, such as "No space left on device"; None for any other error.

    Args:
        folder: whose files are being written. A missing permission or too long a name counts for these alone: another
            file may be the user's data, which cannot be read.
    """
    while error is not None:
        found, is_written = None, folder is not None
        if isinstance(error, OSError):
            found, is_written = DiskProblem.of(error), folder is not None and lies_in(error.filename, folder)
        elif type(error).__name__ in RUST_CLASSES and (match := RUST_ERROR.search(str(error))):
            found = DiskProblem(int(match[1]), os.strerror(int(match[1])))
        elif isinstance(error, RuntimeError) and TORCH_ERROR.search(str(error)):
            return DiskProblem()
        if found and (found.number in DISK_ERRORS or (is_written and found.number in REFUSALS)):
            return found
        error = error.__cause__
    return None


def lies_in(name: object, folder: Path) -> bool:
    """Whether the file that an OSError names lies in a folder, or is it."""
    return isinstance(name, str | Path) and Path(name).resolve().is_relative_to(folder.resolve())


def free_bytes(folder: Path) -> int | None:
    """What this user may still write to the disk of a folder that may not exist yet; None where nobody knows."""
    place = next((path for path in (folder, *folder.absolute().parents) if path.exists()), None)
    try:
        return None if place is None else shutil.disk_usage(place).free
    except OSError:
        return None
