"""SIGKILL of runs of every kind, at every kind of place: each ends as the uninterrupted run, to the last bit.

`KILL_TABLE=file` writes where each kill fell as a Markdown table, which is also printed.
"""

from __future__ import annotations

import pytest
from corpus import long_rows, make_rows, number_rows, several_rows, stars, write_csv, write_splits
from reliability.kill_chains import complete_last, judge, kill_and_resume, read_fall, read_from_outside
from reliability.kill_runs import PARTIAL, Kill, run_command_line

pytestmark = pytest.mark.slow

SAVES = tuple(f"save=1:{stage}" for stage in ("begin", "weights", "optimizer", "random", "state", "manifest", "rename"))
EVERY_3 = {"eval_strategy": "steps", "eval_steps": 3}
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")

# Configuration -> flags, and the kills of its chain: a place (or a whole fault) of `--inject_fault`, or a kill from
# outside. 8 steps each epoch. A step's place is before its evaluation and its save. Each process of a chain counts its
# saves anew.
CHAINS: dict[str, tuple[dict, list]] = {
    "every epoch": ({}, ["step=3", "step=8", "save=1:begin", "save=1:rotate", "step=9", "step=13", PARTIAL, "step=24"]),
    "every stage of a save": (EVERY_3, [*SAVES, "step=6", *SAVES]),
    "accumulation": (
        {"per_device_train_batch_size": 3, "gradient_accumulation_steps": 3, "eval_strategy": "steps", "eval_steps": 5},
        ["step=7", "step=8", "save=2:optimizer", "step=16", PARTIAL, "step=23"],
    ),
    "random order": (
        {"train_sampling_strategy": "random", **EVERY_3}, ["step=5", Kill(after="step 10"), PARTIAL, "save=3:rename"],
    ),
    "drawn with replacement": ({"sampler": "balanced", **EVERY_3}, ["step=7", "save=2:state", "step=20"]),
    "a loader worker": (
        {"dataloader_num_workers": 1, **EVERY_3}, ["step=4", Kill(after="step 8"), PARTIAL, "save=2:random", "step=23"],
    ),
    "LoRA": ({"lora_r": 4, **EVERY_3}, ["step=5", "save=1:weights", Kill(after="step 11", delay=0.01), PARTIAL]),
    "windows": (
        {"truncation_strategy": "window", "max_seq_length": 16, **EVERY_3}, ["step=5", "step=8", PARTIAL, "step=17"],
    ),
    "early stopping": (
        {"early_stopping_patience": 2, "num_train_epochs": 12, "learning_rate": 0.05, **EVERY_3},
        ["step=7", "save=1:begin", PARTIAL, "save=2:rename"],
    ),
    "one checkpoint kept": (
        {"save_total_limit": 1, **EVERY_3}, ["step=4", "save=1:rotate", "save=2:rotate", PARTIAL, "save=1:rename"],
    ),
    "evaluations between saves": (
        {"eval_strategy": "steps", "eval_steps": 2, "save_steps": 6}, ["step=5", "step=10", "step=12", PARTIAL],
    ),
    "no evaluation": (
        {"eval_strategy": "no", "save_strategy": "steps", "save_steps": 5}, ["step=8", PARTIAL, "step=19"],
    ),
    "several labels": (
        {"tune_thresholds": "per_label", "class_weights": "balanced", **EVERY_3}, ["step=8", PARTIAL, "step=24"],
    ),
    "regression": (EVERY_3, ["step=8", PARTIAL, "step=17"]),
    "LSTM": ({"model_name_or_path": "bilstm", **EVERY_3}, ["step=5", PARTIAL, "step=16"]),
    "SGD, cosine, smoothing": (
        {"optim": "sgd", "lr_scheduler_type": "cosine", "label_smoothing_factor": 0.1, **EVERY_3},
        ["step=7", "step=16"],
    ),
    "bf16": ({"precision": "bf16", **EVERY_3}, ["step=7", PARTIAL, "step=16"]),
    "an evaluation before the first step": ({"eval_on_start": True, **EVERY_3}, ["step=2", "step=7", PARTIAL]),
    "a study of two seeds": ({"seeds": "1,2", **EVERY_3}, ["step=5", "step=20", "save=4:weights", PARTIAL, "step=23"]),
    "a study of two folds": (
        {"folds": 2, "validation_file": None, "load_best_model_at_end": True, "save_strategy": "steps",
         "save_steps": 3, **EVERY_3},
        ["step=5", "save=2:rename", PARTIAL],
    ),
    "baselines": (
        {"baselines": "majority,nb_svm,bilstm", "suspect_labels": True, **EVERY_3}, ["step=13", "save=5:weights"],
    ),
    "a bad disk and polite stops": (
        EVERY_3,
        ["enospc@save=2:weights", "eio@save=1:manifest", "stop@step=13", "interrupt@step=17", "eio@save=1:begin"],
    ),
    "before training": (
        {"preprocessing_num_workers": 2, "overwrite_cache": True},
        [Kill(after="start", delay=delay) for delay in (0.05, 0.2, 0.4, 0.6, 0.8)],
    ),
    "after training": (
        {},
        [Kill(after=f"{name}*") for name in (".model.partial", "predictions.csv", "run.json", "model.safetensors")],
    ),
}  # fmt: skip
VARIANTS: dict[str, dict] = {
    "reduce on plateau": {"lr_scheduler_type": "reduce_lr_on_plateau"},
    "sequential order": {"train_sampling_strategy": "sequential"},
    "batches of like cost": {"train_sampling_strategy": "batch_rebalance"},
    "steps instead of epochs": {"max_steps": 20, "warmup_steps": 4},
    "noise on embeddings": {"neftune_noise_alpha": 5},
    "activation checkpointing": {"gradient_checkpointing": True},
    "Adafactor, no clipping": {"optim": "adafactor", "max_grad_norm": 0},
    "best checkpoint only": {"save_strategy": "best"},
    "first evaluations left out": {"eval_delay": 7},
    "a line each step": {"logging_steps": 1, "logging_first_step": True},
    "frozen embeddings, mean pooling": {"freeze": "embeddings", "pooling": "mean"},
    "focal loss, shuffled, tokens counted": {
        "loss": "focal", "shuffle_train_dataset": True, "include_num_input_tokens_seen": True,
    },
    "shares of the run": {"eval_steps": 0.125, "save_steps": 0.25, "logging_steps": 0.1},
    "full determinism": {"full_determinism": True},
    "average of all steps": {"average": "ema", "precision": "bf16"},
    "average of the last evaluations": {"average": "last=3", "save_total_limit": 1},
    "average and early stopping": {"average": "last=3", "early_stopping_patience": 3, "lora_r": 4},
    "average without a best checkpoint": {"average": "ema=0.8", "load_best_model_at_end": False},
    "best by accuracy, other seeds": {"metric_for_best_model": "accuracy", "data_seed": 7, "seed": 3},
}  # fmt: skip
CHAINS |= {name: (EVERY_3 | flags, ["step=7", "step=13", "save=2:random"]) for name, flags in VARIANTS.items()}
TWO = {
    "two processes": (
        EVERY_3,
        ["step=2", "step=8", "save=1:weights", "step=13:rank=1", "save=1:random:rank=1", PARTIAL],
    ),
    "two processes, uneven, accumulated": (
        {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, **EVERY_3},
        ["step=5", "save=2:rename", "step=8:rank=0", "step=14"],
    ),
    "two processes, LoRA, a loader worker": (
        {"lora_r": 4, "dataloader_num_workers": 1, "eval_strategy": "epoch"},
        ["step=9", "save=1:state", "step=15"],
    ),
}


