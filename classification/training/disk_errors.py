"""A disk that is full or fails ends a run with one line: the file, the reason, what is safe, and how to go on."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from classification.errors import RunError, UsageError
from classification.system.files import REFUSED, REMEDIES, disk_problem, free_bytes
from classification.training.checkpoints import last_good
from classification.training.processes import is_shared, this_process

FULL = 1 << 20  # free bytes of a disk that is as good as full


@contextmanager
def disk_errors_explained(output_dir: Path, what: str = "a file") -> Iterator[None]:
    """Inside, an error of the disk becomes a RunError; every other error stays as it is.

    Args:
        what: is being written, for errors that do not name their file.

    Raises:
        RunError: of this process; the others may wait for it.
    """
    try:
        yield
    except (UsageError, RunError):
        raise
    except Exception as error:
        if disk_problem(error) is None:
            raise
        explained = disk_error(error, output_dir, what)
        explained.is_shared = is_shared(error) or this_process().num_processes == 1
        raise explained from error


def disk_error(error: BaseException, output_dir: Path, what: str = "a file") -> RunError:
    """The one line about an error of `disk_problem`."""
    problem, free = disk_problem(error) or str(error), free_bytes(output_dir)
    if problem == REFUSED and free is not None and free < FULL:
        problem = os.strerror(errno.ENOSPC)
    name = error.filename if isinstance(error, OSError) and error.filename else what
    remedy = REMEDIES.get(problem, "Check the disk")
    return RunError(
        f"--output_dir {output_dir}: {name} cannot be written ({problem}). {remedy}, then {how_to_go_on(output_dir)}"
    )


def how_to_go_on(output_dir: Path) -> str:
    """The last good checkpoint and the flag that continues from it, or what to do where there is none."""
    return how_to_continue(output_dir) or (
        "run the same command with --overwrite_output_dir: there is no checkpoint to continue from."
    )


def how_to_continue(output_dir: Path) -> str:
    """The last good checkpoint and the flag that continues from it; empty where there is none."""
    checkpoint = last_good(output_dir)
    if checkpoint is None:
        return ""
    return f"run the same command with --resume auto: it continues from the last good checkpoint, {checkpoint}."
