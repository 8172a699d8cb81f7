"""What follows from the flags that were given."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments


@pytest.mark.parametrize("flags", [["--bf16"], ["--precision", "bf16"], ["--bf16", "true", "--precision=bf16"]])
def test_bf16_has_two_spellings(train, flags):
    assert parse_arguments([*train, *flags]).run.precision == "bf16"


def test_two_precisions_are_refused(train):
    words = ["--bf16", "--precision fp32", "contradict"]
    assert_refused(words, parse_arguments, [*train, "--bf16", "true", "--precision", "fp32"])


@pytest.mark.parametrize(
    ("flags", "phases"),
    [([], "train eval predict"), (["--do_train"], "train"), (["--do_eval", "--do_predict"], "eval predict")],
)
def test_the_phases_follow_from_the_flags_as_typed(train, flags, phases):
    options = parse_arguments([*train, *flags])
    present = {"train": options.trains, "eval": options.evaluates, "predict": options.predicts}
    assert [phase for phase, is_present in present.items() if is_present] == phases.split()


def test_saving_follows_a_typed_evaluation_strategy(train):
    trainer = parse_arguments([*train, "--eval_strategy", "steps", "--eval_steps", "30"]).trainer
    assert trainer["save_strategy"] == "steps" and trainer["save_steps"] == 30


def test_val_loss_and_eval_loss_are_one(train):
    trainer = parse_arguments([*train, "--metric_for_best_model", "val_loss"]).trainer
    assert trainer["metric_for_best_model"] == "eval_loss"


def test_home_is_one_folder(train, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_arguments([*train, "--output_dir=~/x"]).output_dir == tmp_path / "x"


@pytest.mark.parametrize(("value", "notes"), [("true", 0), ("false", 1)])
def test_a_slow_tokenizer_is_not_to_be_had(train, value, notes):
    options = parse_arguments([*train, "--use_fast_tokenizer", value])
    assert len([note for note in options.notes if "use_fast_tokenizer" in note]) == notes


def test_folds_keep_their_last_weights_and_one_checkpoint_to_continue_from(train):
    trainer = parse_arguments([*train, "--folds", "3"]).trainer
    assert not trainer["load_best_model_at_end"] and trainer["save_strategy"] == "epoch"
    assert trainer["save_total_limit"] == 1
    trainer = parse_arguments([*train, "--folds", "3", "--save_strategy", "no", "--save_total_limit", "4"]).trainer
    assert trainer["save_strategy"] == "no" and trainer["save_total_limit"] == 4
