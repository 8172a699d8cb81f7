"""The run.json of the first version recorded the command and all values, not what was given."""

from __future__ import annotations

import json

import pytest

from classification.cli.parser import read_flags

TRAINER = {"seed": 42, "data_seed": 42, "num_train_epochs": 2.0, "learning_rate": 2e-5, "bf16": True, "report_to": []}


@pytest.fixture
def record(tmp_path):
    def write(words: list[str], trainer: dict | None = None, results: dict | None = None, **arguments) -> str:
        path = tmp_path / "run.json"
        content = {
            "command": ["run_classification.py", *words],
            "arguments": {"config": None, **arguments, "trainer": TRAINER | (trainer or {})},
            "results": results or {"train_loss": 0.5},
        }
        path.write_text(json.dumps(content))
        return str(path)

    return write


def test_a_command_without_a_preset_is_repeated_word_by_word(record):
    path = record(["--train_file", "a.csv", "--evaluation_strategy=steps", "--label_column_name=b c", "--seed", "5"])
    given = {"train_file": "a.csv", "eval_strategy": "steps", "label_column_name": "b c", "seed": 5}
    assert read_flags([path]).values == given
    assert read_flags([path, "--seed", "6"]).values == given | {"seed": 6}


@pytest.mark.parametrize("words", [["p.yaml", "--seed=5"], ["--seed", "5", "--config", "p.yaml"]])
def test_of_a_preset_the_values_are_repeated_that_differ_from_the_defaults(words, record):
    """The file may have changed since. What the machine decided then is decided again."""
    trainer = {
        "seed": 5,
        "data_seed": 5,
        "lr_scheduler_kwargs": {"num_cycles": 0.4},
        "metric_for_best_model": "eval_loss",
    }
    path = record(words, trainer, train_file="a.csv", loss="focal", focal_gamma=2.0, lora_merge=True, precision="auto")
    assert read_flags([path]).values == {
        "train_file": "a.csv", "loss": "focal", "seed": 5, "num_train_epochs": 2.0,
        "lr_scheduler_kwargs": '{"num_cycles": 0.4}',
    }  # fmt: skip


def test_a_prediction_with_a_preset_stays_a_prediction(record):
    path = record(["p.yaml"], results={"test_accuracy": 0.5}, test_file="b.csv")
    flags = read_flags([path])
    assert flags.values["do_predict"] is True and not flags.includes("train") and not flags.includes("eval")


def test_a_redacted_secret_of_the_command_is_left_out(record):
    flags = read_flags([record(["--train_file", "a.csv", "--token", "<redacted>"])])
    assert flags.values == {"train_file": "a.csv"} and "left out: --token" in flags.notes[0]
