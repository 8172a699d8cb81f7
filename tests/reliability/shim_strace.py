"""The calls of the library beside those that strace sees: nothing that changes the folder goes past it."""

from __future__ import annotations

import re
from collections import Counter

from reliability.shim_calls import STARTED, STOPPED

# System call -> the name that the preloaded library gives it. All that can change a file or a folder.
NAMES = {
    "open": "open", "openat": "open", "openat2": "open", "creat": "open", "close": "close", "close_range": "close",
    "write": "write", "writev": "write", "pwrite64": "write", "pwritev": "write", "pwritev2": "write",
    "copy_file_range": "write", "sendfile": "write", "splice": "write",
    "fsync": "fsync", "fdatasync": "fsync", "syncfs": "fsync", "sync_file_range": "fsync", "msync": "fsync",
    "ftruncate": "truncate", "truncate": "truncate", "fallocate": "truncate",
    "rename": "rename", "renameat": "rename", "renameat2": "rename",
    "link": "link", "linkat": "link", "symlink": "link", "symlinkat": "link",
    "unlink": "unlink", "unlinkat": "unlink", "rmdir": "rmdir", "mkdir": "mkdir", "mkdirat": "mkdir",
    "chmod": "chmod", "fchmod": "chmod", "fchmodat": "chmod", "fchmodat2": "chmod",
}  # fmt: skip
LINE = re.compile(r"(\d+) +(\w+)\((.*)")


def strace_command(log: str) -> list[str]:
    calls = ",".join(f"?{name}" for name in (*NAMES, "access", "faccessat", "faccessat2"))
    return ["strace", "-f", "-y", "--seccomp-bpf", "-s", "0", "-o", log, "-e", f"trace={calls}", "-e", "signal=SIGSYS"]


def calls_seen(log: str, folder: str) -> Counter:
    """Name -> number of the calls that touch `folder` while the library counts; the last count of the log.

    A trapped rename is seen twice: as it was made, and as the library repeats it.
    """
    counts, process, last = Counter(), None, ""
    for line in log.splitlines():
        match = LINE.match(line)
        if match is None:
            if process and line.startswith(process) and "--- SIGSYS" in line:
                counts["rename" if last in ("rename", "renameat", "renameat2") else "link"] -= 1
            continue
        number, call, arguments = match.groups()
        if STARTED in arguments:
            counts, process = Counter(), number
        elif STOPPED in arguments:
            process = None
        elif number == process and folder in arguments and call in NAMES:
            name = "rmdir" if "AT_REMOVEDIR" in arguments else NAMES[call]
            counts[name] += 1
            last = call
    return +counts
