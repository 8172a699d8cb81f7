"""What the flags and the machine decide together."""

from __future__ import annotations

import os

from classification.cli.hardware import decide_hardware
from classification.cli.parser import parse_arguments


def test_logging_dir_still_reaches_tensorboard(train, monkeypatch):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")
    decide_hardware(parse_arguments([*train, "--logging_dir", "tb", "--precision", "fp32"]))
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == "tb"


def test_the_precision_and_the_loaders_are_described(train):
    machine = decide_hardware(parse_arguments([*train, "--precision", "fp32", "--dataloader_num_workers", "3"]))
    assert machine.device == "cpu" and machine.args.dataloader_num_workers == 3
    assert [line.topic for line in machine.summary()] == ["precision", "loader"]
