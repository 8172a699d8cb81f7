"""The folders that this process has locked for its run, and whether they are still its own.

A folder can be moved, removed or replaced while a run of days writes to it, and another run can begin in its place. The
path alone does not show that.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from classification.errors import RunError, UsageError, first_line
from classification.system.file_locks import Held, lock_file, read_owner

logger = logging.getLogger(__name__)

LOCK_FILE = ".run.lock"
GONE = "was moved, removed or replaced while this run was writing to it"
WAYS = "If it was moved, run the same command with the moved folder as --output_dir and --resume auto."
RENAMES_OPEN_FILES = os.name != "nt"  # Windows renames no folder with an open file, and removes no open file


@dataclass
class Lock:
    """A locked folder.

    Args:
        folder: as the user named it.
        lock: None where the file system has no locks, and in a dry run.
        created: the folders that were made for the lock, the innermost first.
    """

    folder: Path
    lock: FileLock | None
    created: list[Path] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._remember()

    def _remember(self) -> None:
        self.place, self.number = number_of(self.folder), number_of(self.folder / LOCK_FILE)
        self.owner = read_owner(self.folder / LOCK_FILE)

    def is_kept(self) -> bool:
        """Whether the path still leads to the lock. Some network disks give a file another number later."""
        if self.lock is None:
            return True
        file = self.folder / LOCK_FILE
        number = number_of(file)
        if number is None:
            return not is_absent(file)  # of a disk that does not answer now, nothing is known
        return number == self.number or (bool(self.owner) and read_owner(file) == self.owner)

    def is_elsewhere(self) -> bool:
        """Whether the folder was moved, removed or replaced, and not its lock file alone."""
        number = number_of(self.folder)
        return is_absent(self.folder) if number is None else number != self.place

    def keep(self) -> None:
        """If the folder is gone, make and lock it again, so that the run goes on.

        Raises:
            UsageError: another run is in its place, or it cannot be made.
        """
        if self.lock is None or self.is_kept():
            return
        is_same = not self.is_elsewhere()  # somebody has removed the lock file alone
        with suppress(OSError):
            self.lock.release(force=True)
        gone = f"--output_dir {self.folder}: {GONE}"
        try:
            self.folder.resolve().mkdir(parents=True, exist_ok=True)
            lock = lock_file(self.folder.resolve() / LOCK_FILE)
        except Held as owner:
            raise UsageError(f"{gone}, and another run is in its place{owner}. {WAYS}") from None
        except (OSError, NotImplementedError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"{gone}, and cannot be made again ({reason}). {WAYS}") from error
        if not is_same and any(not path.name.startswith(".") for path in self.folder.iterdir()):
            Lock(self.folder, lock).release()
            raise UsageError(f"{gone}, and other files are in its place. {WAYS}")
        self.lock = lock
        self._remember()
        if not is_same:
            logger.warning("%s. It is made again, and the run goes on there without its earlier files", gone)

    def release(self) -> None:
        """Unlock the folder, remove the lock file, and remove the folders that were made for it and are empty."""
        if self.lock is None:
            return remove_empty(self.created)
        file, is_kept = Path(self.lock.lock_file), self.is_kept()
        with suppress(OSError):  # before the lock is given up: the file of the next owner must stay
            if is_kept:
                file.unlink(missing_ok=True)
        self.lock.release(force=True)
        if is_kept and not RENAMES_OPEN_FILES:
            with suppress(OSError):
                file.unlink(missing_ok=True)
        remove_empty(self.created)


LOCKS: dict[Path, Lock] = {}  # of this process, by the real path of the folder


def keep_folders() -> None:
    """Before a run writes: every folder that it has locked must be its own. See `Lock.keep`."""
    for lock in LOCKS.values():
        lock.keep()


@contextmanager
def lost_folders_explained() -> Iterator[None]:
    """Inside, an error of a run whose folder is not in its place is an error about that: its files were not found.

    Raises:
        RunError: of the processes that have the error.
    """
    try:
        yield
    except Exception as error:
        lost = [lock.folder for lock in LOCKS.values() if not lock.is_kept() and lock.is_elsewhere()]
        if not lost or GONE in str(error):
            raise
        explained = RunError(f"--output_dir {lost[0]}: {GONE}: {first_line(error)} {WAYS}")
        explained.is_shared = getattr(error, "is_shared", False)
        raise explained from error


def number_of(path: Path) -> tuple[int, int] | None:
    """The number of a file or folder on its disk, which it keeps when it is renamed; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_absent(path: Path) -> bool:
    """Whether the disk says that nothing is there; False where it does not answer."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def remove_empty(folders: list[Path] | tuple[Path, ...]) -> None:
    """Remove the folders that hold nothing."""
    for folder in folders:
        with suppress(OSError):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
