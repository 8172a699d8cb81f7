"""OUT: the folder of an export appears complete or not at all, and only an earlier export is replaced."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from classification.errors import UsageError, join_first
from classification.inference.onnx_folder import read_record
from classification.system.files import current_umask, disk_problem, remove, sync_folder

FILES = "files"  # of export.json: the names of everything that an export has written


def check_target(out: Path, *, overwrite: bool) -> None:
    """Raise a UsageError where something would be lost, or nothing can be written."""
    if out.is_file() or (out.is_symlink() and not out.exists()):
        raise UsageError(f"OUT {out}: is a file. Name a new folder.")
    if out.resolve() == Path.cwd().resolve():
        raise UsageError(f"OUT {out}: is the current folder. Name a new folder.")
    if out.is_dir() and any(out.iterdir()):
        if not overwrite:
            raise UsageError(f"OUT {out}: exists. Name a new folder, or pass --overwrite to replace an earlier export.")
        check_replaceable(out)
    place = next(path for path in out.absolute().parents if path.exists() or path.is_symlink())
    if not place.is_dir():
        raise UsageError(f"OUT {out}: cannot be made: {place} is no folder. Name another one.")


def check_replaceable(out: Path) -> None:
    """Raise a UsageError for a folder that is no export, or that holds more than its export has written."""
    written = read_record(out).get(FILES)
    if not isinstance(written, list):
        raise UsageError(f"OUT {out}: --overwrite replaces exports only, and this folder is none. Name a new one.")
    others = sorted(path.name for path in out.iterdir() if path.name not in written)
    if others:
        raise UsageError(
            f"OUT {out}: --overwrite would remove {join_first(others)}, which the export has not written. Move it "
            "away, or name a new folder."
        )


@contextmanager
def staged(out: Path) -> Iterator[Path]:
    """A folder beside `out` that is gone afterwards, unless it was moved; so are folders around it that were made.

    Raises:
        UsageError: the disk refuses it.
    """
    staging, missing = None, [path for path in out.absolute().parents if not path.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = new_folder_beside(out)
        yield staging
    except OSError as error:
        problem = disk_problem(error) or (error.strerror if isinstance(error, PermissionError) else None)
        if problem is None:
            raise
        raise UsageError(f"OUT {out}: cannot be written: {problem}. Name a folder with more room.") from error
    finally:
        if staging is not None:
            with suppress(OSError):
                remove(staging)
        for path in missing:
            with suppress(OSError):  # it is not empty: the export is in it
                path.rmdir()


def new_folder_beside(out: Path) -> Path:
    return Path(tempfile.mkdtemp(prefix=f".{out.name[:50]}.", suffix=".partial", dir=out.parent))


def put_in_place(staging: Path, out: Path, *, overwrite: bool) -> None:
    """The complete folder under its name; what an earlier export has left there is removed last.

    Raises:
        UsageError: as from `check_target`: another program may have filled `out` in the meantime.
    """
    staging.chmod(0o777 & ~current_umask())
    check_target(out, overwrite=overwrite)
    old = new_folder_beside(out) / out.name if out.exists() else None
    try:
        if old is not None:
            out.rename(old)
        staging.rename(out)
    finally:
        if old is not None:
            if old.exists() and not out.exists():  # after an error, or Ctrl-C between the two
                old.rename(out)
            remove(old.parent)
    sync_folder(out.parent)
