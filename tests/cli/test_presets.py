"""Presets set defaults, typed flags win, and what a typed flag replaces goes."""

from __future__ import annotations

import pytest
from helpers import ROOT, assert_refused

from classification.cli.parser import parse_arguments
from classification.errors import UsageError
from classification.training.loaders import make_training_arguments


def shipped(name: str) -> str:
    return str(ROOT / "presets" / f"{name}.yaml")


def test_flags_override_the_preset_and_the_preset_the_defaults(train, preset):
    path = preset(learning_rate="5e-5", num_train_epochs=7, bf16=True, max_seq_length=99)
    options = parse_arguments([path, *train, "--num_train_epochs", "2", "--precision", "fp32"])
    assert options.trainer["learning_rate"] == 5e-5  # YAML 1.1 reads 5e-5 as a string
    assert options.trainer["num_train_epochs"] == 2 and options.model.max_length == 99
    assert options.run.precision == "fp32"
    assert parse_arguments([*train, "--config", path]).trainer["num_train_epochs"] == 7
    assert options.as_typed["config"] == path


def test_values_are_read_as_they_are_written(train, tmp_path):
    """`no` is a strategy and not False; a list is comma separated where the flag takes one value."""
    path = tmp_path / "preset.yaml"
    path.write_text(
        "eval_strategy: no\nsave_strategy: no\nbf16: true\ntext_column_names: [text, label]\nlogging_dir:\n"
        "report_to: [none]\nlr_scheduler_kwargs: {num_cycles: 2}\n"
    )
    options = parse_arguments([str(path), *train])
    assert options.trainer["eval_strategy"] == options.trainer["save_strategy"] == "no"
    assert options.run.precision == "bf16" and options.columns.text == ("text", "label")
    assert options.run.logging_dir is None
    args = make_training_arguments(options.trainer, {"use_cpu": True, "bf16": False}, options.given)
    assert args.lr_scheduler_kwargs == {"num_cycles": 2}


def test_files_replace_the_data_set_of_a_preset(train, preset):
    options = parse_arguments([preset(dataset_name="imdb", test_split_name="test"), *train])
    assert options.source.dataset_name is None and options.source.files == {"train": train[1]}
    assert any("dataset_name" in note for note in options.notes)


def test_a_test_file_leaves_the_other_files_of_a_preset(train, preset):
    path = preset(train_file=train[1], validation_file=train[1], test_file="gone.csv")
    files = parse_arguments([path, "--test_file", train[1]]).source.files
    assert files == dict.fromkeys(("train", "validation", "test"), train[1])
    assert parse_arguments([path, *train]).source.files == {"train": train[1]}


def test_paths_in_a_preset_are_relative_to_it(train, preset, monkeypatch):
    monkeypatch.chdir("/")
    assert parse_arguments([preset(train_file="a.csv")]).source.files == {"train": train[1]}


@pytest.mark.parametrize(
    ("name", "flags", "gone"),
    [
        ("questions", ["--do_predict"], "early_stopping_patience"),
        ("sms_spam", ["--do_predict"], "early_stopping_patience"),
        ("tickets", ["--do_predict", "--do_eval"], "tune_thresholds"),
        ("tickets", ["--thresholds", "0.4"], "tune_thresholds"),
        ("tickets", ["--label_column_names", "a,b"], "label_delimiter"),
        ("quickstart", ["--folds", "5"], "validation_file"),
    ],
)
def test_a_typed_flag_removes_what_it_replaces(name, flags, gone):
    options = parse_arguments([shipped(name), *flags])
    assert gone not in options.given and any(gone in note for note in options.notes)


def test_a_delimiter_and_a_column_belong_together():
    assert parse_arguments([shipped("tickets"), "--label_column_name", "tags"]).columns.label_delimiter == "|"
    assert parse_arguments([shipped("tickets"), "--label_delimiter", ";"]).columns.label == "labels"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("per_device_train_batch_size: many", ["preset", "per_device_train_batch_size", "many"]),
        ("precision: half", ["preset", "precision", "half", "bf16"]),
        ("learning_rates: 1", ["preset", "learning_rates", "Did you mean 'learning_rate'"]),
        ("- a list", ["preset", "flag: value"]),
        ("a: [unclosed", ["preset", "not valid YAML"]),
    ],
)
def test_bad_presets_are_refused(content, words, train, tmp_path):
    (tmp_path / "bad.yaml").write_text(content)
    assert_refused(words, parse_arguments, [str(tmp_path / "bad.yaml"), *train])


def test_a_missing_preset_is_refused(train):
    assert_refused(["preset imdb.yml", "presets/"], parse_arguments, [*train, "--config", "imdb.yml"])


def test_two_presets_are_one_too_many(train, preset):
    with pytest.raises(UsageError, match="two presets"):
        parse_arguments([preset(seed=1), "--config", "other.yaml", *train])
