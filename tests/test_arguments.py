"""The command line: the peer's names, old names, presets, and no flag that nobody reads."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields

import pytest
import yaml
from conftest import ROOT

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments, parse_arguments
from classification.errors import UsageError

PEER = """dataset_name dataset_config_name train_file validation_file test_file text_column_names text_column_delimiter
label_column_name train_split_name validation_split_name test_split_name remove_splits remove_columns max_seq_length
pad_to_max_length max_train_samples max_eval_samples max_predict_samples shuffle_train_dataset shuffle_seed
preprocessing_num_workers overwrite_cache do_regression metric_name config_name tokenizer_name cache_dir model_revision
token use_fast_tokenizer trust_remote_code ignore_mismatched_sizes model_name_or_path""".split()
OURS = """config precision validation_fraction validation_strategy validation_group_column id_column_name on_bad_row
dry_run resume overwrite_output_dir logging_dir label_column_names label_delimiter time_column class_weights loss
focal_gamma sampler early_stopping_patience tune_thresholds thresholds seeds folds
truncation_strategy window_stride pooling attention_dropout freeze freeze_layers lora_r lora_merge
check_data strict drop_duplicates drop_leaked suspect_labels baselines""".split()


@pytest.fixture
def train(tmp_path) -> list[str]:
    (tmp_path / "a.csv").write_text("text,label\ngood,1\nbad,0\n")
    return ["--train_file", str(tmp_path / "a.csv")]


def preset(tmp_path, **content) -> str:
    path = tmp_path / "preset.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_the_flags_are_the_peers_and_these(train):
    own = [f.name for group in (DataArguments, ModelArguments, ObjectiveArguments, RunArguments) for f in fields(group)]
    assert sorted(own) == sorted(PEER + OURS)


def test_every_flag_of_ours_has_a_reader():
    sources = "".join(path.read_text() for path in [*ROOT.glob("*.py"), *ROOT.glob("classification/*.py")])
    unread = [name for name in PEER + OURS if not re.search(rf"[.\"]{name}\b|{{split}}_file|_split_name", sources)]
    assert not unread


def test_help_lists_our_flags_first():
    done = subprocess.run(
        [sys.executable, ROOT / "run_classification.py", "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    headings = re.findall(r"^(data|model|run|Trainer \(.*\)):$", done.stdout, re.MULTILINE)
    assert [heading.split()[0] for heading in headings] == ["data", "model", "run", "Trainer"]
    assert done.stdout.index("--train_file") < done.stdout.index("--learning_rate")


def test_the_defaults_are_the_reference_run(train):
    settings = parse_arguments(train)
    expected = {
        "learning_rate": 2e-5, "num_train_epochs": 3.0, "per_device_train_batch_size": 16, "warmup_steps": 0.1,
        "per_device_eval_batch_size": 32, "weight_decay": 0.01, "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss", "seed": 42, "data_seed": 42,
    }  # fmt: skip
    assert {name: settings.trainer[name] for name in expected} == expected
    assert settings.data.max_seq_length is None and settings.model.model_name_or_path == "bert-base-uncased"


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--warmup_ratio", "0.06"], "warmup_steps", 0.06),
        (["--warmup-ratio=0.06"], "warmup_steps", 0.06),
        (["--evaluation_strategy", "steps"], "eval_strategy", "steps"),
        (["--group_by_length"], "train_sampling_strategy", "group_by_length"),
        (["--group_by_length", "false"], "train_sampling_strategy", "random"),
        (["--no_cuda"], "use_cpu", True),
    ],
)
def test_old_names_are_translated_and_said(train, flags, name, value):
    settings = parse_arguments([*train, *flags])
    assert settings.trainer[name] == value
    assert any(flags[0].partition("=")[0].replace("-", "_").strip("_") in note for note in settings.notes)


def test_logging_dir_still_reaches_tensorboard(train, monkeypatch):
    from classification.models.precision import Precision
    from run_classification import make_training_arguments

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")
    make_training_arguments(parse_arguments([*train, "--logging_dir", "tb"]), "cpu", Precision("fp32", "test"))
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == "tb"


@pytest.mark.parametrize("flags", [["--bf16"], ["--precision", "bf16"], ["--bf16", "true", "--precision=bf16"]])
def test_bf16_has_two_spellings(train, flags):
    assert parse_arguments([*train, *flags]).run.precision == "bf16"


def test_flags_override_the_preset_and_the_preset_the_defaults(train, tmp_path):
    path = preset(tmp_path, learning_rate="5e-5", num_train_epochs=7, bf16=True, max_seq_length=99)
    settings = parse_arguments([path, *train, "--num_train_epochs", "2", "--precision", "fp32"])
    assert settings.trainer["learning_rate"] == 5e-5  # YAML 1.1 reads 5e-5 as a string
    assert settings.trainer["num_train_epochs"] == 2 and settings.data.max_seq_length == 99
    assert settings.run.precision == "fp32"
    assert parse_arguments([*train, "--config", path]).trainer["num_train_epochs"] == 7
    assert settings.run.config == path


def test_files_replace_the_data_set_of_a_preset(train, tmp_path):
    settings = parse_arguments([preset(tmp_path, dataset_name="imdb", test_split_name="test"), *train])
    assert settings.data.dataset_name is None and settings.files == {"train": train[1]}
    assert any("dataset_name" in note for note in settings.notes)


def test_paths_in_a_preset_are_relative_to_it(train, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    assert parse_arguments([preset(tmp_path, train_file="a.csv")]).files == {"train": train[1]}


@pytest.mark.parametrize(
    ("flags", "phases"),
    [([], "train eval predict"), (["--do_train"], "train"), (["--do_eval", "--do_predict"], "eval predict")],
)
def test_what_to_do_follows_from_the_flags_as_typed(train, flags, phases):
    settings = parse_arguments([*train, *flags])
    assert [phase for phase in ("train", "eval", "predict") if settings.wants(phase)] == phases.split()


def test_saving_follows_a_typed_evaluation_strategy(train):
    trainer = parse_arguments([*train, "--eval_strategy", "steps", "--eval_steps", "30"]).trainer
    assert trainer["save_strategy"] == "steps" and trainer["save_steps"] == 30


def test_typed_flags_win_over_the_device(train):
    settings = parse_arguments([*train, "--dataloader_num_workers", "3"])
    assert settings.training_arguments(use_cpu=True, dataloader_num_workers=0).dataloader_num_workers == 3


def test_val_loss_and_eval_loss_are_one(train):
    assert (
        parse_arguments([*train, "--metric_for_best_model", "val_loss"]).trainer["metric_for_best_model"] == "eval_loss"
    )


def test_presets_say_what_they_mean(train, tmp_path):
    """`no` is a strategy and not False; a list is comma separated where the flag takes one value."""
    path = tmp_path / "preset.yaml"
    path.write_text(
        "eval_strategy: no\nsave_strategy: no\nbf16: true\ntext_column_names: [text, label]\nlogging_dir:\n"
        "report_to: [none]\nlr_scheduler_kwargs: {num_cycles: 2}\n"
    )
    settings = parse_arguments([str(path), *train])
    assert settings.trainer["eval_strategy"] == settings.trainer["save_strategy"] == "no"
    assert settings.run.precision == "bf16" and settings.data.text_column_names == "text,label"
    assert settings.run.logging_dir is None
    assert settings.training_arguments(use_cpu=True).lr_scheduler_kwargs == {"num_cycles": 2}


def test_a_test_file_leaves_the_other_files_of_a_preset(train, tmp_path):
    path = preset(tmp_path, train_file=train[1], validation_file=train[1], test_file="gone.csv")
    assert parse_arguments([path, "--test_file", train[1]]).files == dict.fromkeys(
        ("train", "validation", "test"), train[1]
    )
    assert parse_arguments([path, *train]).files == {"train": train[1]}


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
def test_flags_replace_what_a_preset_says_in_other_words(name, flags, gone):
    settings = parse_arguments([str(ROOT / "presets" / f"{name}.yaml"), *flags])
    assert gone not in settings.given and any(gone in note for note in settings.notes)


def test_a_delimiter_and_a_column_belong_together():
    preset = str(ROOT / "presets" / "tickets.yaml")
    assert parse_arguments([preset, "--label_column_name", "tags"]).data.label_delimiter == "|"
    assert parse_arguments([preset, "--label_delimiter", ";"]).data.label_column_name == "labels"


def test_two_presets_are_one_too_many(train, tmp_path):
    path = preset(tmp_path, seed=1)
    with pytest.raises(UsageError, match="two presets"):
        parse_arguments([path, "--config", "other.yaml", *train])


def test_home_is_one_folder(train, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_arguments([*train, "--output_dir=~/x"]).output_dir == tmp_path / "x"


@pytest.mark.parametrize("path", sorted((ROOT / "presets").glob("*.yaml")), ids=lambda path: path.name)
def test_every_preset_parses_and_says_how_it_is_run(path):
    parse_arguments([str(path)])
    header = path.read_text(encoding="utf-8").split("\n\n")[0]
    assert "Command:" in header and "Hardware:" in header


def test_abbreviations_are_unknown_flags(train):
    with pytest.raises(UsageError, match="--learn: there is no such flag"):
        parse_arguments([*train, "--learn", "1"])
