"""Kills at a chosen moment: of a forked child at a change of the disk, and of a training at the end of a step."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from transformers import TrainerCallback

CHANGES = ("os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod")  # audit events of what changes a disk


class Killed(BaseException):
    """Ends a training as a kill does, for a test that goes on in the same process: no handler sees it."""


class KillAfter(TrainerCallback):
    """Kills the run at the end of a step, before its evaluation and its save."""

    def __init__(self, step: int):
        self.step = step

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == self.step:
            raise Killed


def dies_in_child(action: Callable[[], object], dies_at: int) -> bool:
    """Call `action` in a forked child that ends at its `dies_at`-th change of the disk; whether it was killed."""
    child = os.fork()
    if child == 0:
        changes = [0]

        def count(event: str, args: tuple) -> None:
            writes = event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGES or writes:
                changes[0] += 1
                if changes[0] == dies_at:
                    os._exit(9)

        sys.addaudithook(count)
        try:
            action()
        except BaseException as error:
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9), status
    return status == 9
