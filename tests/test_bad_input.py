"""Bad input is refused in words that help, before anything slow, and good data is never lost to it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT, make_bert, make_rows, make_tokenizer, write_csv
from datasets import ClassLabel, Dataset, Features, Value

from classification.errors import UsageError
from run_classification import main

ROWS = "good film,positive\nbad film,negative\n" * 6
CSV = "text,label\n" + ROWS


# Flags beside a good command line -> words of the message: the flag, the value, the remedy.
BAD_FLAGS = {
    "missing file": ({"train_file": "trian.csv"}, ["--train_file trian.csv", "no such file"]),
    "unknown kind of file": ({"test_file": "notes.docx"}, ["--test_file", "notes.docx", ".csv", "convert"]),
    "no data": ({"train_file": None, "validation_file": None, "test_file": None}, ["--train_file", "--dataset_name"]),
    "no training file": ({"train_file": None}, ["--train_file", "--do_predict"]),
    "data set and files": ({"dataset_name": "imdb"}, ["--dataset_name imdb", "--train_file", "one or the other"]),
    "split name without data set": ({"test_split_name": "dev"}, ["--test_split_name dev", "--dataset_name"]),
    "training without its file": ({"do_train": True, "do_eval": True, "train_file": None},
                                  ["--do_train", "--train_file"]),
    "prediction without rows": ({"do_predict": True, "test_file": None}, ["--do_predict", "--test_file"]),
    "wrong text column": ({"text_column_names": "txet"}, ["--text_column_names txet", "Did you mean 'text'"]),
    "wrong label column": ({"label_column_name": "lable"}, ["--label_column_name lable", "Did you mean 'label'"]),
    "wrong id column": ({"id_column_name": "ids"}, ["--id_column_name ids", "Did you mean 'id'"]),
    "wrong group column": ({"validation_group_column": "user", "validation_file": None},
                           ["--validation_group_column user", "id, text, label"]),
    "wrong column to remove": ({"remove_columns": "labels"}, ["--remove_columns labels", "Did you mean 'label'"]),
    "three columns that are no pair": ({"text_column_names": "id,text,label"}, ["--text_column_delimiter"]),
    "text as regression": ({"do_regression": True}, ["--do_regression", "negative", "Leave"]),
    "batch of nothing": ({"per_device_train_batch_size": 0}, ["--per_device_train_batch_size 0", "at least 1"]),
    "no accumulation": ({"gradient_accumulation_steps": 0}, ["--gradient_accumulation_steps 0", "at least 1"]),
    "negative epochs": ({"num_train_epochs": -1}, ["--num_train_epochs -1", "greater than 0", "--do_eval"]),
    "infinite learning rate": ({"learning_rate": "inf"}, ["--learning_rate inf", "greater than 0"]),
    "wrong type": ({"learning_rate": "fast"}, ["--learning_rate", "fast", "float"]),
    "warmup of one and a half": ({"warmup_steps": 1.5}, ["--warmup_steps 1.5", "share", "whole number"]),
    "old warmup above one": ({"warmup_ratio": 10}, ["--warmup_ratio 10", "such as 0.1"]),
    "smoothing everything": ({"label_smoothing_factor": 1}, ["--label_smoothing_factor 1", "below 1"]),
    "all rows for validation": ({"validation_fraction": 1}, ["--validation_fraction 1", "auto"]),
    "no rows drawn": ({"max_train_samples": 0}, ["--max_train_samples 0", "at least 1"]),
    "longer than the model": ({"max_seq_length": 65}, ["--max_seq_length 65", "at most 64", "--max_seq_length 64"]),
    "fp16 on a processor": ({"precision": "fp16"}, ["--precision fp16", "CUDA", "--precision auto"]),
    "two precisions": ({"bf16": True, "precision": "fp32"}, ["--bf16", "--precision fp32", "contradict"]),
    "unknown choice": ({"on_bad_row": "skip"}, ["--on_bad_row", "skip", "drop"]),
    "unknown flag": ({"learning_rat": 1}, ["--learning_rat", "no such flag", "Did you mean 'learning_rate'"]),
    "unknown metric": ({"metric_name": "acuracy"}, ["--metric_name acuracy", "Did you mean 'accuracy'"]),
    "a metric that was not asked for": ({"metric_name": "r2", "metric_for_best_model": "r3"},
                                        ["--metric_for_best_model r3", "mcc, average_precision, r2"]),
    "rows left out": ({"dataloader_drop_last": True}, ["--dataloader_drop_last", "leave rows out"]),
    "tail and groups": ({"validation_strategy": "tail", "validation_group_column": "id"},
                        ["--validation_strategy tail", "--validation_group_column id"]),
    "tracker not installed": ({"report_to": "comet_ml"}, ["--report_to comet_ml", "not installed"]),
    "pushes at every save": ({"hub_strategy": "every_save"}, ["--hub_strategy every_save", "token"]),
    "unknown label in the weights": ({"class_weights": '{"postive": 2}'},
                                     ["--class_weights", "'postive'", "Did you mean 'positive'"]),
    "weights that are no weights": ({"class_weights": "heavy"}, ["--class_weights heavy", "effective", "JSON"]),
    "weights in no file": ({"class_weights": "weights.json"}, ["--class_weights weights.json", "No such file"]),
    "a weight of nothing": ({"class_weights": '{"positive": 0}'}, ["--class_weights", "'positive'", "above 0"]),
    "a list of weights": ({"class_weights": "[1, 2]"}, ["--class_weights [1, 2]", '{"spam": 0.5}']),
    "thresholds for one label a row": ({"thresholds": 0.4}, ["--thresholds 0.4", "single label", "several labels"]),
    "tuning for one label a row": ({"tune_thresholds": "global"}, ["--tune_thresholds global", "several labels"]),
    "thresholds both ways": ({"tune_thresholds": "global", "thresholds": 0.4}, ["--tune_thresholds", "--thresholds"]),
    "tuning without training": ({"tune_thresholds": "global", "do_predict": True}, ["--tune_thresholds", "--do_train"]),
    "two forms of labels": ({"label_column_name": "label", "label_column_names": "a,b"},
                            ["--label_column_names a,b", "--label_column_name label", "two forms"]),
    "one column of labels": ({"label_column_names": "a"}, ["--label_column_names 'a'", "two columns"]),
    "the same column twice": ({"label_column_names": "a,a"}, ["--label_column_names 'a,a'", "each once"]),
    "a delimiter of nothing": ({"label_delimiter": ""}, ["--label_delimiter ''", "'|'"]),
    "columns and a delimiter": ({"label_delimiter": "|", "label_column_names": "a,b"},
                                ["--label_column_names a,b", "--label_delimiter |", "two forms"]),
    "a number of several labels": ({"label_delimiter": "|", "do_regression": True},
                                   ["--do_regression", "--label_delimiter |"]),
    "a label column that is not there": ({"label_column_names": "label,spam"}, ["--label_column_names spam", "label"]),
    "a label column of words": ({"label_column_names": "label,id"}, ["--label_column_names label", "0 or 1"]),
    "gamma without focal": ({"focal_gamma": 1}, ["--focal_gamma 1", "--loss focal"]),
    "focal and smoothing": ({"loss": "focal", "label_smoothing_factor": 0.1}, ["--loss focal", "--label_smoothing"]),
    "two orders of rows": ({"sampler": "balanced", "train_sampling_strategy": "sequential"},
                           ["--sampler balanced", "--train_sampling_strategy"]),
    "stopping after the end": ({"early_stopping_patience": 3, "num_train_epochs": 4},
                               ["--early_stopping_patience 3", "could never fire", "4 times", "need 5"]),
    "stopping by nothing": ({"early_stopping_patience": 1, "eval_strategy": "no"},
                            ["--early_stopping_patience 1", "--eval_strategy no"]),
    "no patience": ({"early_stopping_patience": 0}, ["--early_stopping_patience 0", "at least 1"]),
    "time without a column": ({"validation_strategy": "time"}, ["--validation_strategy time", "--time_column"]),
    "a time column without a use": ({"time_column": "id"}, ["--time_column id", "--validation_strategy time"]),
    "time that is none": ({"validation_strategy": "time", "time_column": "text", "validation_file": None},
                          ["--time_column text", "2024-01-31"]),
    "time and groups": ({"validation_strategy": "time", "time_column": "id", "validation_group_column": "id"},
                        ["--validation_strategy time", "--validation_group_column id"]),
    "no seeds": ({"seeds": ""}, ["--seeds", "at least two"]),
    "a seed below zero": ({"seeds": "-1,2"}, ["--seeds -1,2", "from 0 on"]),
    "one seed": ({"seeds": "1"}, ["--seeds 1", "at least two"]),
    "seeds that are words": ({"seeds": "a,b"}, ["--seeds a,b", "whole numbers"]),
    "the same seed twice": ({"seeds": "1,1"}, ["--seeds 1,1", "different"]),
    "seeds and a seed": ({"seeds": "1,2", "seed": 3}, ["--seeds 1,2", "--seed 3"]),
    "seeds and folds": ({"seeds": "1,2", "folds": 3}, ["--seeds 1,2", "--folds 3"]),
    "a study without training": ({"seeds": "1,2", "do_predict": True}, ["--seeds 1,2", "--do_train --do_eval"]),
    "a study continued": ({"seeds": "1,2", "resume": "auto"}, ["--seeds 1,2", "--resume"]),
    "one fold": ({"folds": 1}, ["--folds 1", "at least 2"]),
    "folds and a validation file": ({"folds": 3}, ["--folds 3", "--validation_file"]),
    "more folds than texts": ({"folds": 65, "validation_file": None}, ["--folds 65", "64"]),
    "folds in time": ({"folds": 3, "validation_file": None, "validation_strategy": "tail"},
                      ["--folds 3", "--validation_strategy"]),
    "folds and thresholds": ({"folds": 3, "validation_file": None, "tune_thresholds": "global"},
                             ["--folds 3", "--tune_thresholds"]),
    "unknown best metric of no best model": ({"metric_for_best_model": "f1", "load_best_model_at_end": False},
                                             ["--metric_for_best_model f1", "f1_macro"]),
    "unknown best metric": ({"metric_for_best_model": "f1"}, ["--metric_for_best_model f1", "f1_macro"]),
    "best of no evaluations": ({"eval_strategy": "no", "load_best_model_at_end": True}, ["--load_best_model_at_end"]),
    "resuming nothing": ({"resume": "checkpoint-5"}, ["--resume checkpoint-5", "--resume auto"]),
    "missing preset": ({"config": "imdb.yml"}, ["preset imdb.yml", "presets/"]),
    "output is a file": ({"output_dir": str(ROOT / "pyproject.toml")}, ["--output_dir", "is a file"]),
    "model folder without config": ({"model_name_or_path": str(ROOT / "tests")},
                                    ["--model_name_or_path", "config.json"]),
    "Hub model while offline": ({"model_name_or_path": "bert-base-uncased"},
                                ["--model_name_or_path bert-base-uncased", "local folder"]),
    "Hub data while offline": ({"dataset_name": "imdb", "train_file": None, "validation_file": None, "test_file": None},
                               ["--dataset_name imdb", "--train_file"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags_are_refused(case, command, nothing_slow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.docx").write_text("x")
    flags, words = BAD_FLAGS[case]
    with pytest.raises(UsageError) as refused:
        main(command(**flags))
    for word in words:
        assert word in str(refused.value)
    assert not (tmp_path / "out").exists()


# Content of a training file -> words of the message.
BAD_FILES = {
    "empty": ("a.csv", "", ["--train_file", "a.csv", "empty"]),
    "header only": ("a.csv", "text,label\n", ["--train_file", "a.csv", "no rows"]),
    "a field too many": ("a.csv", CSV + "a film, that is,negative\n", ["line 14", "3 fields", "2", "Quote"]),
    "a field too few": ("a.csv", CSV + "a film\n", ["line 14", "1 fields", "2"]),
    "an open quote": ("a.csv", CSV + '"never closed,negative\n', ["line 14", "quote"]),
    "not UTF-8": ("a.csv", CSV.encode() + "café,negative\n".encode("latin-1"), ["a.csv", "line 14", "UTF-8", "iconv"]),
    "duplicate column": ("a.csv", "text,label,text\n" + "a,b,c\n" * 9, ["duplicate column", "'text'", "Rename"]),
    "blank text": ("a.csv", CSV + "  ,positive\n", ["1 rows of train", "blank text", "train-12", "--on_bad_row drop"]),
    "no label": ("a.csv", CSV + "a film,\n", ["1 rows of train", "no label", "train-12", "--on_bad_row drop"]),
    "no text column": ("a.csv", CSV.replace("text", "message"), ["--text_column_names", "message"]),
    "two text columns": ("a.csv", CSV.replace("text,label", "text,review,label").replace(" film", " film,x"),
                         ["--text_column_names", "text, review"]),
    "no label column": ("a.csv", CSV.replace("label", "stars"), ["--label_column_name", "stars"]),
    "one class only": ("a.csv", "text,label\n" + "a film,positive\n" * 9, ["one class only", "'positive'"]),
    "too little to split": ("a.csv", "text,label\n" + "a film,good\nb film,bad\n" * 6,
                            ["--validation_fraction", "one class only", "--validation_file"]),
    "broken JSON": ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b" "label": 0}\n', ["a.jsonl", "line 2", "JSON"]),
    "empty JSON": ("a.jsonl", "", ["a.jsonl", "empty"]),
    "JSON of lists": ("a.jsonl", '["a", 1]\n["b", 0]\n', ["a.jsonl", "line 1", "object"]),
    "JSON not UTF-8": ("a.jsonl", b'{"text": "caf\xe9", "label": 1}\n', ["a.jsonl", "line 1", "UTF-8"]),
    "the same labels in every row": ("a.jsonl", '{"text": "a", "label": ["x", "y"]}\n' * 3,
                                     ["same labels (x, y)", "--label_delimiter"]),
    "numbers for text": ("a.jsonl", '{"text": 3, "label": 1}\n{"text": 4, "label": 0}\n',
                         ["--text_column_names", "int"]),
    "broken Parquet": ("a.parquet", "PAR1 but not really", ["a.parquet", "cannot be read as parquet"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused(case, command, nothing_slow, tmp_path):
    name, content, words = BAD_FILES[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError) as refused:
        main(command(train_file=tmp_path / name, validation_file=None, test_file=None))
    for word in words:
        assert word in str(refused.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_that_train_lacks_is_refused_with_counts_and_examples(split, command, nothing_slow, tmp_path):
    rows = make_rows(8) + [{"id": f"odd{i}", "text": "a film", "label": "Positve"} for i in range(3)]
    with pytest.raises(UsageError, match=rf"{split} has labels.*'Positve' x 3 \(ids odd0, odd1, odd2\).*'positive'"):
        main(command(**{f"{split}_file": write_csv(tmp_path / "odd.csv", rows)}))


def test_a_validation_file_of_one_class_is_refused(command, nothing_slow, tmp_path):
    one = [row for row in make_rows(8) if row["label"] == "positive"]
    with pytest.raises(UsageError, match="--validation_file.*one class only.*'positive'.*Leave it out"):
        main(command(validation_file=write_csv(tmp_path / "one.csv", one)))


def test_class_labels_out_of_range_are_refused(command, nothing_slow, tmp_path):
    """`datasets` lets them pass; on a GPU they would be a device-side assert in the middle of training."""
    rows = [{"text": row["text"], "label": 7 if i == 3 else i % 2} for i, row in enumerate(make_rows(12))]
    raw = Dataset.from_list(rows).cast(Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])}))
    raw.to_parquet(str(tmp_path / "a.parquet"))
    with pytest.raises(
        UsageError, match="--label_column_name label: 1 labels in train are out of range .*7.*2 classes"
    ):
        main(command(train_file=tmp_path / "a.parquet", validation_file=None))


def test_repeated_ids_are_refused_where_they_were_asked_for(command, nothing_slow, tmp_path):
    rows = [row | {"key": "same"} for row in make_rows(12)]
    with pytest.raises(UsageError, match="--id_column_name key: ids repeat in train.*same"):
        main(command(train_file=write_csv(tmp_path / "a.csv", rows), id_column_name="key"))


def test_minus_one_in_validation_is_refused_with_its_rows_or_dropped(command, tmp_path):
    files = {"train_file": make_rows(16, labels=(0, 1)), "validation_file": make_rows(8, seed=2, labels=(0, 1))}
    files["validation_file"][5]["label"] = -1
    flags = {name: write_csv(tmp_path / f"{name}.csv", rows) for name, rows in files.items()}
    with pytest.raises(UsageError, match="1 rows of validation have no label.*ids r2-5.*--on_bad_row drop"):
        main(command(**flags, test_file=None))
    assert main(command(**flags, test_file=None, on_bad_row="drop"))["eval_samples"] == 7


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
def test_bad_presets_are_refused(content, words, command, nothing_slow, tmp_path):
    (tmp_path / "bad.yaml").write_text(content)
    with pytest.raises(UsageError) as refused:
        main([str(tmp_path / "bad.yaml"), *command()])
    for word in words:
        assert word in str(refused.value)


def test_a_model_folder_without_weights_is_refused(command, nothing_slow, tmp_path):
    make_bert().config.save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    with pytest.raises(UsageError, match="--model_name_or_path .*model.*safetensors"):
        main(command(model_name_or_path=tmp_path / "model"))


def test_another_run_is_never_overwritten(command, nothing_slow, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.safetensors").write_text("precious")
    with pytest.raises(UsageError, match="--output_dir .*out: holds another run.*--overwrite_output_dir"):
        main(command())
    with pytest.raises(UsageError, match="--model_name_or_path"):
        main(command(overwrite_output_dir=True, model_name_or_path=tmp_path / "nowhere"))
    assert (tmp_path / "out" / "model.safetensors").read_text() == "precious"


def test_an_output_folder_that_holds_the_input_is_never_moved(command, nothing_slow, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}")
    train = write_csv(tmp_path / "out" / "train.csv", make_rows(8))
    with pytest.raises(UsageError, match="--overwrite_output_dir.*train.csv"):
        main(command(train_file=train, overwrite_output_dir=True))


def test_a_scorer_for_two_classes_is_refused_for_three(command, nothing_slow, tmp_path):
    rows = make_rows(12) + [{"id": f"x{i}", "text": "the meal", "label": "neither"} for i in range(4)]
    with pytest.raises(UsageError, match="--metric_name f1: cannot score this task .*3 classes"):
        main(command(train_file=write_csv(tmp_path / "a.csv", rows), validation_file=None, metric_name="f1"))


def test_a_word_among_numbers_is_refused_with_its_row(command, nothing_slow, tmp_path):
    numbers, words = make_rows(12, labels=("1.5", "2.5")), make_rows(4, seed=2, labels=("1.5", "good"))
    files = {
        "train_file": write_csv(tmp_path / "a.csv", numbers),
        "validation_file": write_csv(tmp_path / "b.csv", words),
    }
    with pytest.raises(UsageError, match=r"--do_regression needs numbers.*validation has 'good' \(id r2-1\)"):
        main(command(**files, test_file=None, do_regression=True))


def test_predictions_are_moved_aside_too(command, tmp_path):
    main(command())
    use = {"model_name_or_path": tmp_path / "out", "train_file": None, "validation_file": None, "do_predict": True}
    for _ in range(2):
        main(command(**use, output_dir=tmp_path / "used", overwrite_output_dir=True))
    assert (tmp_path / "used.bak-1" / "predictions.csv").exists()


def test_resuming_protects_a_run_that_it_does_not_continue(command, nothing_slow, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "model.safetensors").write_text("precious")
    with pytest.raises(UsageError, match="holds another run"):
        main(command(resume="auto"))


def test_words_that_spreadsheets_take_for_nothing_are_texts(command, tmp_path):
    rows = make_rows(24)
    for row, text in zip(rows, ("NA", "null", "None", "nan", "N/A"), strict=False):
        row["text"] = text
    result = main(command(train_file=write_csv(tmp_path / "a.csv", rows), test_file=None))
    assert result["train_samples"] == 24


def test_rows_are_dropped_only_on_request_and_said(command, capsys, tmp_path):
    rows = make_rows(24)
    rows[3]["text"], rows[4]["label"] = " ", ""
    result = main(command(train_file=write_csv(tmp_path / "a.csv", rows), on_bad_row="drop"))
    assert result["train_samples"] == 22
    assert "dropped 1 rows of train with null or blank text" in capsys.readouterr().out


@pytest.mark.parametrize(("flag", "traceback"), [([], False), (["--debug"], True)])
def test_the_shell_sees_one_line_and_exit_code_2(flag, traceback):
    done = subprocess.run(
        [sys.executable, ROOT / "run_classification.py", "--train_file", "nowhere.csv", *flag],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert ("Traceback" in done.stderr) == traceback
    assert "--train_file nowhere.csv: there is no such file" in done.stderr
    if not traceback:
        assert done.returncode == 2 and done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_an_old_transformers_is_refused_in_one_line(command, monkeypatch):
    monkeypatch.setattr("arguments.version", lambda name: "4.57.1")
    with pytest.raises(UsageError, match="transformers 4.57.1 is too old: pip install"):
        main(command())
