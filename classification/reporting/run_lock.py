"""One run per output folder: a lock that the kernel drops with its process, however that ends."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from classification.errors import UsageError
from classification.system import kept_folders
from classification.system.file_locks import Held, lock_file
from classification.system.files import disk_problem, remove_leftovers
from classification.system.kept_folders import LOCK_FILE, LOCKS, Lock, remove_empty
from classification.training.processes import this_process

logger = logging.getLogger(__name__)


def lock_folder(folder: Path) -> None:
    """Lock a folder for this run, and remove what killed runs have left in it; of several processes the main one does.

    The folder is made where it is missing. A folder that this process has locked before stays locked.

    Raises:
        UsageError: another run has the folder, or nobody can write to it.
    """
    key = folder.resolve()
    if key in LOCKS or not this_process().is_main_process:
        return
    created = make_folder(folder)
    try:
        lock = lock_file(key / LOCK_FILE)
    except Held as owner:
        raise UsageError(
            f"--output_dir {folder}: another run is writing to it{owner}. Wait until that run ends or "
            "stop it, or choose another --output_dir."
        ) from None
    except (OSError, NotImplementedError) as error:
        if disk_problem(error) or not os.access(folder, os.W_OK):
            remove_empty(created)
            raise UsageError(unwritable(folder, error)) from error
        logger.warning("%s cannot be locked (%s): start no second run into it", folder, error)
        LOCKS[key] = Lock(folder, None, created)
        return
    LOCKS[key] = Lock(folder, lock, created)
    with suppress(OSError):  # a file of another user
        remove_leftovers(folder)


def make_until_the_end(folder: Path) -> None:
    """Make a folder that is removed at the end of the command, if it is empty then; nothing is locked.

    Raises:
        UsageError: it cannot be made.
    """
    if this_process().is_main_process and (missing := make_folder(folder)):
        LOCKS.setdefault(folder.resolve(), Lock(folder, None, missing))


def unlock_folder(folder: Path, *, keep: bool = True) -> None:
    """Unlock a folder.

    Args:
        keep: the folder stays where it is empty and was made for the lock.
    """
    lock = LOCKS.pop(folder.resolve(), None)
    if lock is not None:
        lock.created = [] if keep else lock.created
        lock.release()


def remove_stale_lock(folder: Path) -> None:
    """Remove the lock file that a killed run has left in a folder.

    Raises:
        UsageError: another run uses the folder.
    """
    if (folder / LOCK_FILE).exists():
        lock_folder(folder)
        unlock_folder(folder)


def rename_locked(folder: Path, target: Path) -> None:
    """Rename a folder that this process has locked. Its lock is given up once a new folder with its name is locked.

    Raises:
        OSError: it cannot be renamed.
        UsageError: another run has taken the name at the same moment.
    """
    key = folder.resolve()
    if not kept_folders.RENAMES_OPEN_FILES:
        unlock_folder(folder)
    folder.rename(target)
    old = LOCKS.pop(key, None)
    (target / LOCK_FILE).unlink(missing_ok=True)
    try:
        lock_folder(folder)
    finally:
        if old is not None and old.lock is not None:
            old.lock.release(force=True)


@contextmanager
def folders_unlocked() -> Iterator[None]:
    """On exit every folder that was locked inside is unlocked."""
    before = set(LOCKS)
    try:
        yield
    finally:
        for key in [key for key in LOCKS if key not in before][::-1]:  # the folder of a study last
            LOCKS.pop(key).release()


def make_folder(folder: Path) -> list[Path]:
    """Make a folder and those around it, or what a link to it leads to; returns the new ones, the innermost first.

    Raises:
        UsageError: it cannot be made.
    """
    place = folder.resolve()
    missing = [path for path in (place, *place.parents) if not path.exists()]
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remove_empty(missing)
        raise UsageError(unwritable(folder, error)) from error
    return missing


def unwritable(folder: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or str(error)
    return f"--output_dir {folder}: cannot be written to ({reason}). Choose another folder."
