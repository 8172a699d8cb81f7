"""Rates by layer and two passes: refused where they would have no effect."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments

BAD_FLAGS = {  # flags beside a good command line -> words of the message, flags of the remedy
    "one rate for all weights": (
        {"layerwise_lr_decay": 0.9, "optim": "adalomo"},
        ["--layerwise_lr_decay 0.9 and --optim adalomo", "Choose --optim adamw_torch"],
        {"optim": "adamw_torch"},
    ),
    "updates inside the backward pass": (
        {"layerwise_lr_decay": 0.9, "optim": "galore_adamw_layerwise", "optim_target_modules": "query"},
        ["--layerwise_lr_decay 0.9 and --optim galore_adamw_layerwise", "pass --layerwise_lr_decay 1"],
        {"layerwise_lr_decay": 1},
    ),
    "only the head trains": (
        {"layerwise_lr_decay": 0.9, "freeze": "encoder"},
        ["--layerwise_lr_decay 0.9 and --freeze encoder", "Leave one of them out, or pass --layerwise_lr_decay 1"],
        {"layerwise_lr_decay": 1},
    ),
    "rates without training": (
        {"layerwise_lr_decay": 0.9, "do_predict": True},
        ["--layerwise_lr_decay 0.9", "does not train", "Leave it out"],
        {"layerwise_lr_decay": None},
    ),
    "two passes without training": (
        {"r_drop": 1, "do_eval": True}, ["--r_drop 1", "does not train", "Leave it out"], {"r_drop": None},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_flags_without_an_effect_are_refused_and_the_remedy_works(case, command):
    flags, words, remedy = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**flags))
    parse_arguments(command(**flags | remedy))


def test_a_factor_of_1_is_no_factor(command):
    assert parse_arguments(command(layerwise_lr_decay=1)).training.layerwise_lr_decay is None
    assert parse_arguments(command(layerwise_lr_decay=1, freeze="encoder")).training.layerwise_lr_decay is None
    options = parse_arguments(command(layerwise_lr_decay=0.8, r_drop=0.5))
    assert (options.training.layerwise_lr_decay, options.training.r_drop) == (0.8, 0.5)


def test_the_lstm_beside_the_model_has_neither(command):
    options = parse_arguments(command(layerwise_lr_decay=0.8, r_drop=0.5, baselines="bilstm")).for_bilstm_baseline()
    assert (options.training.layerwise_lr_decay, options.training.r_drop) == (None, 0.0)
    assert options.as_typed["layerwise_lr_decay"] is None and options.as_typed["r_drop"] == 0.0


def test_a_preset_with_both_still_evaluates(command, tmp_path):
    preset = tmp_path / "preset.yaml"
    preset.write_text("layerwise_lr_decay: 0.9\nr_drop: 1\n", encoding="utf-8")
    options = parse_arguments([str(preset), *command(do_predict=True, max_seq_length=None)])
    assert (options.training.layerwise_lr_decay, options.training.r_drop) == (None, 0.0)
