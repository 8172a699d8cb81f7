"""Presets set defaults, typed flags win, and what a typed flag replaces goes."""

from __future__ import annotations

import json

import pytest
from helpers import ROOT, assert_refused

from classification.cli.flag_values import class_weights_of, rule_of
from classification.cli.parser import checked_flags, parse_arguments
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


@pytest.mark.parametrize("flag", ["train_file", "test_file"])
def test_other_files_have_other_slices_than_the_preset(flag, train):
    """The columns of a preset's slices are those of its own files."""
    options = parse_arguments([shipped("quickstart"), f"--{flag}={train[1]}"])
    assert options.columns.slices == ()
    assert parse_arguments([shipped("quickstart")]).columns.slices == ("phenomenon",)
    typed = parse_arguments([shipped("quickstart"), f"--{flag}={train[1]}", "--slice_columns=kind"])
    assert typed.columns.slices == ("kind",)


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


BAD_PRESETS = {  # content -> words of the message
    "per_device_train_batch_size: many": ["preset", "per_device_train_batch_size", "many"],
    "precision: half": ["preset", "precision", "half", "bf16"],
    "learning_rates: 1": ["preset", "learning_rates", "Did you mean 'learning_rate'"],
    "- a list": ["preset", "flag: value"],
    "a word": ["preset", "flag: value"],
    "seed = 3": ["preset", "flag: value"],
    "": ["preset", "flag: value"],
    "# only a comment": ["preset", "flag: value"],
    "a: [unclosed": ["preset", "not valid YAML"],
    "output_dir: a: b": ["not valid YAML in line 1", "quote"],
    "seed: 1\nclass_weights:\n\tspam: 1": ["not valid YAML in line 3", "Indent with spaces"],
    "seed: 1\nseed: 2": ["line 2: seed is there twice", "Keep one"],
    "learning-rate: 1\nlearning_rate: 2": ["learning-rate and learning_rate are one flag"],
    "class_weights: {a: 1, a: 2}": ["a is there twice"],
    "class_weights: &a {a: *a}": ["nested too deep"],
    "seed: 1\n---\nseed: 2": ["not valid YAML in line 2"],
    "seed: !!python/object/apply:os.getpid []": ["line 1", "has no meaning here"],
    "? [a, b]\n: 1": ["line 1", "single word"],
    "config: other.yaml": ["config: a preset cannot name another one"],
    "learning_rate: {a: 1}": ["learning_rate: the flag takes a single value"],
    "train_file: [a.csv, b.csv]": ["train_file: the flag takes a single file"],
    "text_column_names: [[a]]": ["text_column_names: write a list of words"],
    "max_steps: 0x10": ["--max_steps", "'0x10'"],
    "max_steps: 1:30": ["--max_steps", "'1:30'"],  # YAML reads 90
    "class_weights: {a: 1_000}": ["the weight of 'a' is '1_000'"],
    "class_weights: {a: yes}": ["the weight of 'a' is True"],
    "class_weights: {a: '5'}": ["the weight of 'a' is '5'"],
    "thresholds: {a: {b: 0.5}}": ["--thresholds", "a number from 0 to 1"],
    "output_dir: ''": ["--output_dir '': is empty"],
    "save_safetensors: true": ["--save_safetensors", "has dropped", "safetensors"],
}


@pytest.mark.parametrize("content", BAD_PRESETS)
def test_bad_presets_are_refused(content, train, tmp_path):
    (tmp_path / "bad.yaml").write_text(content)
    assert_refused(BAD_PRESETS[content], checked_flags, [str(tmp_path / "bad.yaml"), *train])


@pytest.mark.parametrize("content", ["output_dir: caf\xe9".encode("latin-1"), b"\x1f\x8b\x08\0", b"seed: 5\0",
                                     "seed: 5".encode("utf-16-le")])  # fmt: skip
