"""Bad data is refused in words that help, before anything slow, and good data is never lost to it."""

from __future__ import annotations

import pytest
from corpus import make_rows, write_csv
from datasets import ClassLabel, Dataset, Features, Value
from helpers import ROOT, assert_refused, make_bert, make_tokenizer

from classification.cli.parser import parse_arguments
from classification.errors import UsageError
from data_utils import load_corpus
from run_classification import main

ROWS = "good film,positive\nbad film,negative\n" * 6
CSV = "text,label\n" + ROWS

BAD_FLAGS = {  # flags beside a good command line -> words of the message: the flag, the value, the remedy
    "prediction without rows": ({"do_predict": True, "test_file": None}, ["--do_predict", "--test_file"]),
    "wrong text column": ({"text_column_names": "txet"}, ["--text_column_names txet", "Did you mean 'text'"]),
    "wrong label column": ({"label_column_name": "lable"}, ["--label_column_name lable", "Did you mean 'label'"]),
    "wrong id column": ({"id_column_name": "ids"}, ["--id_column_name ids", "Did you mean 'id'"]),
    "wrong group column": ({"validation_group_column": "user", "validation_file": None},
                           ["--validation_group_column user", "id, text, label"]),
    "wrong column to remove": ({"remove_columns": "labels"}, ["--remove_columns labels", "Did you mean 'label'"]),
    "three columns that are no pair": ({"text_column_names": "id,text,label"}, ["--text_column_delimiter"]),
    "text as regression": ({"do_regression": True}, ["--do_regression", "negative", "Leave"]),
    "longer than the model": ({"max_seq_length": 65}, ["--max_seq_length 65", "at most 64", "--max_seq_length 64"]),
    "fp16 on a processor": ({"precision": "fp16"}, ["--precision fp16", "CUDA", "--precision auto"]),
    "unknown metric": ({"metric_name": "acuracy"}, ["--metric_name acuracy", "Did you mean 'accuracy'"]),
    "a metric that was not asked for": ({"metric_name": "r2", "metric_for_best_model": "r3"},
                                        ["--metric_for_best_model r3", "mcc, average_precision, r2"]),
    "tracker not installed": ({"report_to": "comet_ml"}, ["--report_to comet_ml", "not installed"]),
    "unknown label in the weights": ({"class_weights": '{"postive": 2}'},
                                     ["--class_weights", "'postive'", "Did you mean 'positive'"]),
    "a threshold for an unknown class": ({"thresholds": "postive=0.4"}, ["--thresholds", "Did you mean 'positive'"]),
    "one threshold for all classes": ({"tune_thresholds": "global"}, ["--tune_thresholds global", "per_label"]),
    "a target for an unknown class": ({"target_precision": "postive=0.9"},
                                      ["--target_precision", "'postive'", "Did you mean 'positive'"]),
    "a cost for an unknown class": ({"costs": '{"postive": 2, "negative": 1}'},
                                    ["--costs", "true class 'postive'", "Did you mean 'positive'"]),
    "a class without a cost": ({"costs": '{"positive": 2}'}, ["--costs", "true class 'negative'", "every class once"]),
    "a prediction without a cost": ({"costs": '{"positive": {"negative": 2}, "negative": {}}'},
                                    ["true class 'negative' has no cost for predicted class 'positive'"]),
    "a label column that is not there": ({"label_column_names": "label,spam"}, ["--label_column_names spam", "label"]),
    "a label column of words": ({"label_column_names": "label,id"}, ["--label_column_names label", "0 or 1"]),
    "stopping after the end": ({"early_stopping_patience": 3, "num_train_epochs": 4},
                               ["--early_stopping_patience 3", "4 evaluations", "5"]),
    "time that is none": ({"validation_strategy": "time", "time_column": "text", "validation_file": None},
                          ["--time_column text", "2024-01-31"]),
    "more folds than texts": ({"folds": 65, "validation_file": None}, ["--folds 65", "64"]),
    "unknown best metric of no best model": ({"metric_for_best_model": "f1", "load_best_model_at_end": False},
                                             ["--metric_for_best_model f1", "f1_macro"]),
    "unknown best metric": ({"metric_for_best_model": "f1"}, ["--metric_for_best_model f1", "f1_macro"]),
    "resuming nothing": ({"resume": "checkpoint-5"}, ["--resume checkpoint-5", "--resume auto"]),
    "output is a file": ({"output_dir": str(ROOT / "pyproject.toml")}, ["--output_dir", "is a file"]),
    "model folder without config": ({"model_name_or_path": str(ROOT / "tests")},
                                    ["--model_name_or_path", "config.json"]),
    "Hub model while offline": ({"model_name_or_path": "bert-base-uncased"},
                                ["--model_name_or_path bert-base-uncased", "local folder"]),
    "Hub data while offline": ({"dataset_name": "imdb", "train_file": None, "validation_file": None, "test_file": None},
                               ["--dataset_name imdb", "--train_file"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_flags_that_do_not_fit_the_data_are_refused(case, command, nothing_slow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags, words = BAD_FLAGS[case]
    assert_refused(words, main, command(**flags))
    assert not (tmp_path / "out").exists()


BAD_FILES = {  # content of a training file -> words of the message
    "empty": ("a.csv", "", ["--train_file", "a.csv", "empty"]),
    "header only": ("a.csv", "text,label\n", ["--train_file", "a.csv", "no rows"]),
    "a field too many": ("a.csv", CSV + "a film, that is,negative\n", ["line 14", "3 fields", "2", "Quote"]),
    "a field too few": ("a.csv", CSV + "a film\n", ["line 14", "1 field", "2"]),
    "an open quote": ("a.csv", CSV + '"never closed,negative\n', ["line 14", "quote"]),
    "not UTF-8": ("a.csv", CSV.encode() + "café,negative\n".encode("latin-1"), ["a.csv", "line 14", "UTF-8", "iconv"]),
    "duplicate column": ("a.csv", "text,label,text\n" + "a,b,c\n" * 9, ["duplicate column", "'text'", "Rename"]),
    "blank text": ("a.csv", CSV + "  ,positive\n", ["1 row", "train", "text", "train-12", "--on_bad_row drop"]),
    "no label": ("a.csv", CSV + "a film,\n", ["1 row", "train", "no label", "train-12", "--on_bad_row drop"]),
    "no text column": ("a.csv", CSV.replace("text", "message"), ["--text_column_names", "message"]),
    "two text columns": ("a.csv", CSV.replace("text,label", "text,review,label").replace(" film", " film,x"),
                         ["--text_column_names", "text, review"]),
    "no label column": ("a.csv", CSV.replace("label", "stars"), ["--label_column_name", "stars"]),
    "one class only": ("a.csv", "text,label\n" + "a film,positive\n" * 9, ["one class", "'positive'"]),
    "too little to split": ("a.csv", "text,label\n" + "a film,good\nb film,bad\n" * 6,
                            ["--validation_fraction", "every class has one text only", "--validation_file"]),
    "broken JSON": ("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b" "label": 0}\n', ["a.jsonl", "line 2", "JSON"]),
    "empty JSON": ("a.jsonl", "", ["a.jsonl", "empty"]),
    "JSON of lists": ("a.jsonl", '["a", 1]\n["b", 0]\n', ["a.jsonl", "line 1", "object"]),
    "JSON not UTF-8": ("a.jsonl", b'{"text": "caf\xe9", "label": 1}\n', ["a.jsonl", "line 1", "UTF-8"]),
    "the same labels in every row": ("a.jsonl", '{"text": "a", "label": ["x", "y"]}\n' * 3,
                                     ["same labels (x, y)", "--label_delimiter"]),
    "lists for text": ("a.jsonl", '{"text": ["a"], "label": 1}\n{"text": ["b"], "label": 0}\n',
                       ["--text_column_names text", "id train-0", "a list"]),
    "broken Parquet": ("a.parquet", "PAR1 but not really", ["a.parquet", "cannot be read as parquet"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused(case, command, nothing_slow, tmp_path):
    name, content, words = BAD_FILES[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert_refused(words, main, command(train_file=tmp_path / name, validation_file=None, test_file=None))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_label_that_train_lacks_is_refused_with_counts_and_examples(split, command, nothing_slow, tmp_path):
    rows = make_rows(8) + [{"id": f"odd{i}", "text": "a film", "label": "Positve"} for i in range(3)]
    with pytest.raises(UsageError, match=rf"{split} has labels.*'Positve' x 3 \(ids odd0, odd1, odd2\).*'positive'"):
        main(command(**{f"{split}_file": write_csv(tmp_path / "odd.csv", rows)}))


def test_a_validation_file_of_one_class_is_refused(command, nothing_slow, tmp_path):
    one = [row for row in make_rows(8) if row["label"] == "positive"]
    with pytest.raises(UsageError, match="--validation_file.*one class.*'positive'.*Leave it out"):
        main(command(validation_file=write_csv(tmp_path / "one.csv", one)))


def test_class_labels_out_of_range_are_refused(command, nothing_slow, tmp_path):
    """`datasets` lets them pass; on a GPU they would be a device-side assert in the middle of training."""
    rows = [{"text": row["text"], "label": 7 if i == 3 else i % 2} for i, row in enumerate(make_rows(12))]
    raw = Dataset.from_list(rows).cast(Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])}))
    raw.to_parquet(str(tmp_path / "a.parquet"))
    with pytest.raises(UsageError, match="--label_column_name label: 1 label.* in train.* out of range.*7.*2 classes"):
        main(command(train_file=tmp_path / "a.parquet", validation_file=None))


def test_repeated_ids_are_refused_where_they_were_asked_for(command, nothing_slow, tmp_path):
    rows = [row | {"key": "same"} for row in make_rows(12)]
    with pytest.raises(UsageError, match="--id_column_name key: ids repeat in train.*same"):
        main(command(train_file=write_csv(tmp_path / "a.csv", rows), id_column_name="key"))


def test_minus_one_in_validation_is_refused_with_its_rows_or_dropped(command, tmp_path):
    files = {"train_file": make_rows(16, labels=(0, 1)), "validation_file": make_rows(8, seed=2, labels=(0, 1))}
    files["validation_file"][5]["label"] = -1
    flags = {name: write_csv(tmp_path / f"{name}.csv", rows) for name, rows in files.items()}
    with pytest.raises(UsageError, match="1 row.* of .*validation.* no label.*r2-5.*--on_bad_row drop"):
        main(command(**flags, test_file=None))
    assert main(command(**flags, test_file=None, on_bad_row="drop"))["eval_samples"] == 7


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
    with pytest.raises(UsageError, match="holds another run"):  # it has no checkpoint to continue from
        main(command(resume="auto"))
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


def test_words_that_spreadsheets_take_for_nothing_are_texts(command, tmp_path):
    texts = ["NA", "null", "None", "nan", "N/A"]
    rows = [row | {"text": text} for row, text in zip(make_rows(5), texts, strict=True)] + make_rows(24, seed=4)
    corpus = load_corpus(parse_arguments(command(train_file=write_csv(tmp_path / "a.csv", rows), test_file=None)))
    assert corpus.splits["train"]["text"][:5] == texts and len(corpus.splits["train"]) == 29


def test_rows_are_dropped_only_on_request_and_reported(command, capsys, tmp_path):
    rows = make_rows(24)
    rows[3]["text"], rows[4]["label"] = " ", ""
    result = main(command(train_file=write_csv(tmp_path / "a.csv", rows), on_bad_row="drop"))
    assert result["train_samples"] == 22
    assert "dropped 1 row" in capsys.readouterr().out


# ------------------------------------------------------------------------------------ flags that a task has no use for

SEVERAL = "text,label\n" + "".join(f"good film {i},a|b\nbad film {i},a\nfine film {i},\n" for i in range(6))
NUMBERS = "text,label\n" + "good film,1.5\nbad film,2.5\n" * 6


@pytest.mark.parametrize(
    ("content", "flags", "words"),
    [
        (NUMBERS, {"class_weights": "balanced"}, ["--class_weights balanced", "regression has no classes"]),
        (NUMBERS, {"loss": "focal"}, ["--loss focal", "regression"]),
        (NUMBERS, {"sampler": "balanced"}, ["--sampler balanced", "regression"]),
        (NUMBERS, {"label_smoothing_factor": 0.1}, ["--label_smoothing_factor 0.1", "regression"]),
        (NUMBERS, {"metric_for_best_model": "f1_macro"}, ["--metric_for_best_model f1_macro", "pearson"]),
        (SEVERAL, {"label_delimiter": "|", "sampler": "balanced"}, ["--sampler balanced", "--class_weights balanced"]),
        (SEVERAL, {"label_delimiter": "|", "thresholds": '{"c": 0.1}'}, ["--thresholds", "'c'", "a, b"]),
        (SEVERAL, {"label_delimiter": "|", "class_weights": '{"c": 2}'}, ["--class_weights", "'c'", "a, b"]),
        (SEVERAL, {"label_delimiter": "|", "metric_for_best_model": "mcc"},
         ["--metric_for_best_model mcc", "f1_micro"]),
        (SEVERAL, {"label_delimiter": "|", "metric_name": "r3"}, ["--metric_name r3", "exact_match"]),
        ('{"text": "a", "label": ["x"]}\n{"text": "b", "label": []}\n', {"label_delimiter": "|"},
         ["--label_delimiter", "lists"]),
        ('{"text": "a", "label": ["x"]}\n{"text": "b", "label": []}\n', {"do_regression": True},
         ["--do_regression", "lists"]),
        (CSV.replace("label", "label,user").replace("ive", "ive,u1"), {"validation_group_column": "user"},
         ["--validation_group_column", "all 12 rows", "'u1'"]),
        (CSV.replace("label", "label,user").replace("ive", "ive,"), {"validation_group_column": "user"},
         ["--validation_group_column", "12 rows of train have no group", "Name another column"]),
        ("text,label\n" + "".join(f"text {i},{'rare' if i < 3 else 'usual'}\n" for i in range(40)), {"folds": 5},
         ["--folds 5", "one class", "'usual'", "fewer folds"]),
        ("text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(12)), {"folds": 8},
         ["--folds 8", "Pass at most 6"]),
        (CSV.replace("label", "label,when").replace("ive", "ive,2024"),
         {"validation_strategy": "time", "time_column": "when"}, ["--time_column", "all 12 rows have the same time"]),
        (CSV.replace("label", "label,when").replace("negative", "negative,2024-01-01").replace(
            "positive", "positive,2025-01-01"), {"validation_strategy": "time", "time_column": "when"},
         ["--validation_strategy time", "one class", "'positive'"]),
    ],
)  # fmt: skip
def test_flags_that_do_not_fit_the_task_are_refused(content, flags, words, command, nothing_slow, tmp_path):
    path = tmp_path / ("a.jsonl" if content.startswith("{") else "a.csv")
    path.write_text(content)
    files = {"train_file": path, "validation_file": None, "test_file": None}
    assert_refused(words, main, command(**files | flags))
    assert not (tmp_path / "out").exists()
