"""Every call of a save that changes the disk is broken, one after the other; nothing that was good before is lost.

Compare `shim_loop`. The quick tests kill the process at each call, and let each fail as on a full disk. `--slow` adds
the other faults and operations, and prints how many faults were tried and what came of them; `FAULT_TABLE=file`
appends it to a file.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from helpers import ROOT
from reliability.shim_calls import FAULTS, Call
from reliability.shim_order import power_faults
from reliability.shim_strace import calls_seen, strace_command

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="the preloaded library is for Linux on x86-64 and ARM64",
)

NEVER = 10**6
# Goes on after each attempt that leaves other names.
QUICK = {"killed before": NEVER, "ENOSPC": NEVER, "lost at close": NEVER}
ALL = dict.fromkeys(FAULTS, 10) | {"killed before": 1}
SAVES = ("plain", "rotation", "lora")
FILES = ("final", "final again", "final lora", "results", "moved aside", "moved back")


@pytest.fixture(scope="session")
def room():
    """A folder in memory where there is one: syncing to a real disk takes half of the time."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="broken_saves.", dir=memory if os.access(memory, os.W_OK) else None)
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def library(room) -> Path:
    """The library to preload, built here."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler (gcc or cc)")
    path = room / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(path), str(HERE / "shim.c"), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return path


@pytest.fixture(scope="session")
def broken(library, room):
    """A function that breaks every call of operations: the report by operation. Equal arguments give the same report.

    Args:
        faults: name -> `resume_every`, as items.
        before: a command line in front, such as that of strace.
    """

    @cache
    def run(operations: tuple[str, ...], faults: tuple = (), before: tuple[str, ...] = ()) -> dict:
        folder = Path(tempfile.mkdtemp(dir=room))
        plan = {"operations": operations, "faults": dict(faults), "root": str(folder), "report": str(folder / "report")}
        environment = os.environ | {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
        }  # fmt: skip
        preload = ("env", f"LD_PRELOAD={library}")
        command = [*before, *preload, sys.executable, str(HERE / "shim_child.py"), json.dumps(plan)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if "system calls cannot be trapped here" in done.stderr:
            pytest.skip("the kernel has no seccomp filters")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads((folder / "report").read_text(encoding="utf-8"))

    return run


def assert_nothing_lost(report: dict, operation: str) -> None:
    tables = report[operation]["tables"]
    assert tables and not [problem for table in tables for problem in table["problems"]]
    calls = report[operation]["calls"]
    assert all(table["tried"] == len(calls) for table in tables if table["fault"] in ("killed before", "ENOSPC"))


# ---------------------------------------------------------------------------------------------------- saves, each call


def test_a_save_that_is_killed_or_finds_a_full_disk_at_any_call_loses_no_checkpoint(broken):
    """Save 6 of a run that keeps the best checkpoint (2) and the last one (4), which it deletes."""
    report = broken(("rotation",), tuple(QUICK.items()))
    assert_nothing_lost(report, "rotation")
    killed, failed, _ = report["rotation"]["tables"]
    assert killed["outcomes"].keys() == {"killed: old", "killed: new"}
    assert {"RunError: old", "no error: new"} <= failed["outcomes"].keys()
    assert not {"write", "truncate", "fsync"} & failed["overlooked"].keys()
    assert len(report["rotation"]["calls"]) > 100 and killed["resumed"] >= 3


QUICK_FILES = ("final again", "results", "moved aside")


@pytest.mark.parametrize("operation", QUICK_FILES)
def test_a_kill_or_a_full_disk_at_any_call_leaves_whole_files(broken, operation):
    report = broken(QUICK_FILES, tuple(QUICK.items()))
    assert_nothing_lost(report, operation)


@pytest.mark.slow
@pytest.mark.parametrize("operation", SAVES + FILES)
def test_every_fault_at_every_call(broken, operation, capsys):
    report = broken((operation,), tuple(ALL.items()))
    text = "".join(lines_of(operation, report[operation]))
    with capsys.disabled():
        print("\n" + text)
    if os.environ.get("FAULT_TABLE"):
        with Path(os.environ["FAULT_TABLE"]).open("a", encoding="utf-8") as handle:
            handle.write(text)
    assert_nothing_lost(report, operation)


def lines_of(operation: str, found: dict) -> Iterator[str]:
    """How many faults of each kind were tried at the calls of an operation, and what came of them."""
    yield f"{operation}: {len(found['calls'])} calls\n"
    for table in found["tables"]:
        outcomes = ", ".join(f"{name} {count}" for name, count in sorted(table["outcomes"].items()))
        yield f"{operation:12} {table['fault']:15} tried {table['tried']:4}  resumed {table['resumed']:4}  {outcomes}\n"


# ------------------------------------------------------------------------------------------------- the order of calls


def calls_of(report: dict, operation: str) -> list[Call]:
    return [Call(*values) for values in report[operation]["calls"]]


def last_rename(calls: list[Call], name: str) -> str:
    return next(call.other for call in reversed(calls) if call.name == "rename" and call.other.endswith("/" + name))


def test_a_checkpoint_is_on_the_disk_before_it_gets_its_name_and_before_the_older_one_goes(broken):
    calls = calls_of(broken(("rotation",), tuple(QUICK.items())), "rotation")
    final = last_rename(calls, "checkpoint-6")
    older = final.replace("checkpoint-6", "checkpoint-4")
    assert power_faults(calls, final, [older]) == []
    assert any(call.name == "rename" and call.path == older for call in calls)


@pytest.mark.parametrize(
    ("operation", "names"),
    [("final again", ("config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors")),
     ("results", ("predictions.csv", "all_results.json", "run.json"))],
)  # fmt: skip
def test_a_file_is_on_the_disk_before_it_gets_its_name(broken, operation, names):
    calls = calls_of(broken(QUICK_FILES, tuple(QUICK.items())), operation)
    for name in names:
        assert power_faults(calls, last_rename(calls, name)) == []


def test_what_the_weights_need_is_on_the_disk_before_them(broken):
    """Without power a later rename may be on the disk and an earlier one not."""
    calls = calls_of(broken(QUICK_FILES, tuple(QUICK.items())), "final again")
    weights, config = last_rename(calls, "model.safetensors"), last_rename(calls, "config.json")
    order = [call.other if call.name == "rename" else call.path for call in calls if call.name in ("rename", "fsync")]
    folder = os.path.dirname(weights)
    assert folder in order[order.index(config) : order.index(weights)]


# --------------------------------------------------------------------------------------------- nothing goes past it


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace")
@pytest.mark.parametrize("operation", SAVES + FILES)
def test_the_library_sees_every_call_that_strace_sees(broken, operation, room, capsys):
    """Python, torch (C++), safetensors and tokenizers (Rust) write; safetensors renames past the C library."""
    log = room / f"strace {operation}"
    report = broken((operation,), (), tuple(strace_command(str(log))))
    calls = calls_of(report, operation)
    folder = os.path.commonpath([os.path.dirname(call.path) for call in calls])
    seen = calls_seen(log.read_text(encoding="utf-8"), folder)
    with capsys.disabled():
        print(f"\n{operation:12} calls by the library {len(calls)}, by strace {seen.total()}")
    assert seen == Counter(call.name for call in calls)
