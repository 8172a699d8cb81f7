"""A locked file says that a process works beside it. The kernel drops the lock with the process, however that ends.

A lock file that a killed process, a reboot or a copy has left behind is not locked, so that it is no obstacle.
"""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

PATIENCE = 0.5  # seconds; for a process that is just ending


class Held(Exception):
    """Another process has the lock; the message is empty or ` (process 123 on HOST, since ...)`."""


def lock_file(path: Path, patience: float = PATIENCE, **facts: str) -> FileLock:
    """Lock a file, which is made where it is missing, and write into it who has it.

    Args:
        patience: seconds to wait for another process.
        facts: what else `read_owner` shall find.

    Raises:
        Held: another process has it.
        OSError, NotImplementedError: the file system has no locks, or refuses the file.
    """
    # Other users of a shared folder must be able to open the file that a killed process leaves behind.
    lock = FileLock(path, timeout=patience, mode=0o666, fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise Held(describe_owner(path)) from None
    with suppress(OSError):  # a full disk: the message to other processes lacks the owner
        owner = {"host": platform.node(), "process": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        path.write_text(json.dumps(owner | facts) + "\n", encoding="utf-8")
    return lock


def is_locked(path: Path) -> bool:
    """Whether another process has locked this file; False where the file system has no locks."""
    if not path.exists():
        return False
    lock = FileLock(path, timeout=0, mode=0o666, fallback_to_soft=False, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False
    lock.release(force=True)
    return False


def describe_owner(path: Path) -> str:
    """` (process 123 on HOST, since ...)`, or an empty string where the lock file does not say."""
    owner = read_owner(path)
    known = {"process", "host", "since"} <= owner.keys()
    return f" (process {owner['process']} on {owner['host']}, since {owner['since']})" if known else ""


def read_owner(path: Path) -> dict[str, Any]:
    """What the lock file says about its owner; empty where it does not say."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
        return owner if isinstance(owner, dict) else {}
    except (OSError, ValueError):  # Windows lets nobody read a locked file
        return {}
