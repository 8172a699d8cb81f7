"""Runs in a process that was started with the library preloaded: breaks the calls of operations, writes a report.

python shim_child.py '{"operations": ["plain"], "faults": {"killed before": 10}, "root": ..., "report": ...}'

The number of a fault is `resume_every` of `shim_loop.break_every_call`.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import logging
import sys
import time
from functools import partial
from pathlib import Path

import torch
from reliability.shim_calls import FAULTS, Shim
from reliability.shim_files import FinalModel, MovedAside, Results
from reliability.shim_loop import Operation, break_every_call, recorded
from reliability.shim_saves import BrokenSave
from reliability.shim_trainings import SAVE_STEPS

OPERATIONS = {
    **{kind: partial(BrokenSave, kind) for kind in SAVE_STEPS},
    "final": FinalModel,
    "final again": partial(FinalModel, is_again=True),
    "final lora": partial(FinalModel, kind="lora"),
    "results": Results,
    "moved aside": partial(MovedAside, is_back=False),
    "moved back": partial(MovedAside, is_back=True),
}  # name -> function of a folder that makes an object with a method `run`


def main(plan: dict) -> None:
    gc.disable()  # a collection in a forked child copies all pages of the libraries
    torch.set_num_threads(1)  # a forked process has only the thread that forked
    logging.disable(logging.CRITICAL)
    report: dict = {}

    def test(operation: Operation) -> None:
        shim, tables = Shim(), []
        calls = recorded(shim, operation)
        for name, resume_every in plan["faults"].items():
            start = time.perf_counter()
            table = break_every_call(shim, operation, FAULTS[name], resume_every=resume_every)
            tables.append(table.as_dict() | {"seconds": time.perf_counter() - start})
        report[name_of_operation] = {"calls": [list(call.__dict__.values()) for call in calls], "tables": tables}

    for name_of_operation in plan["operations"]:
        with contextlib.redirect_stderr(io.StringIO()):
            OPERATIONS[name_of_operation](root=Path(plan["root"])).run(test)
    Path(plan["report"]).write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
