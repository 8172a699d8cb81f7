"""SIGTERM, Ctrl-C and SIGUSR1: requests that training fulfils at the end of a step; elsewhere they end the run at once.

Windows has no SIGUSR1, and its SIGTERM ends a process without asking. What a system lacks is left out.
"""

from __future__ import annotations

import mmap
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from types import FrameType

from classification.errors import Stopped


class Request(IntEnum):
    """What a signal asks for. Where several processes have different ones, the greatest counts."""

    NOTHING = 0
    SAVE = 1
    INTERRUPT = 2
    TERMINATE = 3

    @property
    def stops(self) -> bool:
        return self >= Request.INTERRUPT

    @property
    def code(self) -> int:
        """The exit code of a shell's command that this signal has ended."""
        return {Request.INTERRUPT: 130, Request.TERMINATE: 143}[self]

    @property
    def title(self) -> str:
        return {Request.SAVE: "SIGUSR1", Request.INTERRUPT: "Ctrl-C", Request.TERMINATE: "SIGTERM"}[self]


REQUESTS = {"SIGUSR1": Request.SAVE, "SIGINT": Request.INTERRUPT, "SIGTERM": Request.TERMINATE}
PROMISE = "the run stops at the end of this step and saves a checkpoint."
ECHO_SECONDS = 0.5  # a launcher may pass on a Ctrl-C that its processes have received already


class StopSignals:
    """What this process does with the signals.

    Attributes:
        stop, saves: what was asked for and is not fulfilled yet.
        has_trained: training has begun since `handled` was entered.
    """

    def __init__(self) -> None:
        self.stop, self.saves = Request.NOTHING, False
        self.has_trained = self.has_run = False
        self.depth = 0  # of `handled`
        self.owner = 0
        self.interrupted_at = 0.0
        self.promise = PROMISE
        self.waits = False  # True: a signal only sets `request`
        self.is_polite = mmap.mmap(
            -1, 1
        )  # shared with forked processes: 1 while a stop waits for the end of a step or the saved model

    @property
    def request(self) -> Request:
        return max(self.stop, Request.SAVE if self.saves else Request.NOTHING)

    @contextmanager
    def handled(self) -> Iterator[None]:
        """Inside, SIGTERM raises `Stopped`, and training can be polite. On exit the caller's handlers are back.

        A signal that the caller ignores stays ignored. Outside the main thread nothing changes.
        """
        if self.depth:
            yield
            return
        with self._installed(raises=True):
            self.saves &= not self.has_run  # a SIGUSR1 during the imports waits for the first step
            self.stop, self.interrupted_at = Request.NOTHING, 0.0
            self.has_trained, self.has_run, self.depth = False, True, 1
            try:
                yield
            finally:
                self.depth = 0

    @contextmanager
    def polite(self, promise: str = PROMISE) -> Iterator[None]:
        """Inside, a signal only sets `request`; a second Ctrl-C raises KeyboardInterrupt.

        One inside another changes nothing: what was asked for before it is not forgotten.

        Args:
            promise: what is printed when a signal comes: how the work ends.
        """
        if self.waits:
            yield
            return
        self.has_trained, self.stop, self.interrupted_at = True, Request.NOTHING, 0.0
        self.promise = promise
        with self._installed(raises=False):
            self.waits, self.is_polite[0] = True, 1
            try:
                yield
            finally:
                self.end_politeness()

    def end_politeness(self) -> None:
        """From now on a signal ends the run at once, also inside `polite`."""
        self.waits, self.is_polite[0] = False, 0

    def answer_imports(self) -> None:
        """From now on a signal ends this command at once with one line, until `handled` takes over.

        SIGUSR1 ends nothing: it asks for a checkpoint at the end of the first step.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        self.owner = os.getpid()
        for name in REQUESTS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, self._end_at_once)

    @contextmanager
    def _installed(self, *, raises: bool) -> Iterator[None]:
        """Inside, our handlers are installed."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self.owner = os.getpid()
        before = {}
        try:
            for name in REQUESTS:
                number = getattr(signal, name, None)
                # None: set by C code, which cannot be put back.
                if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, self._raise if raises else self._note)
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        """During training: the end of the step will see it."""
        if not self.waits:
            return self._raise(number, frame)
        if (request := self._request(number)) is None:
            return None
        if request is Request.SAVE:
            self.saves = True
            return None
        if request is Request.INTERRUPT:
            now = time.monotonic()
            if self.interrupted_at:
                if now - self.interrupted_at < ECHO_SECONDS and "LOCAL_RANK" in os.environ:
                    return None
                raise KeyboardInterrupt
            self.interrupted_at = now
        if not self.stop:
            again = " Ctrl-C again stops at once." * (request is Request.INTERRUPT)
            self._write(f"{request.title}: {self.promise}{again}")
        self.stop = max(self.stop, request)
        return None

    def _raise(self, number: int, frame: FrameType | None) -> None:
        """Before and after training."""
        if (request := self._request(number)) is None:
            return None
        if request is Request.SAVE:
            self.saves = not self.has_trained  # for the end of the first step
            return None
        if request is Request.INTERRUPT:
            raise KeyboardInterrupt
        raise Stopped(request.code, is_shared=False)

    def _end_at_once(self, number: int, frame: FrameType | None) -> None:
        """While libraries are imported, which may catch what a handler raises."""
        if (request := self._request(number)) is None:
            return None
        if request is Request.SAVE:
            self.saves = not self.has_run
            return None
        if not self.has_run:
            self._write(f"{request.title}: stopped before the run began.")
        os._exit(request.code)

    def _request(self, number: int) -> Request | None:
        """What a signal asks for; None in a worker that was forked.

        A signal to the whole group of processes is the main process's business, which ends its workers by SIGTERM when
        it is not training.
        """
        name = signal.Signals(number).name
        if os.getpid() == self.owner:
            return REQUESTS[name]
        if name == "SIGTERM" and not self.is_polite[0]:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return None

    @staticmethod
    def _write(line: str) -> None:
        """Print a line; a signal may come while another line is being printed, and Python's streams refuse two."""
        if int(os.environ.get("RANK", 0)) == 0:
            with suppress(OSError, ValueError, AttributeError):
                os.write(sys.stderr.fileno(), f"\n{line}\n".encode())


SIGNALS = StopSignals()  # handlers belong to the process, so that there is one
