"""A process that has imported every library and forks a child for each run, which can be killed.

A child starts in milliseconds instead of seconds. This process starts no threads, so that its children are as fresh as
a new process. It reads requests from the standard input and answers on the standard output, one JSON value a line:

    {"start": [{"argv": [...], "env": {...}, "log": path, "journal": path}, ...]} -> process ids, in one group
    {"wait": [ids], "seconds": 60} -> exit codes; null for a process that is still there

A child appends every place that it passes (`classification.training.faults`) to its journal. What it has written there
survives its SIGKILL.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
import time
import traceback

from classification.cli.command import run_command, start_command

LATER = (  # imported by a run when it needs them, except what starts threads
    "matplotlib.figure", "matplotlib.backends.backend_svg", "sklearn.metrics", "scipy.stats", "peft", "psutil",
    "safetensors.torch", "pandas", "pyarrow.csv", "pyarrow.parquet", "torch.distributed",
    "transformers.models.bert.modeling_bert", "accelerate.utils.modeling",
)  # fmt: skip


def keep_journal(path: str) -> None:
    """Write down each call of `fault_at` before it does anything."""
    from classification.training import faults

    journal = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    original = faults.fault_at

    def fault_at(place: str, number: int | None = None) -> None:
        os.write(journal, f"{place} {'' if number is None else number}".rstrip().encode() + b"\n")
        original(place, number)

    for module in list(sys.modules.values()):
        if getattr(module, "fault_at", None) is original:
            module.fault_at = fault_at  # type: ignore[attr-defined]


def run_child(run: dict) -> int:
    """One run of the command line as a shell starts it; returns the exit code."""
    from run_classification import main

    log = os.open(run["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.environ.update(run["env"])
    sys.argv = ["run_classification.py", *run["argv"]]
    keep_journal(run["journal"])
    try:
        start_command(run["argv"])
        run_command(main)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def start(runs: list[dict]) -> list[int]:
    """Fork a child for each run; the first one leads their process group."""
    children: list[int] = []
    for run in runs:
        child = os.fork()
        if child == 0:
            os.setpgid(0, children[0] if children else 0)
            code = 1
            try:
                code = run_child(run)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
        os.setpgid(child, children[0])
    return children


def wait(children: list[int], seconds: float) -> list[int | None]:
    """The exit codes, negative for a signal."""
    codes: dict[int, int] = {}
    end = time.monotonic() + seconds
    while len(codes) < len(children) and time.monotonic() < end:
        for child in set(children) - codes.keys():
            found, status = os.waitpid(child, os.WNOHANG)
            if found:
                codes[child] = os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    return [codes.get(child) for child in children]


def serve() -> None:
    import run_classification  # noqa: F401

    for name in LATER:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        answer = start(request["start"]) if "start" in request else wait(request["wait"], request["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()