def test_files_that_are_no_text_are_refused(content, train, tmp_path):
    (tmp_path / "bad.yaml").write_bytes(content)
    assert_refused(["not UTF-8 text", "Save it as UTF-8"], checked_flags, [str(tmp_path / "bad.yaml"), *train])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_and_spaces_in_the_path_are_no_problem(encoding, train, tmp_path):
    path = tmp_path / "my preset.yaml"
    path.write_bytes("output_dir: 输出\r\nlearning-rate: 1e-4\r\n".encode(encoding))
    flags = checked_flags([str(path), *train])
    assert flags.trainer["output_dir"] == "输出" and flags.trainer["learning_rate"] == 1e-4


@pytest.mark.parametrize("indent", [2, "\t", None])
def test_json_is_a_preset_too(indent, train, tmp_path):
    content = {"seed": 3, "class_weights": {"no": 1, "yes": 0.5}, "lr_scheduler_kwargs": {"power": 2.0}}
    (tmp_path / "preset.json").write_text(json.dumps(content, indent=indent))
    flags = checked_flags([str(tmp_path / "preset.json"), *train])
    assert flags.trainer["seed"] == 3 and class_weights_of(flags.objective) == content["class_weights"]


NAMES = ["no", "yes", "on", "off", "true", "null", "~", "1.0", "007", "0x10", "1_000", "2020-01-01", "1:30", "y", "正"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_kept_as_they_are_written(name, train, tmp_path):
    """YAML reads most of them as something else."""
    (tmp_path / "p.yaml").write_text(f"class_weights: {{{name}: 1, other: 5e-1}}\noutput_dir: {name}x\n")
    flags = checked_flags([str(tmp_path / "p.yaml"), *train])
    assert class_weights_of(flags.objective) == {name: 1, "other": 0.5}
    (tmp_path / "p.yaml").write_text(f"thresholds:\n  {name}: 0.25\n  '{name}x': 1.0\n")
    rule = rule_of(checked_flags([str(tmp_path / "p.yaml"), *train]).objective)
    assert rule.thresholds == {name: 0.25, f"{name}x": 1.0}


@pytest.mark.parametrize("value", ["007", "1.0", "2020-01-01", "off", "0x10", "'null'"])
def test_values_are_kept_as_they_are_written(value, train, tmp_path):
    (tmp_path / "p.yaml").write_text(f"output_dir: {value}\ntext_column_names: [{value}, b]\n")
    flags = checked_flags([str(tmp_path / "p.yaml"), *train])
    written = value.strip("'")
    assert flags.trainer["output_dir"] == written and flags.data.text_column_names == f"{written},b"


def test_anchors_and_merged_mappings_are_understood(train, tmp_path):
    (tmp_path / "p.yaml").write_text("seed: &seed 7\ndata_seed: *seed\nclass_weights: {<<: {a: 1, b: 2}, a: 3}\n")
    flags = checked_flags([str(tmp_path / "p.yaml"), *train])
    assert flags.trainer["data_seed"] == 7 and class_weights_of(flags.objective) == {"a": 3, "b": 2}


def test_words_for_true_and_false_keep_their_meaning_inside_arguments(train, tmp_path):
    """The text "no" would be true for Python."""
    content = "activation_checkpointing_kwargs: {use_reentrant: no, debug: on, early_stop: true, every_n_layers: 2}\n"
    (tmp_path / "p.yaml").write_text(content)
    value = checked_flags([str(tmp_path / "p.yaml"), *train]).trainer["activation_checkpointing_kwargs"]
    expected = {"use_reentrant": False, "debug": True, "early_stop": True, "every_n_layers": 2}
    assert json.loads(value) == expected


def test_a_missing_preset_is_refused(train):
    assert_refused(["preset imdb.yml", "presets/"], parse_arguments, [*train, "--config", "imdb.yml"])


def test_two_presets_are_one_too_many(train, preset):
    with pytest.raises(UsageError, match="two presets"):
        parse_arguments([preset(seed=1), "--config", "other.yaml", *train])
