"""The command line: the peer's names, help, defaults, and no flag without a reader."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib.metadata import PackageNotFoundError

import pytest
from helpers import ROOT, assert_refused

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments
from classification.cli.parser import parse_arguments
from classification.errors import UsageError

PEER = """dataset_name dataset_config_name train_file validation_file test_file text_column_names text_column_delimiter
label_column_name train_split_name validation_split_name test_split_name remove_splits remove_columns max_seq_length
pad_to_max_length max_train_samples max_eval_samples max_predict_samples shuffle_train_dataset shuffle_seed
preprocessing_num_workers overwrite_cache do_regression metric_name config_name tokenizer_name cache_dir model_revision
token use_fast_tokenizer trust_remote_code ignore_mismatched_sizes model_name_or_path""".split()
OURS = """config precision validation_fraction validation_strategy validation_group_column id_column_name on_bad_row
dry_run resume overwrite_output_dir logging_dir label_column_names label_delimiter time_column class_weights loss
focal_gamma sampler early_stopping_patience tune_thresholds thresholds seeds folds
truncation_strategy window_stride pooling head_init attention_dropout freeze freeze_layers lora_r lora_merge
check_data check_rows csv_safe strict drop_duplicates drop_leaked suspect_labels baselines
resume_anyway inject_fault slice_columns calibrate target_precision target_recall costs neighbours
report_texts push_report unlabelled_file layerwise_lr_decay r_drop average teacher teacher_temperature teacher_weight
search search_space learning_curve""".split()


def test_the_flags_are_the_peers_and_these():
    own = [f.name for group in (DataArguments, ModelArguments, ObjectiveArguments, RunArguments) for f in fields(group)]
    assert sorted(own) == sorted(PEER + OURS)


def test_every_flag_of_ours_has_a_reader():
    """`.name` or `"name"` in the code, outside the declarations."""
    sources = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("classification/**/*.py"))
    assert not [name for name in PEER + OURS if not re.search(rf'[."]{name}\b', sources)]


def test_every_flag_of_ours_has_a_test():
    tests = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("tests/**/test_*.py") if path != path_here())
    assert not [name for name in PEER + OURS if not re.search(rf"\b{name}\b", tests)]


def path_here():
    return ROOT / "tests" / "cli" / "test_parser.py"


def test_help_lists_our_flags_first(capsys):
    with pytest.raises(SystemExit) as ended:
        parse_arguments(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0
    headings = re.findall(r"^(data|model|objective|run|Trainer \(.*\)):$", shown, re.MULTILINE)
    assert [heading.split()[0] for heading in headings] == ["data", "model", "objective", "run", "Trainer"]
    assert shown.index("--train_file") < shown.index("--learning_rate")


def test_the_defaults_are_the_reference_run(train):
    options = parse_arguments(train)
    expected = {
        "learning_rate": 2e-5, "num_train_epochs": 3.0, "per_device_train_batch_size": 16, "warmup_steps": 0.1,
        "per_device_eval_batch_size": 32, "weight_decay": 0.01, "load_best_model_at_end": True,
        "metric_for_best_model": "eval_loss", "seed": 42, "data_seed": 42,
    }  # fmt: skip
    assert {name: options.trainer[name] for name in expected} == expected
    assert options.model.max_length is None and options.model.name == "bert-base-uncased"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"learning_rate": "fast"}, ["--learning_rate", "fast", "float"]),
        ({"on_bad_row": "skip"}, ["--on_bad_row", "skip", "drop"]),
        ({"learning_rat": 1}, ["--learning_rat", "no such flag", "Did you mean 'learning_rate'"]),
    ],
    ids=["wrong type", "unknown choice", "unknown flag"],
)
def test_what_does_not_parse_is_refused(flags, words, command):
    assert_refused(words, parse_arguments, command(**flags))


def test_abbreviations_are_unknown_flags(train):
    with pytest.raises(UsageError, match="--learn: there is no such flag"):
        parse_arguments([*train, "--learn", "1"])


def test_an_old_transformers_is_refused_in_one_line(train, monkeypatch):
    monkeypatch.setattr("classification.cli.parser.version", lambda name: "4.57.1")
    with pytest.raises(UsageError, match="transformers 4.57.1 is too old: pip install"):
        parse_arguments(train)


def test_without_transformers_the_remedy_is_one_line(train, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr("classification.cli.parser.version", missing)
    with pytest.raises(UsageError, match="transformers is not installed: pip install -r requirements.txt"):
        parse_arguments(train)
