"""Flags about the model: which ones go together, and what a model from scratch accepts."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments

BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "layers below zero": ({"freeze_layers": -1}, ["--freeze_layers -1", "at least 0"]),
    "an unknown part": ({"freeze": "layers"}, ["--freeze", "layers", "encoder"]),
    "adapters of rank zero": ({"lora_r": 0}, ["--lora_r 0", "at least 1"]),
    "adapters and a frozen encoder": ({"lora_r": 4, "freeze": "encoder"},
                                      ["--lora_r 4", "--freeze encoder", "one of them"]),
    "layers and the encoder": ({"freeze_layers": 1, "freeze": "encoder"},
                               ["--freeze_layers 1", "--freeze encoder", "one of them"]),
    "no adapters to merge": ({"lora_merge": False}, ["--lora_merge False", "--lora_r"]),
    "a pooled head under an adapter": ({"lora_r": 4, "lora_merge": False, "pooling": "max"},
                                       ["--pooling max", "--lora_merge", "one of them"]),
    "adapters without training": ({"lora_r": 4, "do_predict": True}, ["--lora_r 4", "after training", "Leave it out"]),
    "pooling without training": ({"pooling": "mean", "do_eval": True}, ["--pooling mean", "after training"]),
    "an unknown pooling": ({"pooling": "first"}, ["--pooling", "first", "mean"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_flags_that_do_not_go_together_are_refused(case, command):
    flags, words = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**flags))


# --------------------------------------------------------------------------------------------------- from scratch


@pytest.fixture
def scratch(command):
    """A function that builds a quick command line for a model from scratch."""
    return lambda **flags: command(**{"model_name_or_path": "bilstm", "max_seq_length": None} | flags)


def test_defaults_suit_random_weights_and_flags_win(scratch, tmp_path):
    flags = {"learning_rate": None, "num_train_epochs": None}
    options = parse_arguments(scratch(**flags))
    assert options.trainer["learning_rate"] == 2e-3 and options.trainer["num_train_epochs"] == 3
    assert not options.model.needs_hub and any("--learning_rate 0.002" in note for note in options.notes)
    assert parse_arguments(scratch()).trainer["learning_rate"] == 0.005
    preset = tmp_path / "preset.yaml"
    preset.write_text("learning_rate: 1.0e-5\nweight_decay: 0.5\n", encoding="utf-8")
    options = parse_arguments([str(preset), *scratch(**flags)])
    assert options.trainer["learning_rate"] == 2e-3 and options.trainer["weight_decay"] == 0.5


def test_the_name_means_a_new_model_in_every_folder_and_a_path_means_the_folder(scratch, tmp_path, monkeypatch):
    """The same command line must not train or load by where it runs."""
    (tmp_path / "bilstm").mkdir()
    monkeypatch.chdir(tmp_path)
    options = parse_arguments(scratch())
    assert options.model.from_scratch and "folder of that name is not read" in "".join(options.notes)
    assert not parse_arguments(scratch(model_name_or_path="./bilstm")).model.from_scratch


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"do_predict": True, "train_file": None}, ["starts from random weights", "does not train", "./bilstm"]),
        ({"pooling": "mean"}, ["--pooling mean: this model starts from random weights", "Leave --pooling out"]),
        ({"lora_r": 4}, ["--lora_r 4: this model starts from random"]),
        ({"freeze": "encoder"}, ["--freeze encoder: this model starts from random"]),
        ({"freeze_layers": 1}, ["--freeze_layers 1: this model starts from random"]),
        ({"tokenizer_name": "other"}, ["--tokenizer_name other: this model starts from random"]),
        ({"config_name": "other"}, ["--config_name other: this model starts from random"]),
    ],
)
def test_flags_of_pretrained_models_are_refused(flags, words, scratch):
    assert_refused(words, parse_arguments, scratch(**flags))
