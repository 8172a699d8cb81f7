"""The real thing: a pretrained BERT, real reviews, the scripts, a kill in the middle. `--slow` only.

IMDB is read from the folder that TEXT_CLASSIFICATION_DATA names (imdb/train.parquet and imdb/test.parquet in it);
tests that need it skip where it is absent.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import baselines
import pytest
import transformers
from corpus import make_rows, write_csv
from datasets import Dataset
from helpers import ROOT, account, largest_difference, make_bert, make_tokenizer, read_predictions

from classification.data.sources.readers import read_file
from run_classification import main

pytestmark = pytest.mark.slow
DATA = Path(os.environ.get("TEXT_CLASSIFICATION_DATA", ROOT.parent / "shared" / "data"))


def check_pipeline_agrees(folder: Path, rows: int) -> None:
    """`pipeline` on the saved folder gives the label of every row of predictions.csv."""
    predictions = read_predictions(folder)
    assert len(predictions) == rows
    classify = transformers.pipeline("text-classification", model=str(folder), truncation=True)
    answers = classify([row["text"] for row in predictions], batch_size=16)
    different = [
        row["id"] for row, answer in zip(predictions, answers, strict=True) if answer["label"] != row["prediction"]
    ]
    assert not different


def test_the_quickstart_learns_and_the_pipeline_agrees(minilm, tmp_path):
    result = main([str(ROOT / "presets" / "quickstart.yaml"), "--model_name_or_path", minilm,
                   "--output_dir", str(tmp_path / "out")])  # fmt: skip
    assert result["eval_accuracy"] > 0.65 and result["test_accuracy"] > 0.58  # chance is 0.5
    check_pipeline_agrees(tmp_path / "out", 150)


def test_imdb_learns_and_the_pipeline_agrees(minilm, tmp_path):
    if not (DATA / "imdb" / "train.parquet").is_file():
        pytest.skip(f"no IMDB in {DATA}: set TEXT_CLASSIFICATION_DATA")
    files = [f"--{split}_file={DATA / 'imdb' / split}.parquet" for split in ("train", "test")]
    sizes = ["--max_train_samples=480", "--max_eval_samples=100", "--max_predict_samples=150"]
    result = main([str(ROOT / "presets" / "imdb.yaml"), "--model_name_or_path", minilm, *files, *sizes,
                   "--learning_rate=1e-4", "--num_train_epochs=2", "--max_seq_length=128",
                   "--output_dir", str(tmp_path / "out")])  # fmt: skip
    assert result["test_accuracy"] > 0.65
    check_pipeline_agrees(tmp_path / "out", 150)


@pytest.mark.parametrize(
    ("preset", "metric", "floor"),
    [("tickets", "test_f1_micro", 0.68), ("urgency", "test_pearson", 0.7), ("questions", "test_accuracy", 0.62)],
)
def test_every_kind_of_task_is_learned(minilm, tmp_path, preset, metric, floor):
    """And `pipeline` gives the saved decisions: thresholds of several labels, numbers in their own units (in fp32: half
    precision rounds them)."""
    folder = tmp_path / "out"
    result = main([str(ROOT / "presets" / f"{preset}.yaml"), "--model_name_or_path", minilm, "--output_dir",
                   str(folder), "--precision", "fp32" if preset == "urgency" else "auto"])  # fmt: skip
    assert result[metric] > floor
    config = transformers.AutoConfig.from_pretrained(folder)
    classify = transformers.pipeline("text-classification", model=str(folder), truncation=True, top_k=None)
    for row in read_predictions(folder)[:40]:
        text = {"text": row["text"], "text_pair": row["text_pair"]} if "text_pair" in row else row["text"]
        answers = {answer["label"]: answer["score"] for answer in classify([text])[0]}
        if preset == "tickets":
            chosen = [name for name, score in answers.items() if score >= config.thresholds[name]]
            assert "|".join(sorted(chosen)) == row["prediction"]
        elif preset == "urgency":
            assert answers["score"] == pytest.approx(float(row["prediction"]), abs=1e-3)
        else:
            assert max(answers, key=answers.get) == row["prediction"]


def test_a_rare_class_is_found_in_real_messages(minilm, tmp_path):
    if not (DATA / "sms_spam" / "all.parquet").is_file():
        pytest.skip(f"no SMS Spam Collection in {DATA}: set TEXT_CLASSIFICATION_DATA")
    command = [sys.executable, str(ROOT / "scripts" / "compare_imbalance.py"), "--train_file",
               str(DATA / "sms_spam" / "all.parquet"), "--label_column_name", "label_name", "--model_name_or_path",
               minilm, "--max_seq_length", "32", "--max_train_samples", "128", "--max_eval_samples", "64",
               "--max_predict_samples", "100", "--num_train_epochs", "3", "--learning_rate", "2e-4",
               "--seeds", "1,2", "--output_dir", str(tmp_path)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5574 rows, 5171 without repeats, 1034 of them for test" in done.stdout
    table = [line for line in done.stdout.splitlines() if "±" in line]
    assert len(table) == 5
    for line in table:
        balanced = float(line.split("±")[2].split()[-1])
        assert balanced > 0.75, line  # chance is 0.5


def test_the_quickstart_script_runs_twice_from_anywhere(minilm, tmp_path):
    """In the active environment; the second run moves the first aside."""
    environment = os.environ | {"VIRTUAL_ENV": sys.prefix}
    flags = ["--output_dir", str(tmp_path / "out"), "--max_train_samples=32", "--num_train_epochs=1"]
    for _ in range(2):
        done = subprocess.run(["bash", str(ROOT / "scripts" / "quickstart.sh"), *flags], cwd=tmp_path,
                              env=environment, capture_output=True, text=True, timeout=300)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "predictions.csv").exists() and (tmp_path / "out.bak-1").is_dir()
    assert ["rows", "100", "150"] in [line.split() for line in done.stdout.splitlines()]
    assert "Files in" in done.stdout


def test_a_killed_run_resumes_to_the_same_weights(tmp_path):
    """SIGKILL at whatever moment, then --resume auto: bitwise the weights of a run that was left alone."""
    make_bert(hidden_dropout_prob=0.1).bert.save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    train = write_csv(tmp_path / "train.csv", make_rows(320))
    command = [sys.executable, str(ROOT / "run_classification.py"), f"--train_file={train}", "--precision=fp32",
               f"--model_name_or_path={tmp_path / 'model'}", "--max_seq_length=32", "--num_train_epochs=4",
               "--per_device_train_batch_size=4", "--eval_strategy=steps", "--eval_steps=20"]  # fmt: skip
    subprocess.run([*command, f"--output_dir={tmp_path / 'whole'}"], check=True, capture_output=True, timeout=300)
    cut = [*command, f"--output_dir={tmp_path / 'cut'}"]
    process = subprocess.Popen(cut, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not (tmp_path / "cut" / "checkpoint-100").exists() and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "cut" / "run.json").exists()
    subprocess.run([*cut, "--resume=auto"], check=True, capture_output=True, timeout=300)
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") == 0
    assert account(tmp_path / "whole")["best_step"] == account(tmp_path / "cut")["best_step"]


# ---------------------------------------------------------------------------------------------------------------- IMDB


@pytest.fixture(scope="module")
def imdb() -> dict[str, str]:
    """IMDB's files as flags."""
    files = {f"{split}_file": DATA / "imdb" / f"{split}.parquet" for split in ("train", "test")}
    if not all(path.is_file() for path in files.values()):
        pytest.skip(f"IMDB is not in {DATA}")
    return {name: str(path) for name, path in files.items()}


