"""Several processes save one checkpoint: an error of one stops all, and a resumed run has every figure."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from helpers import ROOT, account, make_bert, make_tokenizer, read_predictions, weights

FAULT = "enospc@save=3:random:rank=1"


@pytest.fixture(scope="module")
def two(tmp_path_factory, shared_files):
    """The folder of `whole` and `killed`: two processes, where the third save of `killed` fails in process 1."""
    from helpers import command_line

    folder = tmp_path_factory.mktemp("together")
    make_bert(hidden_dropout_prob=0.1).bert.save_pretrained(folder / "model")
    make_tokenizer().save_pretrained(folder / "model")
    standard = {
        "model_name_or_path": folder / "model", **shared_files, "num_train_epochs": 2, "per_device_train_batch_size": 4,
        "save_strategy": "steps", "save_steps": 3, "logging_steps": 5, "eval_strategy": "epoch",
        "load_best_model_at_end": False, "save_total_limit": 0, "use_cpu": True,
    }  # fmt: skip
    lines = [
        command_line({}, standard | {"output_dir": folder / name, **flags})
        for name, flags in (("whole", {}), ("killed", {"inject_fault": FAULT}), ("killed", {"resume": "auto"}))
    ]
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    done = subprocess.run(
        [*launch, str(ROOT / "tests" / "integration" / "two_process_saves.py"), json.dumps(lines)],
        capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_an_error_of_one_process_is_one_error_of_all(two):
    messages = {(two / f"killed.error-{rank}").read_text(encoding="utf-8") for rank in range(2)}
    assert len(messages) == 1
    message = messages.pop()
    assert "\n" not in message and "checkpoint-9 cannot be saved" in message
    assert "No space left on device" in message and "checkpoint-6." in message


def test_every_process_has_its_random_state_in_a_sealed_checkpoint(two):
    names = json.loads((two / "killed" / "checkpoint-9" / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= names.keys() and "rng_state.pth" not in names
    state = json.loads((two / "killed" / "checkpoint-9" / "run_state.json").read_text(encoding="utf-8"))
    assert state["processes"] == 2 and len(state["kept"]["loss"]) == 2


def test_a_resumed_run_of_two_processes_is_the_one_without_the_error(two):
    whole, killed = two / "whole", two / "killed"
    one, other = weights(whole), weights(killed)
    assert all((one[name] == other[name]).all() for name in one)
    assert read_predictions(whole) == read_predictions(killed)
    first, second = (
        json.loads((folder / "all_results.json").read_text(encoding="utf-8")) for folder in (whole, killed)
    )
    assert second["train_loss"] == pytest.approx(first["train_loss"], abs=1e-12)
    for epoch, again in zip(account(whole)["epochs"], account(killed)["epochs"], strict=True):
        for key in ("epoch", "step", "train_loss", "train_accuracy", "eval_loss"):
            assert again[key] == pytest.approx(epoch[key], abs=1e-12)
