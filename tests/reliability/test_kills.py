"""Killed runs end as the uninterrupted ones. Here the quick part; `test_kills_slow.py` has every configuration."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import psutil
from helpers import ROOT
from reliability.kill_chains import kill_and_resume
from reliability.kill_results import differences
from reliability.kill_runs import PARTIAL, Kill, is_running, run_command_line

STEPS = {"eval_strategy": "steps", "eval_steps": 3, "gradient_accumulation_steps": 2, "per_device_train_batch_size": 4}


def test_a_run_that_is_killed_four_times_ends_as_the_uninterrupted_one(server, kill_command, tmp_path):
    """Before the first checkpoint, inside a save, at the end of an epoch before its last rows are counted, and just
    after a checkpoint got its name. Accumulation, length-grouped batches, dropout, an evaluation at the start, an
    average of the weights."""
    argv = kill_command(**STEPS, eval_on_start=True, average="ema")
    assert server.run([*argv, f"--output_dir={tmp_path / 'whole'}"]).codes == [0]
    kills = [Kill(f"kill@{place}") for place in ("step=2", "save=2:weights", "step=8", "save=2:rotate")]
    falls = kill_and_resume(server, "accumulation", argv, tmp_path / "out", kills)
    assert [(fall.place, fall.steps, fall.resumed_at) for fall in falls] == [
        ("step 2", 2, "0"), ("save:weights", 6, "3"), ("step 8", 8, "6"), ("save:rotate", 12, "12"),
    ]  # fmt: skip
    assert not differences(tmp_path / "out", tmp_path / "whole")


def test_two_processes_that_are_killed_end_as_the_uninterrupted_ones(server, kill_command, tmp_path):
    """Each has a loader worker, which a resumed run starts anew; the uninterrupted one keeps it for all epochs."""
    size = {"per_device_train_batch_size": 4, "num_train_epochs": 2, "dataloader_num_workers": 1}
    argv = kill_command(**size, eval_strategy="steps", eval_steps=5, average="last=3")
    assert server.run([*argv, f"--output_dir={tmp_path / 'whole'}"], processes=2).codes == [0, 0]
    falls = kill_and_resume(server, "two", argv, tmp_path / "out", [Kill("kill@save=2:random")], processes=2)
    assert [(fall.place, fall.steps, fall.resumed_at) for fall in falls] == [("save:random", 10, "5")]
    assert not differences(tmp_path / "out", tmp_path / "whole")


def test_a_command_that_is_killed_from_outside_is_continued(server, kill_command, tmp_path):
    """`kill -9` of a real command as soon as its first checkpoint begins to appear."""
    argv = kill_command()
    assert server.run([*argv, f"--output_dir={tmp_path / 'whole'}"]).codes == [0]
    killed = run_command_line([*argv, f"--output_dir={tmp_path / 'out'}"], tmp_path / "log", PARTIAL)
    assert killed.was_killed
    resumed = server.run([*argv, "--resume=auto", f"--output_dir={tmp_path / 'out'}"])
    assert resumed.codes == [0] and resumed.steps[-1] == 24
    assert not differences(tmp_path / "out", tmp_path / "whole")


def test_a_worker_whose_run_is_killed_ends_and_leaves_no_shared_memory(server, kill_command, tmp_path):
    argv = kill_command(dataloader_num_workers=1, output_dir=tmp_path / "out")
    started = server.begin(argv, Kill("kill@step=10"))
    parent, workers = psutil.Process(started.children[0]), set()
    while is_running(parent.pid):
        workers |= set(parent.children(recursive=True))
        time.sleep(0.001)
    assert server.end(started).codes == [-signal.SIGKILL] and workers
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive
    processes = [parent.pid, *(worker.pid for worker in workers)]
    shared = os.listdir("/dev/shm") if Path("/dev/shm").is_dir() else []
    assert not [name for name in shared if any(name.startswith(f"torch_{pid}_") for pid in processes)]


def test_the_recipe_of_the_documentation_proves_it(server, dropout_model, tmp_path):
    """The commands as they are, with a tiny model and few rows."""
    page = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    block = re.search(r"```bash\n(python run_classification.py .*?)```", page, re.DOTALL)
    *runs, compare = [shlex.split(line.replace("DISK", str(tmp_path))) for line in block[1].splitlines()]
    rows = [f"--max_{split}_samples=24" for split in ("train", "eval", "predict")]
    small = [f"--model_name_or_path={dropout_model}", "--max_seq_length=64", *rows]
    codes = [server.run([ROOT / preset, *words, *small]).codes for _, _, preset, *words in runs]
    assert codes == [[0], [-signal.SIGKILL], [0]]
    lines = subprocess.run(compare, capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(lines) == 2 and lines[0].split()[0] == lines[1].split()[0]
