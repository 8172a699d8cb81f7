"""Faults that a run brings upon itself (`--inject_fault`), so that users can prove on their own disk what is lost.

`kill@save=2:rename` kills the process in its second save, just before the finished checkpoint gets its name.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from classification.errors import UsageError, join_first
from classification.messages.streams import flush_or_discard

logger = logging.getLogger(__name__)

SAVE_STAGES = ("begin", "weights", "optimizer", "random", "state", "manifest", "rename", "rotate")
DISK_FAULTS = {"enospc": errno.ENOSPC, "eio": errno.EIO}
SIGNALS = {"stop": signal.SIGTERM, "interrupt": signal.SIGINT}
PLACES = {  # action -> the kinds of place where it can happen
    **dict.fromkeys(("kill", *SIGNALS), ("step", "save", "train")),
    **dict.fromkeys(DISK_FAULTS, ("save",)),
    "oom": ("train",),
}
WRITTEN = re.compile(r"([a-z]+)@([a-z]+)=([0-9]+)(?::([a-z]+))?(?::rank=([0-9]+))?")


@dataclass(frozen=True)
class Fault:
    """One fault: what happens, and where.

    Args:
        text: as the user wrote it.
        place: as `fault_at` gets it, such as `save:rename`.
        number: of the step, or counted from 1 in this process: of the save, of the forward pass.
        rank: of the process; None for every process.
    """

    text: str
    action: str
    place: str
    number: int
    rank: int | None = None


@dataclass
class Armed:
    """The faults that this process still expects, and how often it has been at each place."""

    faults: list[Fault] = field(default_factory=list)
    visits: dict[str, int] = field(default_factory=dict)


ARMED = Armed()


def parse_faults(text: str | None) -> tuple[Fault, ...]:
    """The faults of `--inject_fault`, comma separated.

    Raises:
        UsageError: one of them cannot happen; lists what can.
    """
    words = [word.strip() for word in text.split(",")] if text is not None else []
    return tuple(_parse(word) for word in words)


@contextmanager
def faults_armed(faults: Sequence[Fault]) -> Iterator[None]:
    """Inside, `faults` happen in this process, each once; on exit, those that have not happened are named."""
    if not faults:
        yield
        return
    rank = int(os.environ.get("RANK", 0))
    logger.warning("--inject_fault: this run damages itself on purpose, by %s", join_first(f.text for f in faults))
    ARMED.faults = [fault for fault in faults if fault.rank in (None, rank)]
    try:
        yield
        if ARMED.faults:
            texts = join_first(fault.text for fault in ARMED.faults)
            logger.warning("--inject_fault %s: has not happened; this run has no such place", texts)
    finally:
        ARMED.faults, ARMED.visits = [], {}


def fault_at(place: str, number: int | None = None) -> None:
    """A place of the run where a fault may happen.

    Args:
        place: `step`, `train:forward`, or `save:` and one of `SAVE_STAGES`, `save:begin` first.
        number: of the optimizer step; counted here for the other places.

    Raises:
        OSError, torch.OutOfMemoryError: as the fault asks.
    """
    if not ARMED.faults:
        return
    counted = "save:begin" if place.startswith("save:") else place
    if place == counted:
        ARMED.visits[place] = ARMED.visits.get(place, 0) + 1
    number = ARMED.visits.get(counted, 0) if number is None else number
    for fault in [fault for fault in ARMED.faults if (fault.place, fault.number) == (place, number)]:
        ARMED.faults.remove(fault)
        logger.warning("--inject_fault %s: now", fault.text)
        _happen(fault)


def _happen(fault: Fault) -> None:
    if fault.action == "kill":
        for stream in (sys.stdout, sys.stderr):
            flush_or_discard(stream)
        os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))  # on Windows SIGTERM ends a process as hard
    elif fault.action in SIGNALS:
        signal.raise_signal(SIGNALS[fault.action])
    elif fault.action in DISK_FAULTS:
        number = DISK_FAULTS[fault.action]
        raise OSError(number, f"{os.strerror(number)} (injected: {fault.text})")
    else:
        import torch  # takes seconds, and the command line is checked before

        raise torch.OutOfMemoryError(f"out of memory (injected: {fault.text})")


def _parse(word: str) -> Fault:
    """One fault as the user wrote it."""
    match = WRITTEN.fullmatch(word)
    if match is None:
        raise _refusal(word, "is not ACTION@PLACE=N.")
    action, kind, number, stage, rank = match.groups()
    if action not in PLACES:
        raise _refusal(word, f"there is no action {action}.")
    if kind not in {kind for kinds in PLACES.values() for kind in kinds}:
        raise _refusal(word, f"there is no place {kind}.")
    if kind not in PLACES[action]:
        raise _refusal(word, f"{action} cannot happen at {kind}={number}.")
    if stage is not None and (kind != "save" or stage not in SAVE_STAGES):
        raise _refusal(word, f"{kind} has no stage {stage}.")
    if int(number) < 1:
        raise _refusal(word, f"{kind}s are counted from 1.")
    processes = int(os.environ.get("WORLD_SIZE", 1))
    if rank is not None and int(rank) >= processes:
        raise _refusal(word, f"there is no process {rank} of {processes}; they are counted from 0.")
    place = {"step": "step", "train": "train:forward", "save": f"save:{stage or SAVE_STAGES[2]}"}[kind]
    return Fault(word, action, place, int(number), None if rank is None else int(rank))


def _refusal(word: str, problem: str) -> UsageError:
    return UsageError(
        f"--inject_fault {word}: {problem} Write kill, stop or interrupt, then @step=N, @save=N, @save=N:STAGE or "
        f"@train=N; enospc or eio, then @save=N or @save=N:STAGE; or oom@train=N. STAGE is one of "
        f"{', '.join(SAVE_STAGES)}. :rank=R at the end chooses a process."
    )
