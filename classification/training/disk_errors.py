"""A disk that is full or fails ends a run with one line: the file, the reason, what is safe, and how to go on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from classification.errors import RunError, UsageError
from classification.system.files import DiskProblem, disk_problem
from classification.training.checkpoints import last_good
from classification.training.processes import is_shared, this_process

PROBE = 1 << 20  # bytes
PROBE_FILE = ".probe.of_bytes.partial"  # see `files.LEFTOVER`
# The output folder of the command, which also has the folders of its parts: the runs of a study, the trials of a
# search, the points of a learning curve, the LSTM of the baselines.
COMMAND_FOLDER: ContextVar[Path | None] = ContextVar("output folder of the command", default=None)


@contextmanager
def disk_errors_explained(
    output_dir: Path, what: str = "a file", way: Callable[[], str] = lambda: ""
) -> Iterator[None]:
    """Inside, an error of the disk becomes a RunError; every other error stays as it is.

    Args:
        output_dir: of the command, or of one of its runs.
        what: is being written, for errors that do not name their file.
        way: how to go on after an error; empty where `how_to_go_on` knows it.

    Raises:
        RunError: of this process; the others may wait for it.
    """
    token = COMMAND_FOLDER.set(COMMAND_FOLDER.get() or output_dir)
    try:
        yield
    except (UsageError, RunError):
        raise
    except Exception as error:
        problem = disk_problem(error, output_dir)
        if problem is None:
            raise
        explained = disk_error(error, problem, output_dir, what, way())
        explained.is_shared = is_shared(error) or this_process().num_processes == 1
        raise explained from error
    finally:
        COMMAND_FOLDER.reset(token)


def disk_error(
    error: BaseException, problem: DiskProblem, output_dir: Path, what: str = "a file", way: str = ""
) -> RunError:
    """The one line about an error that is a `disk_problem`; the arguments are those of `disk_errors_explained`."""
    if problem.number is None:
        problem = refusal_of(output_dir / PROBE_FILE)
    name = error.filename if isinstance(error, OSError) and error.filename else what
    return RunError(
        f"--output_dir {output_dir}: {name} cannot be written ({problem}). {problem.remedy}, then "
        f"{way or how_to_go_on(output_dir)}"
    )


def refusal_of(file: Path) -> DiskProblem:
    """Why the disk refuses a file, where a library hides it: found by writing more of it. The file is removed."""
    try:
        with file.open("ab") as handle:
            handle.write(bytes(PROBE))
            handle.flush()
            os.fsync(handle.fileno())
    except OSError as error:
        return disk_problem(error, file.parent) or DiskProblem()
    finally:
        with suppress(OSError):
            file.unlink(missing_ok=True)
    return DiskProblem()


def how_to_go_on(output_dir: Path) -> str:
    """The flag with which the same command goes on after an error in a run, and what it continues from.

    Args:
        output_dir: of the run, which may be a part of the command.
    """
    command = COMMAND_FOLDER.get() or output_dir
    ways = (how_to_continue(folder) for folder in dict.fromkeys((output_dir, command)))
    if way := next(filter(None, ways), None):
        return way
    if continues_by_parts(command):
        return "run the same command with --resume auto: what is finished is not trained again."
    return "run the same command with --overwrite_output_dir: there is no checkpoint to continue from."


def continues_by_parts(folder: Path) -> bool:
    """Whether a folder holds a study or a search, which `--resume auto` continues also where no checkpoint is left."""
    files = [folder / "study_progress.json", folder / "search.json", *folder.glob("search/trial-*/*")]
    return any(file.exists() and not file.name.startswith(".") for file in files)  # a lock alone is nothing


def how_to_continue(output_dir: Path) -> str:
    """The last good checkpoint and the flag that continues from it; empty where there is none."""
    checkpoint = last_good(output_dir)
    if checkpoint is None:
        return ""
    return f"run the same command with --resume auto: it continues from the last good checkpoint, {checkpoint}."
