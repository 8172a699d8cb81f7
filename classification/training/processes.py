"""Several processes as one run: an error of one process stops all of them, and waiting has no time limit.

The collectives of training give up after `--ddp_timeout` (30 minutes). What only the main process does may take longer:
tokenising, data checks, classical baselines. Here the processes wait in a group of their own, whose collectives run on
the CPU and wait for days.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from accelerate import PartialState

from classification.errors import UsageError
from classification.models.precision import device_type

PATIENCE = timedelta(days=30)
T = TypeVar("T")


def this_process() -> PartialState:
    """The number of this process and of all; also before the Trainer's arguments exist.

    Without `cpu`, accelerate takes each of several processes on a machine without a GPU for a run of its own.
    """
    return PartialState(cpu=device_type(use_cpu=False) == "cpu")


@contextmanager
def stop_together() -> Iterator[None]:
    """Inside, an error of one process stops all; at the end, every process waits for the slowest.

    Also a decorator. The code inside must not wait for other processes by any means but this module. All processes must
    enter it, in the same order.

    Raises:
        UsageError: in the processes without an error, where another process has one: with its message.
        SystemExit: the same for any other error, whose traceback the other process prints.
    """
    try:
        yield
    except Exception as error:
        if not is_shared(error):
            _exchange(error)
        raise
    _exchange(None)


@contextmanager
def main_process_first() -> Iterator[None]:
    """Inside, the first process of each machine works alone; then the others find its files in the cache.

    An error of one process stops all: the others do not begin.
    """
    is_first = this_process().is_local_main_process
    if not is_first:
        _exchange(None)
    with stop_together():
        yield
    if is_first:
        _exchange(None)


def wait_for_all() -> None:
    """Wait for every process, however long one takes."""
    with stop_together():
        pass


def made_by_main(make: Callable[[], T]) -> T:
    """What the main process makes, in every process: a decision, or what only one process needs to read.

    All processes must call it. An error of the main process stops all, as in `stop_together`.
    """
    made: list[Any] = [None]
    with stop_together():
        if this_process().is_main_process:
            made = [make()]
    if this_process().num_processes > 1 and dist.is_initialized():
        dist.broadcast_object_list(made, src=0, group=_patient_group(dist.group.WORLD))
    return made[0]


def any_process(flag: bool) -> bool:
    """Whether `flag` is true in any process. All processes must call it; one process alone waits for nobody."""
    return bool(highest_of_all(int(flag)))


def highest_of_all(number: int) -> int:
    """The highest number of all processes. All must call it; one process alone waits for nobody."""
    if this_process().num_processes == 1 or not dist.is_initialized():
        return number
    numbers = torch.tensor([number], dtype=torch.int64)
    dist.all_reduce(numbers, op=dist.ReduceOp.MAX, group=_patient_group(dist.group.WORLD))
    return int(numbers.item())


def leave_together() -> None:
    """End the connections once every process is ready to end.

    A process that leaves early aborts those of the others, and one that ends with open connections may crash.
    """
    wait_for_all()
    _patient_group.cache_clear()  # the reference would keep its connection open
    this_process().destroy_process_group()


def is_shared(error: BaseException) -> bool:
    """Whether every process raises because of this error."""
    return getattr(error, "is_shared", False)


def _exchange(error: Exception | None) -> None:
    """Tell the other processes about `error`, and raise theirs if there is none here."""
    if this_process().num_processes == 1 or not dist.is_initialized():
        return
    problem = None if error is None else (isinstance(error, UsageError), str(error))
    problems: list[tuple[bool, str] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(problems, problem, group=_patient_group(dist.group.WORLD))
    if error is not None:
        error.is_shared = True  # type: ignore[attr-defined]
        return
    for other in filter(None, problems):
        is_usage_error, message = other
        raised = UsageError(message) if is_usage_error else SystemExit(1)
        raised.is_shared = True  # type: ignore[union-attr]
        raise raised


@cache
def _patient_group(world: dist.ProcessGroup) -> dist.ProcessGroup:
    """Made once per group of all processes, by all of them at their first exchange."""
    return dist.new_group(backend="gloo", timeout=PATIENCE)
