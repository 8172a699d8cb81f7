"""The seal of a checkpoint: a manifest with the size and sha256 of every file, written last, then the final name.

A checkpoint is written to `checkpoint-N.partial` and gets its name `checkpoint-N` when all of it is on the disk. A run
that is killed therefore leaves a whole checkpoint or none. Damage that comes later does not agree with the manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection
from pathlib import Path

from classification.system.files import remove, sync_file, sync_folder
from classification.training.faults import fault_at
from classification.training.unsealed_checkpoint import problem_of_unsealed

MANIFEST = "manifest.json"
RUN_STATE = "run_state.json"
VERSION = 1
BLOCK = 1 << 20  # bytes that are read at a time
REPLACED = ".replaced"  # ending of an older checkpoint of the same step, until the new one has its name


def seal(partial: Path, final: Path) -> None:
    """Write the manifest of `partial`, bring everything to the disk, and give it the name `final`.

    An older checkpoint of that name is replaced.

    Raises:
        OSError: a file cannot be written. An older checkpoint of that name is unchanged.
    """
    fault_at("save:manifest")
    (partial / MANIFEST).unlink(missing_ok=True)
    names = sorted(path.relative_to(partial).as_posix() for path in partial.rglob("*") if path.is_file())
    files = {name: {"size": (partial / name).stat().st_size, "sha256": digest(partial / name)} for name in names}
    manifest = {"version": VERSION, "step": read_step(partial), "files": files}
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for name in (*names, MANIFEST):
        sync_file(partial / name)
    for folder in (*(path for path in partial.rglob("*") if path.is_dir()), partial):
        sync_folder(folder)
    fault_at("save:rename")
    take_name(partial, final)
    sync_folder(final.parent)


def take_name(partial: Path, final: Path) -> None:
    """Rename `partial` to `final`; a failed rename leaves an older folder of that name as it was."""
    replaced = final.with_name(final.name + REPLACED)
    is_there = os.path.lexists(final)
    if is_there:
        remove(replaced)
        final.rename(replaced)
    try:
        partial.rename(final)
    except OSError:
        if is_there:
            replaced.rename(final)
        raise


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal digits."""
    value, block = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as handle:
        while size := handle.readinto(block):
            value.update(block[:size])
    return value.hexdigest()


def is_sealed(checkpoint: Path) -> bool:
    """Whether a checkpoint has, or once had, a manifest."""
    return os.path.lexists(checkpoint / MANIFEST) or os.path.lexists(checkpoint / RUN_STATE)


def problem_of(checkpoint: Path) -> str | None:
    """Why a run cannot be resumed from a checkpoint, None if it can.

    Reads every file of it. Without a manifest, what can be checked without one is checked.
    """
    if not is_sealed(checkpoint):
        return damage_of(checkpoint)
    files, damage = _check_manifest(checkpoint)
    if damage is None and "optimizer.pt" not in files:
        return "it holds no optimizer: it was saved with --save_only_model"
    return damage


def damage_of(checkpoint: Path, only: Collection[str] | None = None) -> str | None:
    """Which file of a checkpoint is missing or not as it was saved, None if all are.

    Args:
        only: names of the files that matter; None for all. Without a manifest, all matter.
    """
    if not checkpoint.is_dir():
        return "it is not a folder" if os.path.lexists(checkpoint) else "there is no such folder"
    return _check_manifest(checkpoint, only)[1] if is_sealed(checkpoint) else problem_of_unsealed(checkpoint)


def _check_manifest(
    checkpoint: Path, only: Collection[str] | None = None
) -> tuple[dict[str, tuple[int, str]], str | None]:
    """The files that the manifest lists, and the first problem; `only` as for `damage_of`."""
    try:
        if (checkpoint / MANIFEST).exists() and not (checkpoint / MANIFEST).is_file():  # to read a pipe waits for ever
            return {}, f"{MANIFEST} is not a file"
        manifest = json.loads((checkpoint / MANIFEST).read_text(encoding="utf-8"))
        if manifest["version"] != VERSION:
            return {}, f"{MANIFEST} has version {manifest['version']}, and this program reads version {VERSION}"
        files = {name: (entry["size"], entry["sha256"]) for name, entry in manifest["files"].items()}
        checked = [name for name in files if only is None or name in only]
        problems = (_check_file(checkpoint / name, *files[name]) for name in checked)
        problem = next(filter(None, problems), None)
        if problem is None and only is None and read_step(checkpoint) != manifest["step"]:
            problem = f"{MANIFEST} and trainer_state.json have different steps"
        return files, problem
    except FileNotFoundError as error:
        return {}, f"{Path(error.filename or MANIFEST).name} is missing"
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        return {}, f"{MANIFEST} is unreadable ({_reason(error)})"


def _check_file(path: Path, size: int, sha256: str) -> str | None:
    """What is wrong with one file of a checkpoint."""
    try:
        if not os.path.lexists(path):
            return f"{path.name} is missing"
        if not path.is_file():
            return f"{path.name} is not a file"
        if (found := path.stat().st_size) != size:
            return f"{path.name} has {found:,} bytes where {size:,} were saved"
        return None if digest(path) == sha256 else f"{path.name} is not what was saved (its sha256 differs)"
    except OSError as error:
        return f"{path.name} is unreadable ({_reason(error)})"


def read_step(checkpoint: Path) -> int:
    """The optimizer step of a checkpoint."""
    return json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))["global_step"]


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