def as_flags(**flags) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def test_the_known_faults_of_imdb_are_found(imdb, tmp_path):
    """123 texts in both splits, byte for byte, 96 repeats in train and 199 in test; both sorted by label."""
    flags = as_flags(**imdb, model_name_or_path=tmp_path / "none", text_column_names="text", label_column_name="label")
    findings = main([*flags, "--check_data"])["findings"]
    counts = {(finding["kind"], finding["split"]): finding["count"] for finding in findings}
    assert counts["exact_duplicates", "train, test"] == 123
    assert counts["exact_duplicates", "train"] == 96
    assert counts["exact_duplicates", "test"] == 199
    assert {("sorted_labels", "train"), ("sorted_labels", "test")} <= set(counts)


def test_flipped_labels_of_imdb_are_found(imdb, tmp_path):
    """Of 3% flipped labels, at least half of the first 500 suspects are flipped ones."""
    train = read_file(imdb["train_file"], flag="--train_file")
    flipped = set(random.Random(0).sample(range(len(train)), round(0.03 * len(train))))
    labels = [1 - label if row in flipped else label for row, label in enumerate(train["label"])]
    ids = [str(row) for row in range(len(train))]
    data = Dataset.from_dict({"id": ids, "text": train["text"][:], "label": labels})
    data.to_parquet(str(tmp_path / "flipped.parquet"))
    main(as_flags(train_file=tmp_path / "flipped.parquet", model_name_or_path=tmp_path / "none", check_data=True,
                  suspect_labels=True, output_dir=tmp_path / "out"))  # fmt: skip
    first = read_predictions(tmp_path / "out", "suspect_labels.csv")[:500]
    assert len(first) == 500 and all(row["split"] == "train" for row in first)
    assert sum(int(row["id"]) in flipped for row in first) >= 250


def test_nb_svm_reaches_its_known_accuracy(imdb, tmp_path):
    flags = as_flags(**imdb, text_column_names="text", label_column_name="label", baselines="nb_svm",
                     validation_fraction=0.001, output_dir=tmp_path / "out")  # fmt: skip
    assert baselines.main(flags)["nb_svm"]["test_accuracy"] >= 0.914  # 0.9155 of all of train
