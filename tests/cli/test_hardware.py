"""What the flags and the machine decide together."""

from __future__ import annotations

import os

import pytest

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


STORED = {"device": "cpu", "precision": "bf16", "attention": "sdpa_in_pieces", "torch_compile": False}


@pytest.mark.parametrize(
    ("stored", "flags", "precision", "attention"),
    [
        (STORED, [], "bf16", "sdpa_in_pieces"),
        (STORED | {"precision": "fp32"}, [], "fp32", "sdpa_in_pieces"),
        (STORED, ["--precision", "fp32"], "fp32", None),
        (STORED | {"torch_compile": True}, [], "bf16", None),
        (STORED | {"device": "cuda"}, [], "fp32", None),
        ({}, [], "fp32", None),
    ],
)
def test_a_resumed_run_uses_its_decisions_unless_a_flag_or_the_device_differs(
    train, monkeypatch, stored, flags, precision, attention
):
    monkeypatch.setattr("classification.models.precision.bf16_instructions", lambda: None)
    machine = decide_hardware(parse_arguments([*train, *flags]), stored)
    assert (machine.precision.name, machine.attention) == (precision, attention)
