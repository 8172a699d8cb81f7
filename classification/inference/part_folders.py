"""Opening the folder of parts of a job: another job, a second process and forgotten results are refused."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from classification.errors import UsageError, own_error
from classification.inference.jobs import JOB_FILE, WHOLE, Job, Shard, differences, read_job
from classification.inference.part_files import (
    PART,
    PartFolder,
    disk_errors_explained,
    read_records,
    remove_folder,
    write_json,
)
from classification.system.file_locks import Held, describe_owner, is_locked, lock_file, read_owner
from classification.system.files import disk_problem, is_device, remove

logger = logging.getLogger(__name__)

LOCK = re.compile(r"shard-(\d+)-of-(\d+)\.lock")
SETTLING = "job.lock"
WRITES_SOON = 5  # tenths of a second


def parts_of(out: Path) -> Path:
    """The folder of the parts of an output."""
    return out.with_name(out.name + ".parts")


def check_target(out: Path, shard: Shard = WHOLE, *, resume: bool, overwrite: bool) -> None:
    """Raise a UsageError if there are results that would be lost; needs neither the input nor the model."""
    parts = parts_of(out)
    if out.is_dir():
        raise UsageError(f"-o {out}: is a folder. Name a file in it, such as {out / 'predictions.csv'}")
    if is_device(out):
        raise UsageError(f"-o {out}: is a device or a pipe, which has no parts. Leave --shard and --resume out.")
    if parts.exists() and not parts.is_dir():
        raise UsageError(f"-o {out}: {parts} is a file; the parts of the output need a folder of that name. Choose "
                         "another -o.")  # fmt: skip
    if overwrite:
        return
    unfinished = parts.is_dir() and read_job(parts) is not None
    if resume and out.exists() and not unfinished:
        raise UsageError(
            f"--resume: {out} exists and {parts} does not: there is nothing to continue. Pass --overwrite to predict "
            "again, or choose another -o."
        )
    if resume:
        return
    if out.exists():
        raise UsageError(f"-o {out}: exists. Pass --overwrite to replace it, or choose another -o.")
    if unfinished and has_begun(parts, shard):
        raise UsageError(
            f"-o {out}: {parts} holds parts of an earlier run. Pass --resume to continue it, or --overwrite to begin "
            "again."
        )


def has_begun(folder: Path, shard: Shard) -> bool:
    """Whether a folder has complete parts of this shard."""
    return any(shard.has(record.number) for record in read_records(folder))


@contextmanager
def opened_parts(
    out: Path,
    job: Job,
    shard: Shard = WHOLE,
    *,
    claims: Shard | None = None,
    resume: bool = False,
    overwrite: bool = False,
) -> Iterator[PartFolder]:
    """The folder of the parts of `out`, locked for one process per shard.

    Args:
        claims: the parts that `resume` and `overwrite` speak of, where these are not those of `shard`.

    Raises:
        UsageError: results would be lost; the folder has another job; another process is writing to it.
        RunError: the disk refuses the folder.
    """
    claims = claims or shard
    check_target(out, claims, resume=resume, overwrite=overwrite)
    path = parts_of(out)
    with disk_errors_explained(out, path, path.name):
        path.mkdir(exist_ok=True)
    with locked(path, out, shard, job):
        with disk_errors_explained(out, path, JOB_FILE), one_at_a_time(path):
            settle_job(path, out, job, claims, overwrite=overwrite)
            folder = PartFolder(path, job, shard)
            folder.remove_leftovers()
        yield folder


def settle_job(path: Path, out: Path, job: Job, claims: Shard, *, overwrite: bool) -> None:
    """Write the job into a new folder; in another one compare it, or with `overwrite` remove what is there."""
    old = read_job(path)
    found = differences(old, job, ("there", "now")) if old else ""
    if old is None:
        strangers = sorted(each.name for each in path.iterdir() if not is_ours(each.name))
        if strangers:
            raise UsageError(f"-o {out}: {path} is no folder of parts (it has {strangers[0]}). Choose another -o.")
    elif found:
        if not overwrite and any(read_records(path)):
            raise UsageError(
                f"-o {out}: {path} holds parts of another job: {found}. Pass --overwrite to begin again, or choose "
                "another -o."
            )
        for _, owner, digest in running(path):
            if digest != job.digest:
                raise UsageError(in_use(path, out, owner))
        clear(path, WHOLE)
    elif overwrite:
        clear(path, claims)
    if old is None or found or overwrite:
        write_json(path / JOB_FILE, job.to_json())


def is_ours(name: str) -> bool:
    is_marker = (
        LOCK.fullmatch(name) or PART.match(name) or name.startswith((f".{JOB_FILE}.", SETTLING, ".done-", "done-"))
    )
    return bool(is_marker)


def clear(path: Path, shard: Shard) -> None:
    """Remove the parts of a shard."""
    for each in path.iterdir():
        match = PART.match(each.name)
        is_done = each.name.startswith("done-") and (shard.is_whole or each.name.startswith(f"done-{shard.index}-of-"))
        if is_done or (match and shard.has(int(match[1]))):
            remove(each)


def running(path: Path) -> Iterator[tuple[Shard, str, str]]:
    """The shards whose processes are writing to a folder, who they are, and the digests of their jobs."""
    for each in sorted(path.iterdir()):
        match = LOCK.fullmatch(each.name)
        if match and is_locked(each):
            yield Shard(int(match[1]), int(match[2])), describe_owner(each), job_of(each)


def job_of(lock: Path) -> str:
    """The job of a process that may just have locked the file, and writes its name into it."""
    for _ in range(WRITES_SOON):
        if digest := str(read_owner(lock).get("job", "")):
            return digest
        time.sleep(0.1)
    return ""


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Inside, no other process decides what the job of a folder is; where the file system has locks."""
    lock = None
    with suppress(OSError, NotImplementedError, Held):
        lock = lock_file(path / SETTLING, patience=60)
    try:
        yield
    finally:
        if lock is not None:
            lock.release(force=True)


@contextmanager
def locked(path: Path, out: Path, shard: Shard, job: Job) -> Iterator[None]:
    """Inside, no other process computes the parts of this shard in this folder.

    Raises:
        UsageError: another process does.
    """
    file = path / f"shard-{shard.index}-of-{shard.of}.lock"
    lock = None
    try:
        lock = lock_file(file, job=job.digest)
    except Held as held:
        raise UsageError(in_use(path, out, str(held))) from None
    except (OSError, NotImplementedError) as error:
        if isinstance(error, PermissionError) or disk_problem(error):
            raise own_error(f"-o {out}: {path} cannot be written to ({error}). Choose another -o.") from error
        logger.warning("%s cannot be locked (%s): start no second process for it", path, error)
    try:
        for other, owner, _ in running(path):
            if other.of != shard.of:
                raise UsageError(in_use(path, out, owner))
        yield
    finally:
        if lock is not None:
            with suppress(OSError):  # before the lock is given up: the file of the next owner must stay
                file.unlink(missing_ok=True)
            lock.release(force=True)


def in_use(path: Path, out: Path, owner: str) -> str:
    return (
        f"-o {out}: another process is writing to {path}{owner}. Wait until it ends or stop it, or choose another -o."
    )


def discard(folder: Path) -> None:
    """Remove the parts after they were joined; where that fails, say so."""
    try:
        remove_folder(folder)
    except OSError as error:
        logger.warning("%s is complete in the output and could not be removed (%s)", folder, error.strerror)
