"""A command answers --help and wrong flags before it imports a library, and prepares its environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers import ROOT

from classification.cli.command import end_imports, start_command
from classification.cli.threads import SPINS, shorten_spinning
from classification.system.stop_signals import SIGNALS

HEAVY = {"torch", "transformers", "datasets", "sklearn", "peft", "accelerate", "numpy", "pandas", "pyarrow"}
TRAIN = ["--train_file", str(ROOT / "data" / "reviews" / "train.csv")]
SETTINGS = ("TOKENIZERS_PARALLELISM", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")


def answer(script: str, *words: str) -> tuple[int, str, set[str]]:
    """Exit code, output and error of a command, and the libraries that it imported."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(ROOT / script), *words], capture_output=True, text=True, timeout=60
    )
    lines = done.stderr.splitlines()
    imported = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}
    text = done.stdout + "\n".join(line for line in lines if not line.startswith("import time:"))
    return done.returncode, text, {name.partition(".")[0] for name in imported}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--trian_file", "a.csv"], "--trian_file: there is no such flag. Did you mean 'train_file'?"),
        ([*TRAIN, "--learning_rate", "fast"], "invalid float value: 'fast'"),
        ([*TRAIN, "--optim", "adam"], "invalid choice: 'adam'"),
        ([*TRAIN, "--bf16", "--fp16"], "--bf16 and --fp16 contradict each other"),
        ([*TRAIN, "--thresholds", "2"], "a threshold is a probability"),
        ([*TRAIN, "--freeze_layers", "2", "--lora_r", "8"], "two ways to choose the trainable parameters"),
        ([*TRAIN, "--warmup_ratio", "3"], "--warmup_ratio 3: must be a share of the steps"),
        ([*TRAIN, "--window_stride", "9"], "--window_stride 9"),
        ([*TRAIN, "--class_weights", "nowhere.json"], "--class_weights nowhere.json"),
        (["nowhere.yaml"], "preset nowhere.yaml: there is no such file"),
        (["--train_file", "nowhere.csv"], "--train_file nowhere.csv: there is no such file"),
        ([], "No data: give --train_file"),
    ],
)
def test_a_wrong_command_line_is_answered_without_a_library(words, text):
    code, shown, imported = answer("run_classification.py", *words)
    assert code == 2 and shown.startswith("error: ") and text in shown
    assert not imported & HEAVY


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("run_classification.py", ["--help"]),
        ("run_classification.py", ["--help", "all"]),
        ("scripts/baselines.py", ["--help"]),
        ("scripts/compare_truncation.py", ["--help"]),
        ("scripts/compare_imbalance.py", ["--help"]),
        ("scripts/compare_with_tfidf.py", ["--help"]),
        ("scripts/ablate.py", ["--help"]),
        ("scripts/adapt_pretrain.py", ["--help"]),
        ("predict.py", ["--help"]),
    ],
)
def test_help_is_printed_without_a_library(script, words):
    code, shown, imported = answer(script, *words)
    assert code == 0 and shown.startswith("usage: ") and not imported & HEAVY


@pytest.mark.parametrize(
    ("script", "words", "text"),
    [
        ("scripts/baselines.py", [*TRAIN, "--dry_run"], "--dry_run: belongs to run_classification.py"),
        ("scripts/compare_truncation.py", [*TRAIN, "--sede", "1"], "--sede: there is no such flag"),
        ("scripts/compare_imbalance.py", [*TRAIN, "--seeds", "1"], "give at least two different whole numbers"),
        ("scripts/compare_with_tfidf.py", ["--lora_merge", "perhaps"], "Truthy value expected"),
        ("scripts/ablate.py", [*TRAIN, "--sede", "1"], "--sede: there is no such flag"),
        ("predict.py", ["no/such/model", "a.csv"], "MODEL no/such/model: there is no such folder"),
    ],
)
def test_the_other_commands_answer_wrong_flags_the_same_way(script, words, text):
    code, shown, imported = answer(script, *words)
    assert code == 2 and shown.startswith("error: ") and text in shown and not imported & HEAVY


# -------------------------------------------------------------------------------------------------- the environment


@pytest.mark.parametrize(
    ("environment", "added"),
    [
        ({}, {"GOMP_SPINCOUNT": SPINS}),
        ({"OMP_NUM_THREADS": "2"}, {"GOMP_SPINCOUNT": SPINS}),
        ({"GOMP_SPINCOUNT": "7"}, {}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {}),
        ({"KMP_BLOCKTIME": "1"}, {"GOMP_SPINCOUNT": SPINS}),  # `accelerate launch --cpu` sets it
    ],
)
def test_a_thread_setting_of_the_user_wins(environment, added):
    result = dict(environment)
    shorten_spinning(result)
    assert result == environment | added


def test_the_command_line_sets_the_environment_of_its_process(monkeypatch):
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(SIGNALS, "answer_imports", lambda: None)  # it lasts until the process ends
    start_command(TRAIN)
    end_imports()
    assert {name: os.environ.get(name) for name in SETTINGS} == {
        "TOKENIZERS_PARALLELISM": "true", "OMP_WAIT_POLICY": None, "GOMP_SPINCOUNT": SPINS, "KMP_BLOCKTIME": None,
    }  # fmt: skip
    for name in SETTINGS:  # monkeypatch restores only what was set before
        os.environ.pop(name, None)


COLLECTING = """
import gc
from classification.cli.command import end_imports, start_command
start_command([], list)
before = gc.isenabled(), gc.get_freeze_count()
end_imports()
print(*before, gc.isenabled(), gc.get_freeze_count() > 1000)
"""


def test_garbage_is_collected_after_the_imports_but_not_meanwhile():
    done = subprocess.run([sys.executable, "-c", COLLECTING], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "0", "True", "True"], done.stderr


def test_every_command_collects_garbage_again():
    commands = [
        file for file in (*ROOT.glob("*.py"), *ROOT.glob("scripts/*.py")) if "start_command(" in file.read_text()
    ]
    assert len(commands) > 8
    for file in commands:
        end = file.read_text(encoding="utf-8").rpartition('if __name__ == "__main__":')[2]
        assert "run_command(main)" in end or "run_light_command(main)" in end, file
