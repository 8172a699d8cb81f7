"""Thread settings reach the libraries of a command and its children; `main` leaves its caller's environment alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers import ROOT

from classification.cli.threads import CHOSEN_BY_USER, SPINS
from run_classification import main

# What a command does up to its first library, then a child as the loaders and `datasets` start them.
PROGRAM = f"""
import multiprocessing, os, sys
from classification.cli.command import start_command

def show():
    print("child", os.environ.get("GOMP_SPINCOUNT"))

if __name__ == "__main__":
    start_command(["--train_file", {str(ROOT / "data" / "reviews" / "train.csv")!r}])
    import torch
    child = multiprocessing.get_context("spawn").Process(target=show)
    child.start()
    child.join()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="torch brings libgomp on Linux")
@pytest.mark.parametrize(
    ("chosen", "count"), [({}, SPINS), ({"GOMP_SPINCOUNT": "77"}, "77")], ids=["no setting", "the user's setting"]
)
def test_the_setting_reaches_the_threads_of_torch_and_child_processes(chosen, count, tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY_USER}
    done = subprocess.run(
        [sys.executable, "program.py"], capture_output=True, text=True, timeout=120, cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT), "OMP_DISPLAY_ENV": "VERBOSE"} | chosen,
    )  # fmt: skip
    assert done.returncode == 0 and f"child {count}" in done.stdout, done.stderr
    assert f"GOMP_SPINCOUNT = '{count}'" in done.stderr  # libgomp reports what it has read


def test_main_leaves_the_environment_of_its_caller_alone(command, monkeypatch):
    for name in (*CHOSEN_BY_USER, "TOKENIZERS_PARALLELISM"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    assert main(command(dry_run=True))["dry_run_loss"] > 0
    added = {name for name in os.environ if name not in before}
    assert not added & {*CHOSEN_BY_USER, "TOKENIZERS_PARALLELISM"}
