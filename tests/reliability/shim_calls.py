"""The preloaded library seen from Python: which calls it counted, and which one it is to break."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass

STARTED, STOPPED = "/shim/started", "/shim/stopped"  # asked for, so that a system call tracer sees where it counts
PASS, FAIL, FILL, SHORTEN, KILL_BEFORE, KILL_AFTER, KILL_HALFWAY, LOSE = range(8)


@dataclass(frozen=True)
class Call:
    """One call that changed the watched folder.

    Args:
        name: open, write, fsync, truncate, close, rename, link, unlink, rmdir, mkdir or chmod.
        path: the file, or the old name; other: the new name of a rename or link.
        detail: flags of an open, bytes of a write, the access mode of what is closed.
    """

    name: str
    path: str
    other: str = ""
    detail: int = 0

    @property
    def may_create(self) -> bool:
        return self.name == "open" and bool(self.detail & os.O_CREAT)


@dataclass(frozen=True)
class Fault:
    """What happens at the n-th call.

    Args:
        applies_to: the calls at which it differs from another fault.
    """

    name: str
    action: int
    error: int = 0
    applies_to: Callable[[Call], bool] = lambda call: True

    @property
    def kills(self) -> bool:
        return self.action in (KILL_BEFORE, KILL_AFTER, KILL_HALFWAY)


def is_write(call: Call) -> bool:
    return call.name == "write"


def closes_written(call: Call) -> bool:
    return call.name == "close" and call.detail != os.O_RDONLY


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("killed before", KILL_BEFORE),
        Fault("killed after", KILL_AFTER),
        Fault("killed halfway", KILL_HALFWAY, applies_to=is_write),
        Fault("ENOSPC", FAIL, errno.ENOSPC),
        Fault("EIO", FAIL, errno.EIO),
        Fault("EFBIG", FAIL, errno.EFBIG),
        Fault("disk stays full", FILL, errno.ENOSPC),
        Fault("short write", SHORTEN, errno.ENOSPC, applies_to=is_write),
        Fault("lost at close", LOSE, errno.ENOSPC, applies_to=closes_written),
    )
}


class Shim:
    """The library of this process, which must have been started with it in LD_PRELOAD."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(None)
        self.library.shim_trace.restype = ctypes.c_char_p
        self.library.shim_count.restype = ctypes.c_long
        self.library.shim_arm.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_int)
        self.library.shim_watch.argtypes = (ctypes.c_char_p,)

    def trap(self) -> None:
        """See renames that bypass the C library too, for the rest of this process: for a forked child.

        Raises:
            OSError: the kernel has no seccomp filters, or the processor is neither x86-64 nor ARM64.
        """
        if self.library.shim_trap() != 0:
            raise OSError("system calls cannot be trapped here")

    def start(self, folder: str, number: int = 0, fault: Fault | None = None) -> None:
        """Count from now on the calls in `folder`; break the one of this number, 0 for none."""
        self.library.shim_arm(number, fault.action if fault else PASS, fault.error if fault else 0)
        os.access(STARTED, os.F_OK)
        self.library.shim_watch(os.fsencode(os.path.realpath(folder)))

    def stop(self) -> None:
        self.library.shim_watch(None)
        os.access(STOPPED, os.F_OK)

    @property
    def fired(self) -> bool:
        return bool(self.library.shim_fired())

    def calls(self) -> list[Call]:
        lines = os.fsdecode(self.library.shim_trace()).splitlines()
        return [Call(name, path, other, int(detail)) for name, path, other, detail in (s.split("\t") for s in lines)]