@pytest.fixture(scope="module")
def own_files(tmp_path_factory) -> dict[str, dict]:
    """Configuration -> the flags of its files, where it needs others."""
    folder = tmp_path_factory.mktemp("kill_files")
    uneven = write_csv(folder / "uneven.csv", make_rows(43, seed=5))
    return {
        "windows": write_splits(folder, "long", long_rows, 64, 24, 24),
        "several labels": write_splits(folder, "several", several_rows, 64, 24, 24) | {"label_delimiter": "|"},
        "regression": write_splits(folder, "numbers", number_rows(stars)),
        "two processes, uneven, accumulated": {"train_file": uneven},
    }


def as_kills(places: list) -> list[Kill]:
    whole = [f"kill@{place}" if isinstance(place, str) and "@" not in place else place for place in places]
    return [Kill(place) if isinstance(place, str) else place for place in whole]


@pytest.mark.parametrize("name", [*CHAINS, *TWO])
def test_a_chain_of_kills_ends_as_the_uninterrupted_run(name, server, kill_command, own_files, falls, tmp_path):
    flags, kills = (CHAINS | TWO)[name]
    processes = 2 if name in TWO else 1
    size = {"per_device_train_batch_size": 8 // processes}
    argv = kill_command(**(size | own_files.get(name, {}) | flags))
    whole = server.run([*argv, f"--output_dir={tmp_path / 'whole'}"], processes=processes)
    assert whole.codes == [0] * processes, whole.log
    new = kill_and_resume(server, name, argv, tmp_path / "out", as_kills(kills), processes)
    falls += new
    judge(new, tmp_path / "out", tmp_path / "whole")
    assert len(new) >= len([kill for kill in as_kills(kills) if kill.fault])


@pytest.mark.parametrize("launcher", [(), TORCHRUN], ids=["python", "torchrun"])
def test_a_chain_of_kills_of_the_real_command(launcher, kill_command, falls, tmp_path):
    """`kill -9` from outside, of the command that a user types; nothing is forked and nothing is watched inside."""
    argv = kill_command(**EVERY_3, per_device_train_batch_size=4 if launcher else 8)
    name = "torchrun" if launcher else "python run_classification.py"
    assert run_command_line([*argv, f"--output_dir={tmp_path / 'whole'}"], tmp_path / "log", None, launcher).codes == [
        0
    ]
    output, new = tmp_path / "out", []
    words = [*argv, "--resume=auto", f"--output_dir={output}"]
    for kill in (PARTIAL, Kill("kill@step=13"), Kill(after="checkpoint-18*"), None):
        outcome = run_command_line(words, tmp_path / "log", kill, launcher)
        if new:
            complete_last(new[-1], outcome)
        if kill is None:
            assert outcome.codes == [0], outcome.log
        elif outcome.codes != [0]:
            new.append(read_from_outside(read_fall(name, kill, outcome, output, 0), outcome))
    falls += new
    assert len(new) == 3
    judge(new, output, tmp_path / "whole")
