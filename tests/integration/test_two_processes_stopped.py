"""Two processes repeat a step together where one lacks memory, and stop at the same step where one gets a signal."""

from __future__ import annotations

import json

import pytest
from helpers import SGD, account, assert_epochs_agree, largest_difference, run_in_two_processes

FLAGS = {"num_train_epochs": 2, "gradient_accumulation_steps": 2, "train_sampling_strategy": "random", **SGD}
# 4 steps per epoch, each of two micro-batches; the forward passes of a process are counted from 1.
FAULTS = {
    "plain": None,
    "before the exchange": "oom@train=3:rank=1",  # first micro-batch of step 2: gradients are not exchanged
    "in the exchange": "oom@train=4:rank=1",  # second micro-batch: the other process expects the exchange
    "in the main process, twice": "oom@train=2:rank=0,oom@train=5:rank=0",
    "in both": "oom@train=4",
    "stopped": "stop@step=2:rank=1",
}


@pytest.fixture(scope="module")
def runs(tiny_model, shared_files, tmp_path_factory):
    """The folder of each run by its name; one launch for all."""
    folder = tmp_path_factory.mktemp("stopped")
    lines, folders = [], {}
    for number, (name, fault) in enumerate(FAULTS.items()):
        folders[name] = folder / f"run-{number}"
        flags = {
            "model_name_or_path": tiny_model, **shared_files, "max_seq_length": 32, "precision": "fp32",
            "per_device_train_batch_size": 4, "disable_tqdm": True, "output_dir": folders[name], **FLAGS,
        } | ({"inject_fault": fault} if fault else {})  # fmt: skip
        lines.append([f"--{key}={value}" for key, value in flags.items()])
    run_in_two_processes(*lines)
    return folders


@pytest.mark.parametrize("name", [name for name in FAULTS if name not in ("plain", "stopped")])
def test_processes_repeat_a_step_together(name, runs):
    assert largest_difference(runs["plain"], runs[name]) <= 1e-6
    assert_epochs_agree(runs["plain"], runs[name])
    assert (
        account(runs[name])["throughput"]["training"]["rows"]
        == account(runs["plain"])["throughput"]["training"]["rows"]
    )


def test_processes_stop_at_the_same_step(runs):
    stops = [json.loads((runs["stopped"].parent / f"{runs['stopped'].name}.result-{rank}.json").read_text())
             for rank in (0, 1)]  # fmt: skip
    assert stops[0] == stops[1] and "SIGTERM: stopped after step 2 of 8" in stops[0]
    assert sorted(path.name for path in runs["stopped"].iterdir()) == ["checkpoint-2"]
