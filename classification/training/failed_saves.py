"""A file of a checkpoint that cannot be written becomes one error, with the reason and what remains."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from classification.errors import RunError, UsageError
from classification.system.files import DiskProblem, disk_problem
from classification.training.disk_errors import how_to_go_on, refusal_of
from classification.training.processes import stop_together


@contextmanager
def one_error_for_all(partial: Path, *, removes: bool) -> Iterator[None]:
    """Inside, files of the checkpoint `partial` are written; all processes enter and leave together.

    Args:
        removes: whether this process removes `partial` after an error.

    Raises:
        RunError: a file cannot be written. Every process raises it.
    """
    try:
        with stop_together():
            try:
                yield
            except Exception as error:
                # Any OSError here is about a file of the checkpoint.
                other = DiskProblem.of(error) if isinstance(error, OSError) else None
                problem = disk_problem(error, partial.parent) or other
                if problem is None:
                    raise
                raise UsageError(_describe(error, problem, partial)) from error  # stop_together hands on its message
    except UsageError as error:
        if removes:
            shutil.rmtree(partial, ignore_errors=True)
        raise RunError(str(error)) from error


def _describe(error: Exception, problem: DiskProblem, partial: Path) -> str:
    """What could not be written, why, what is left, and what to do."""
    file = _file_of(error, partial)
    if problem.number is None and file is not None:
        problem = refusal_of(file)
    if isinstance(error, SafetensorError):  # removes what it has written
        name = "the file of the weights"
    else:
        name = "it" if file in (None, partial) else file.name
    return (
        f"--output_dir {partial.parent}: {partial.stem} cannot be saved: {name} cannot be written ({problem}). "
        f"{problem.remedy}, then {how_to_go_on(partial.parent)}"
    )


def _file_of(error: Exception, partial: Path) -> Path | None:
    """The file that cannot be written: the error names it, or it is the newest one."""
    if isinstance(error, OSError):
        return Path(error.filename) if error.filename else None
    files = partial.iterdir() if partial.is_dir() else ()
    return max(files, key=lambda path: path.stat().st_mtime_ns, default=None)
