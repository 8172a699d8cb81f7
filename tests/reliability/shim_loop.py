"""Break the first, the second, the third ... call of one operation, each time in a forked child, and look at the disk.

The method is that of SQLite's tests (sqlite.org/testing.html). The libraries are imported once, in the parent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from reliability.shim_calls import FAULTS, Call, Fault, Shim

LIMIT = 2000  # calls; an operation that never succeeds is a fault of the loop


def fork() -> int:
    """As os.fork, but the child goes on with the random numbers of Python, which are seeded anew otherwise."""
    numbers = random.getstate()
    child = os.fork()
    if child == 0:
        random.setstate(numbers)
    return child


def in_fork(function: Callable[[], object]) -> object:
    """What `function` returns in a forked child, as JSON holds it."""
    read, write = os.pipe()
    child = fork()
    if child == 0:
        try:
            result: object = function()
        except BaseException:
            result = {"traceback": traceback.format_exc()}
        with os.fdopen(write, "w") as pipe:
            json.dump(result, pipe)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text)


def digests(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def names_around(folder: Path) -> list[str]:
    """The names in a folder and around it, those of temporary files without their random part."""
    paths = [*folder.parent.glob("*"), *folder.glob("*")]
    return sorted({re.sub(r"\.\w{8}\.partial$", "", str(path)) for path in paths})


@contextlib.contextmanager
def restored(folder: Path) -> Iterator[Callable[[], None]]:
    """Gives a function that puts the folder's parent back as it was on entry; done on exit too."""
    outer = folder.parent
    copy = outer.with_name(outer.name + ".copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(outer, copy)

    def restore() -> None:
        shutil.rmtree(outer)
        shutil.copytree(copy, outer)

    yield restore
    restore()
    shutil.rmtree(copy)


@dataclass
class Table:
    """What was tried and what came of it, for one operation and one fault.

    Args:
        overlooked: name of a call -> how often its failure was no error, such as that of deleting an old file.
    """

    operation: str
    fault: str
    tried: int = 0
    resumed: int = 0
    outcomes: Counter = field(default_factory=Counter)
    overlooked: Counter = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict:
        return self.__dict__ | {"outcomes": dict(self.outcomes), "overlooked": dict(self.overlooked)}


@dataclass(frozen=True)
class Operation:
    """One operation that writes to `folder`.

    Args:
        act: does it, once.
        judge: the outcome in a word or two and what is wrong with the disk, after an attempt.
            Gets whether the attempt succeeded.
        judge_error: what is wrong with the error that an attempt raised.
        resume: goes on from what is on the disk, in a fork of its own; gives what is wrong with the end.
    """

    name: str
    folder: Path
    act: Callable[[], object]
    judge: Callable[[bool], tuple[str, list[str]]]
    judge_error: Callable[[dict], list[str]]
    resume: Callable[[], list[str]]


class Attempts:
    """A forked child that runs an operation, time after time, until a fault kills it; then the next one is forked."""

    def __init__(self, shim: Shim, operation: Operation):
        self.shim, self.operation = shim, operation
        self.child = 0

    def run(self, number: int, fault: Fault | None) -> dict:
        """Run the operation with a fault at the call of this number, 0 for none."""
        if not self.child:
            self._fork()
        print(number, fault.name if fault else "", sep="\t", file=self.requests, flush=True)
        text = self.results.readline()
        if not text:
            return {"signal": self._wait()}
        result = json.loads(text)
        assert "traceback" not in result, result["traceback"]
        return result

    def close(self) -> None:
        if self.child:
            self.requests.close()
            self._wait()

    def _fork(self) -> None:
        (read_request, write_request), (read_result, write_result) = os.pipe(), os.pipe()
        self.child = fork()
        if self.child == 0:
            os.close(write_request)
            os.close(read_result)
            with os.fdopen(read_request) as requests, os.fdopen(write_result, "w") as results:
                self._serve(requests, results)
            os._exit(0)
        os.close(read_request)
        os.close(write_result)
        self.requests, self.results = os.fdopen(write_request, "w"), os.fdopen(read_result)

    def _wait(self) -> int:
        _, status = os.waitpid(self.child, 0)
        self.child = 0
        with contextlib.suppress(BrokenPipeError):
            self.requests.close()
        self.results.close()
        return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0

    def _serve(self, requests: TextIO, results: TextIO) -> None:
        try:
            self.shim.trap()
            for request in requests:
                number, name = request.rstrip("\n").split("\t")
                print(json.dumps(self._attempt(int(number), FAULTS.get(name))), file=results, flush=True)
        except BaseException:
            print(json.dumps({"traceback": traceback.format_exc()}), file=results, flush=True)

    def _attempt(self, number: int, fault: Fault | None) -> dict:
        error, shim = None, self.shim
        shim.start(str(self.operation.folder.parent), number, fault)
        try:
            self.operation.act()
        except BaseException as raised:
            shim.stop()
            error = {"kind": type(raised).__name__, "message": str(raised), "traceback": traceback.format_exc()}
        shim.stop()
        calls = [] if number else [list(call.__dict__.values()) for call in shim.calls()]
        return {"fired": shim.fired, "error": error, "calls": calls}


def recorded(shim: Shim, operation: Operation) -> list[Call]:
    """The calls of an operation without a fault, in a fork; the folder is put back."""
    attempts = Attempts(shim, operation)
    with restored(operation.folder), contextlib.closing(attempts):
        result = attempts.run(0, None)
        assert result["error"] is None, result["error"]["traceback"]
        outcome, problems = operation.judge(True)
        assert not problems, (outcome, problems)
    return [Call(*values) for values in result["calls"]]


def break_every_call(shim: Shim, operation: Operation, fault: Fault, *, resume_every: int) -> Table:
    """Try the fault at the first call, the second ... until the operation succeeds without one.

    Args:
        resume_every: the run goes on after each attempt of such a number, and after each that leaves the folder and
            the one around it with other names than those before it.
    """
    calls = recorded(shim, operation)
    table, seen, attempts = Table(operation.name, fault.name), set(), Attempts(shim, operation)
    with restored(operation.folder) as restore, contextlib.closing(attempts):
        for number in range(1, LIMIT):
            call = calls[number - 1] if number <= len(calls) else Call("beyond the last", "")
            if number <= len(calls) and not fault.applies_to(call):
                continue
            result = attempts.run(number, fault)
            killed = result.get("signal")
            if killed is None and not result["fired"]:
                assert result["error"] is None, result["error"]
                break
            table.tried += 1
            where = f"{fault.name} at call {number}, {call.name} {Path(call.path).name}"
            problems = [] if killed in (None, signal.SIGKILL) else [f"signal {killed}"]
            if not killed and fault.kills:
                problems.append("the process was not killed")
            error = result.get("error")
            outcome, wrong = operation.judge(killed is None and error is None)
            problems += wrong + (operation.judge_error(error) if error else [])
            names = (outcome, *names_around(operation.folder))
            if number % resume_every == 0 or names not in seen:
                end = in_fork(operation.resume)
                table.resumed += 1
                problems += end if isinstance(end, list) else [str(end)]
            seen.add(names)
            if killed is None and error is None:
                table.overlooked[call.name] += 1
            ended = "killed" if killed else "no error" if error is None else error["kind"]
            table.outcomes[f"{ended}: {outcome}"] += 1
            table.problems += [f"{where}: {problem}" for problem in problems]
            restore()
        else:
            table.problems.append(f"no success in {LIMIT} attempts")
    return table
