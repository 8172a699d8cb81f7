"""Runs of the command line that are killed by themselves or from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

import psutil
from helpers import ROOT

SECONDS = 90.0  # of one run, with all cores taken by others
LATE = 20.0  # for the processes beside one that was killed


@dataclass(frozen=True)
class Kill:
    """How a run is killed.

    Args:
        fault: the process kills itself there (`--inject_fault`).
        after: an outside process kills all processes when the journal has this place, or when a new file of this
            pattern is in the output folder; `start` for the start of the run.
        delay: seconds that it waits then.
    """

    fault: str | None = None
    after: str | None = None
    delay: float = 0.0

    def __str__(self) -> str:
        if self.fault:
            return f"`{self.fault}`"
        return f"`kill -9` at {self.after}" + (f" + {self.delay * 1000:.0f} ms" if self.delay else "")

    def has_come(self, output: Path, journal: Path, since: float) -> bool:
        """Whether the moment of a kill from outside has come; `since` is when the run started."""
        assert self.after
        if "*" in self.after:
            with contextlib.suppress(OSError):  # a folder that was renamed meanwhile
                return any(path.stat().st_ctime > since for path in output.rglob(self.after))
            return False
        return self.after == "start" or journal.exists() and self.after in journal.read_text().splitlines()


PARTIAL = Kill(after="checkpoint-*.partial")


@dataclass(frozen=True)
class Outcome:
    """How a run ended: exit codes (negative for a signal), what it printed, the places that rank 0 passed."""

    codes: list[int]
    log: str
    places: list[str] = field(default_factory=list)

    @property
    def steps(self) -> list[int]:
        """The optimizer steps that it did."""
        return [int(place.split()[1]) for place in self.places if place.startswith("step ")]

    @property
    def was_killed(self) -> bool:
        return -signal.SIGKILL in self.codes

    @property
    def end(self) -> str:
        return "SIGKILL" if self.was_killed else f"exit code {next((code for code in self.codes if code), 0)}"


@dataclass(frozen=True)
class Started:
    """The processes of a run, and the log and journal of each."""

    children: list[int]
    logs: list[Path]
    journals: list[Path]


class Server:
    """The other end of `kill_server.py`."""

    def __init__(self, folder: Path):
        self.folder, self.count = folder, 0
        own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "HF_DATASETS_CACHE": str(folder / "cache")}
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("kill_server.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | own,
        )  # fmt: skip
        assert self._answer() == "ready"

    def run(self, argv: Sequence, kill: Kill | None = None, processes: int = 1) -> Outcome:
        """Run a command line to its end, or kill it."""
        started = self.begin(argv, kill, processes)
        if kill and kill.after:
            wait_and_kill(kill, folder_of(argv), started.journals[0], started.children[0])
        return self.end(started, SECONDS if kill is None else LATE)

    def begin(self, argv: Sequence, kill: Kill | None = None, processes: int = 1) -> Started:
        self.count += 1
        names = [f"{self.count}-{rank}" for rank in range(processes)]
        logs, journals = ([self.folder / f"{name}.{kind}" for name in names] for kind in ("log", "journal"))
        port = free_port() if processes > 1 else 0
        runs = [
            {"argv": with_fault(argv, kill), "env": environment(rank, processes, port), "log": str(logs[rank]),
             "journal": str(journals[rank])}
            for rank in range(processes)
        ]  # fmt: skip
        return Started(self._ask(start=runs), logs, journals)

    def end(self, started: Started, seconds: float = SECONDS) -> Outcome:
        """Wait for the end of all processes; those that wait in vain for one that was killed are ended too."""
        codes = dict(zip(started.children, self._ask(wait=started.children, seconds=seconds), strict=True))
        late = [child for child, code in codes.items() if code is None]
        if late:
            kill_all(started.children[0])
            codes |= dict(zip(late, self._ask(wait=late, seconds=seconds), strict=True))
        logs = [log.read_text(encoding="utf-8", errors="replace") for log in started.logs if log.exists()]
        first = started.journals[0]
        return Outcome(list(codes.values()), "".join(logs), first.read_text().splitlines() if first.exists() else [])

    def _ask(self, **request) -> list:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        assert self.process.stdout
        return json.loads(self.process.stdout.readline() or "null")

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(10)


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.close()


def run_command_line(argv: Sequence, log: Path, kill: Kill | None = None, launcher: Sequence[str] = ()) -> Outcome:
    """`python run_classification.py`, in a new process or under a launcher such as torchrun."""
    words = [sys.executable, *launcher, str(ROOT / "run_classification.py"), *with_fault(argv, kill)]
    with log.open("wb") as handle:
        process = subprocess.Popen(
            words, stdout=handle, stderr=handle, start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
        )
        if kill and kill.after:
            wait_and_kill(kill, folder_of(argv), log, process.pid)
        code = process.wait(SECONDS)
    return Outcome([code], log.read_text(encoding="utf-8", errors="replace"))


def with_fault(argv: Sequence, kill: Kill | None) -> list[str]:
    return [str(word) for word in argv] + ([f"--inject_fault={kill.fault}"] if kill and kill.fault else [])


def folder_of(argv: Sequence) -> Path:
    """The output folder of a command line."""
    return next(Path(str(word).partition("=")[2]) for word in reversed(argv) if str(word).startswith("--output_dir="))


def environment(rank: int, processes: int, port: int) -> dict[str, str]:
    """What `torch.distributed.run` gives to each process."""
    if processes == 1:
        return {}
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip


def free_port() -> int:
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def is_running(process: int) -> bool:
    """False for one that has ended and that its parent has not asked about."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_and_kill(kill: Kill, output: Path, journal: Path, leader: int) -> None:
    """Kill all processes of a run at the moment that `kill` names; do nothing if the run has ended before."""
    since, end = time.time(), time.monotonic() + SECONDS
    while time.monotonic() < end and is_running(leader):
        if kill.has_come(output, journal, since):
            time.sleep(kill.delay)
            break
        time.sleep(0.0005)
    kill_all(leader)


def kill_all(leader: int) -> None:
    """SIGKILL to a process, its group, and its descendants, which a launcher puts into groups of their own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        descendants = psutil.Process(leader).children(recursive=True)
        for process in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)
