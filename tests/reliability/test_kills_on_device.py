"""Killed runs on the GPU of this machine end as the uninterrupted ones.

    TEST_DEVICE=cuda KILL_TABLE=file python -m pytest -m device tests/reliability/test_kills_on_device.py

Everything here is the command that a user types, in a process of its own: a process that holds a GPU cannot be forked.
"""

from __future__ import annotations

import pytest
import torch
from helpers import account, largest_difference
from reliability.kill_chains import Fall, complete_last, judge, read_fall, read_from_outside
from reliability.kill_results import differences
from reliability.kill_runs import PARTIAL, Kill, Outcome, run_command_line

pytestmark = [
    pytest.mark.device,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU to compare with the CPU"),
]

EVERY_3 = {"eval_strategy": "steps", "eval_steps": 3, "full_determinism": True}
CHAINS: dict[str, tuple[dict, list[Kill]]] = {
    "GPU, bf16, an average": (
        {"precision": "bf16", "average": "ema"},
        [Kill("kill@step=5"), Kill("kill@save=2:random"), PARTIAL, Kill("kill@step=19")],
    ),
    "GPU, fp16 with a scaler, random order": (
        {"precision": "fp16", "train_sampling_strategy": "random"},
        [Kill("kill@step=7"), Kill("kill@save=1:optimizer"), Kill("stop@step=13"), PARTIAL],
    ),
    "GPU, fp32, LoRA, accumulation, a loader worker": (
        {"lora_r": 4, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "dataloader_num_workers": 1},
        [Kill("kill@step=8"), Kill("kill@save=2:rename"), Kill("interrupt@step=16")],
    ),
}  # fmt: skip


@pytest.fixture
def run(kill_command, tmp_path):
    """A function that runs the command into a folder of this test, and returns how it ended."""

    def run(name: str, kill: Kill | None = None, **flags) -> Outcome:
        words = kill_command(**{"dataloader_num_workers": 0} | flags, output_dir=tmp_path / name)
        outcome = run_command_line(words, tmp_path / f"{name}.log", kill)
        assert kill or outcome.codes == [0], outcome.log
        return outcome

    return run


@pytest.mark.parametrize("name", CHAINS)
def test_a_chain_of_kills_ends_as_the_uninterrupted_run(name, run, falls, tmp_path):
    flags, kills = CHAINS[name]
    run("whole", **EVERY_3 | flags)
    assert account(tmp_path / "whole")["decisions"]["device"] == "cuda"
    new: list[Fall] = []
    for kill in [*kills, None]:
        outcome = run("out", kill, **EVERY_3 | flags, resume="auto")
        if new:
            complete_last(new[-1], outcome)
        if kill is not None:
            assert any(outcome.codes), outcome.log
            new.append(read_from_outside(read_fall(name, kill, outcome, tmp_path / "out", 0), outcome))
    falls += new
    judge(new, tmp_path / "out", tmp_path / "whole")


def test_a_repeated_run_has_the_same_weights(run, tmp_path):
    run("first", precision="bf16", full_determinism=True)
    words = [f"--config={tmp_path / 'first' / 'run.json'}", f"--output_dir={tmp_path / 'again'}"]
    again = run_command_line(words, tmp_path / "again.log")
    assert again.codes == [0], again.log
    assert largest_difference(tmp_path / "first", tmp_path / "again") == 0
    assert not differences(tmp_path / "again", tmp_path / "first")
