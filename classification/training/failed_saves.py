"""A file of a checkpoint that cannot be written becomes one error, with the reason and what remains."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from classification.errors import RunError, UsageError, first_line
from classification.system.files import RUST_ERROR, TORCH_ERROR
from classification.training.disk_errors import how_to_go_on
from classification.training.processes import stop_together

REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "Free disk space or lower --save_total_limit"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "Make the folder writable"),
    errno.EFBIG: "Allow larger files (ulimit -f)",
    errno.ENAMETOOLONG: "Choose a shorter --output_dir",
}
PROBE = 1 << 20  # bytes


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
                if not _comes_from_disk(error):
                    raise
                raise UsageError(_describe(error, partial)) from error  # stop_together hands on its message
    except UsageError as error:
        if removes:
            shutil.rmtree(partial, ignore_errors=True)
        raise RunError(str(error)) from error


def _comes_from_disk(error: Exception) -> bool:
    """Whether Python, PyTorch, safetensors or tokenizers (a plain Exception) could not write a file."""
    if isinstance(error, RuntimeError):
        return TORCH_ERROR.search(str(error)) is not None
    return isinstance(error, OSError | SafetensorError) or (
        type(error) is Exception and bool(RUST_ERROR.search(str(error)))
    )


def _describe(error: Exception, partial: Path) -> str:
    """What could not be written, why, what is left, and what to do."""
    file = _file_of(error, partial)
    cause = _find_cause(error, partial)
    number, reason = None, first_line(cause).removesuffix(".")
    if isinstance(cause, OSError):
        number, reason = cause.errno, cause.strerror or str(cause)
    remedy = REMEDIES.get(number or 0, "Check the disk")
    return (
        f"--output_dir {partial.parent}: {partial.stem} cannot be saved: {file} cannot be written ({reason}). "
        f"{remedy}, then {how_to_go_on(partial.parent)}"
    )


def _file_of(error: Exception, partial: Path) -> str:
    """The file that cannot be written: the error names it, or it is the newest one."""
    if isinstance(error, SafetensorError):  # removes what it has written
        return "the file of the weights"
    named = getattr(error, "filename", None)
    if named is None and not isinstance(error, OSError) and partial.is_dir():
        named = max(partial.iterdir(), key=lambda path: path.stat().st_mtime_ns, default=None)
    return "it" if named is None or Path(named) == partial else Path(named).name


def _find_cause(error: Exception, partial: Path) -> Exception:
    """An OSError with the reason, where `error` comes from a library that does not give it."""
    if isinstance(error, OSError):
        return error
    if number := RUST_ERROR.search(str(error)):  # safetensors, tokenizers
        return OSError(int(number[1]), os.strerror(int(number[1])))
    try:
        probe = partial / "probe"
        probe.write_bytes(bytes(PROBE))
        probe.unlink()
    except OSError as found:
        return found
    return error
