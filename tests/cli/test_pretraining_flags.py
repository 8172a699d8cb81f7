"""The command line of scripts/adapt_pretrain.py: the flags of run_classification.py that have a meaning for texts."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.flag_table import load_flags, trainer_flags
from classification.cli.pretraining_flags import HELP, NOT_USED, USED, read_pretraining_flags


@pytest.fixture
def words(shared_files, tiny_model, tmp_path):
    """A function that builds a command line; keywords add or replace flags, None drops one."""
    standard = {
        "model_name_or_path": tiny_model, "train_file": shared_files["train_file"],
        "test_file": shared_files["test_file"], "output_dir": str(tmp_path / "out"),
    }  # fmt: skip
    return lambda **flags: [f"--{name}={value}" for name, value in (standard | flags).items() if value is not None]


def test_several_files_are_named_with_commas(words, shared_files):
    train, validation = shared_files["train_file"], shared_files["validation_file"]
    read = read_pretraining_flags(words(train_file=f"{train}, {validation}"))
    assert read.files == {"train": (train, validation), "test": (shared_files["test_file"],)}


def test_a_name_with_a_comma_is_one_file_if_it_exists(words, shared_files, tmp_path):
    file = tmp_path / "a,b.csv"
    file.write_text("text\ngood\n")
    assert read_pretraining_flags(words(train_file=str(file))).files["train"] == (str(file),)


def test_every_file_is_checked(words, shared_files):
    train = shared_files["train_file"]
    assert_refused(
        ("--train_file nofile.csv", "no such file"), read_pretraining_flags, words(train_file=f"{train},nofile.csv")
    )
    assert_refused(("--test_file no.csv",), read_pretraining_flags, words(test_file=f"{train},no.csv"))
    assert_refused(("--train_file", "twice"), read_pretraining_flags, words(train_file=f"{train},{train}"))
    assert_refused(("--test_file", "twice"), read_pretraining_flags, words(test_file=f"{train},{train}"))
    assert_refused(("No texts", "--train_file"), read_pretraining_flags, words(train_file=None, test_file=None))


def test_defaults_are_those_of_this_training(words):
    read = read_pretraining_flags(words())
    assert read.share == 0.15 and read.flags.trainer["learning_rate"] == 5e-5
    assert read.flags.trainer["eval_on_start"] is True
    assert read_pretraining_flags(words(learning_rate=1e-3)).flags.trainer["learning_rate"] == 1e-3
    assert read_pretraining_flags(words(eval_strategy="no")).flags.trainer["eval_on_start"] is False


@pytest.mark.parametrize("value", ["0", "1", "1.5", "x", "nan", "-0.1"])
def test_a_share_of_masked_tokens_that_is_none_is_refused(words, value):
    assert_refused(("--mlm_probability", value, "0.15"), read_pretraining_flags, words(mlm_probability=value))
    assert read_pretraining_flags(words(mlm_probability=0.15)).share == 0.15


@pytest.mark.parametrize(
    ("flag", "value"),
    [("lora_r", 4), ("seeds", "1,2"), ("folds", 3), ("pooling", "mean"), ("baselines", "all"), ("teacher", "x"),
     ("label_column_name", "label"), ("class_weights", "balanced"), ("dataset_name", "imdb"), ("freeze", "encoder"),
     ("do_predict", True), ("push_to_hub", True), ("report_to", "tensorboard"), ("torch_compile", True),
     ("train_sampling_strategy", "sequential"), ("metric_for_best_model", "accuracy"), ("search", 3),
     ("label_smoothing_factor", 0.1), ("config_name", "x"), ("truncation_strategy", "tail")],
)  # fmt: skip
def test_a_flag_without_a_meaning_for_texts_is_refused_and_may_be_left_out(words, flag, value):
    assert_refused((f"--{flag}", "Leave it out"), read_pretraining_flags, words(**{flag: value}))
    read_pretraining_flags(words())


def test_misspelt_flags_are_named_with_the_nearest_one(words):
    assert_refused(("--mlm_probabilty", "mlm_probability"), read_pretraining_flags, words(mlm_probabilty=0.2))
    assert_refused(("--lerning_rate", "learning_rate"), read_pretraining_flags, words(lerning_rate=1))


def test_the_flags_that_are_named_exist():
    names = {flag.dest for flag in load_flags()}
    assert names >= USED and trainer_flags() >= set(NOT_USED) and not USED & trainer_flags()


def test_help_shows_what_is_used_and_nothing_else(capsys):
    with pytest.raises(SystemExit):
        read_pretraining_flags(["--help"])
    shown = capsys.readouterr().out
    assert "--mlm_probability" in shown and "--train_file" in shown and "--learning_rate" in shown
    assert "--baselines" not in shown and "--push_to_hub" not in shown
    assert "label" not in shown.partition("options:")[2]


def test_the_help_of_flags_that_read_texts_only_names_flags():
    assert set(HELP) <= USED
