"""What a loss of power could destroy, read from the order of the calls of a save.

A kill loses nothing that was written: the kernel has it. Without power, only what `fsync` has brought to the disk is
sure to be there: the bytes of a file after an fsync of the file, a name in a folder after an fsync of the folder. A
rename may come to the disk at any time before that.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from reliability.shim_calls import Call

NAMES = ("open", "mkdir", "rename", "link", "unlink", "rmdir")  # calls that change the names in a folder
BYTES = ("write", "truncate")


def power_faults(calls: Sequence[Call], final: str, needed: Sequence[str] = ()) -> list[str]:
    """What is wrong with the order of the calls that write `final`, a file or a folder.

    Args:
        needed: what must stay until `final` is sure to be there: files and folders.
    """
    renames = [number for number, call in enumerate(calls) if call.name == "rename" and call.other == final]
    if not renames:
        return [f"nothing is renamed to {final}"]
    number = renames[-1]
    partial = calls[number].path
    faults = _not_on_disk(calls[:number], partial)
    faults += [f"{call.name} in {call.path} after the rename" for call in calls[number:] if _changes(call, final)]
    parent = os.path.dirname(final)
    sure = next((i for i in range(number, len(calls)) if _syncs(calls[i], parent)), len(calls))
    if sure == len(calls):
        faults.append(f"no fsync of {parent} after the rename")
    for call in calls[:sure]:
        gone = call.path if call.name in ("rename", "unlink", "rmdir") else ""
        faults += [f"{call.name} of {gone} before the new one is on the disk"
                   for path in needed if gone and (gone == path or gone.startswith(path + "/"))]  # fmt: skip
    return faults


def _not_on_disk(calls: Sequence[Call], partial: str) -> list[str]:
    """Files of `partial` (or `partial` itself) with bytes, and folders in it with names, after their last fsync."""
    loose: dict[str, str] = {}  # path -> what an fsync has still to bring to the disk
    for call in calls:
        inside = [path for path in (call.path, call.other) if path == partial or path.startswith(partial + "/")]
        if not inside:
            continue
        if call.name == "fsync":
            loose.pop(call.path, None)
        elif call.name in BYTES:
            loose[call.path] = "bytes"
        if call.name == "rename" and call.other in inside and call.path in loose:  # a file keeps its bytes
            loose[call.other] = loose.pop(call.path)
        if call.name == "unlink":
            loose.pop(call.path, None)
        if call.name in NAMES and (call.name != "open" or call.may_create):
            folders = {os.path.dirname(path) for path in inside if path != partial}
            loose.update(dict.fromkeys(folders, "names"))
    return [f"no fsync of {path} after its last change of {what}" for path, what in sorted(loose.items())]


def _changes(call: Call, final: str) -> bool:
    is_inside = call.path == final or call.path.startswith(final + "/")
    return is_inside and (call.name in BYTES or call.may_create or call.name in ("unlink", "rename"))


def _syncs(call: Call, folder: str) -> bool:
    return call.name == "fsync" and call.path == folder
