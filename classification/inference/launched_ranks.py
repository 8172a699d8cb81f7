"""The processes of `accelerate launch`: they wait for each other through files, and end together with one error.

A prediction needs no communication but this. Torch's collectives would need all processes at the same moment, and hold
up those that wait for one that has failed or was killed.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classification.errors import UsageError, own_error
from classification.messages.redaction import hide_secrets
from classification.messages.streams import write_line
from classification.system.file_locks import Held, is_locked, lock_file
from classification.system.files import remove, replacing

POLL = 0.1  # seconds
SLOWEST_START = 900.0  # seconds in which every process must have shown itself
IMPORTS = time.time()  # when this process began, or a little later


@dataclass
class Ranks:
    """The processes of one launch.

    Marks are files in a hidden folder beside the output. One that is older than this process is of an earlier launch
    and does not count.

    Args:
        rank: from 0. folder: of the marks; None for a process alone.
    """

    rank: int = 0
    size: int = 1
    folder: Path | None = None
    began: float = field(default_factory=lambda: process_start())
    lock: Any = None

    @classmethod
    def of_launch(cls, out: str) -> Ranks:
        """As `accelerate launch` and `torchrun` say in the environment."""
        rank, size = int(os.environ.get("RANK") or 0), int(os.environ.get("WORLD_SIZE") or 1)
        if size <= 1:
            return cls()
        path = Path(out)
        return cls(rank, size, path.with_name(f".{path.name}.ranks"))

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    def path(self, rank: int | str, mark: str) -> Path:
        assert self.folder is not None
        return self.folder / f"rank-{rank}.{mark}"

    @contextmanager
    def together(self) -> Iterator[None]:
        """Inside, an error of one process ends all of them, and is printed once: by the process that has it."""
        if self.size == 1:
            yield
            return
        self.enter()
        try:
            yield
        except BaseException as error:
            error.is_shared = False  # type: ignore[attr-defined]  # nobody waits in a collective
            if self.mark_failed(exit_code(error)) or not isinstance(error, Exception):
                print_elsewhere(error, self.rank)
                raise
            raise SystemExit(exit_code(error)) from error
        finally:
            self.leave()

    def enter(self) -> None:
        assert self.folder is not None
        self.folder.mkdir(exist_ok=True)
        for stale in ("opened", "done", "joined", "unlocked"):
            self.path(self.rank, stale).unlink(missing_ok=True)
        with suppress(OSError, NotImplementedError, Held):
            self.lock = lock_file(self.path(self.rank, "lock"))
        if self.lock is None:
            self.mark("unlocked")

    def leave(self) -> None:
        """The last one removes the folder, if all have been there."""
        if self.lock is not None:
            self.lock.release(force=True)
        ranks = range(self.size)
        if all(self.has(rank, "lock") for rank in ranks) and not any(is_locked(self.path(r, "lock")) for r in ranks):
            with suppress(OSError):
                remove(self.folder)  # type: ignore[arg-type]

    def mark(self, mark: str, **facts: Any) -> None:
        """Tell the other processes, if there are any."""
        if self.size == 1:
            return
        with replacing(self.path(self.rank, mark)) as handle:
            handle.write(json.dumps({"host": platform.node(), "process": os.getpid(), **facts}))

    def has(self, rank: int | str, mark: str) -> bool:
        """Whether a process of this launch has set a mark."""
        try:
            return self.path(rank, mark).stat().st_mtime >= self.began
        except OSError:
            return False

    def mark_failed(self, code: int) -> bool:
        """Say that this process has an error; False where another one has said so before."""
        path = self.path("any", "failed")
        with suppress(OSError):
            if path.exists() and not self.has("any", "failed"):
                path.rename(self.path(self.rank, "stale"))
        try:
            with path.open("x", encoding="utf-8") as handle:
                handle.write(json.dumps({"rank": self.rank, "code": code}))
        except FileExistsError:
            return False
        except OSError:
            return True
        return True

    def check(self) -> None:
        """End this process if another one has an error; to be called between parts.

        Raises:
            SystemExit: another process has printed its error.
        """
        if self.size > 1 and self.has("any", "failed"):
            try:
                code = int(json.loads(self.path("any", "failed").read_text(encoding="utf-8"))["code"])
            except (OSError, ValueError, KeyError, TypeError):  # it is being written
                code = 1
            raise SystemExit(code)

    def wait_for(self, mark: str, rank: int) -> None:
        """Wait until another process has set a mark, however long its work takes.

        Raises:
            RunError: it has ended without the mark.
            SystemExit: a process has printed its error.
        """
        absences = 0
        while not self.has(rank, mark):
            self.check()
            absences = 0 if self.is_alive(rank) else absences + 1
            if absences > 2 and not self.has(rank, mark):
                self.check()
                raise own_error(
                    f"process {rank} of {self.size} has ended without a result; it was killed, or the machine had no "
                    "memory left. All complete parts stay: run the same command with --resume."
                )
            time.sleep(POLL)

    def is_alive(self, rank: int) -> bool:
        if self.has(rank, "lock"):
            return is_locked(self.path(rank, "lock"))
        return self.has(rank, "unlocked") or time.time() - self.began < SLOWEST_START


def process_start() -> float:
    """When this process began, in seconds since 1970."""
    try:
        import psutil

        return min(psutil.Process().create_time(), IMPORTS)
    except (ImportError, OSError):
        return IMPORTS


def exit_code(error: BaseException) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    return 2 if isinstance(error, UsageError) else 1


def print_elsewhere(error: BaseException, rank: int) -> None:
    """Print the error of a process that is not the main one; the command prints others itself.

    Raises:
        SystemExit: after a UsageError, which the command prints in the main process only.
    """
    if rank > 0 and isinstance(error, UsageError):
        write_line(f"error: {hide_secrets(str(error))}", sys.stderr)
        raise SystemExit(exit_code(error)) from error
