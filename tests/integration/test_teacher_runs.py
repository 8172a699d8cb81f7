"""Whole runs with a teacher: the student agrees with it, resumes bit for bit, and the record names it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from corpus import make_rows, number_rows, several_rows, stars, write_csv, write_splits
from helpers import (
    SGD,
    account,
    assert_epochs_agree,
    assert_refused,
    largest_difference,
    read_predictions,
    run_in_two_processes,
)

from classification.errors import Stopped
from run_classification import main

STUDENT = {"num_train_epochs": 2, "seed": 1}


@pytest.fixture(scope="module")
def teacher(finished) -> str:
    """A classifier that has learned the words."""
    run = finished(num_train_epochs=8, calibrate=True)
    assert run.results["eval_accuracy"] == 1.0
    return str(run.folder)


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> str:
    """120 texts without labels, and 6 that repeat the test rows in capitals."""
    rows = [{"text": row["text"]} for row in make_rows(120, 7)]
    rows += [{"text": row["text"].upper()} for row in make_rows(24, 3)[:6]]
    return write_csv(tmp_path_factory.mktemp("texts") / "texts.csv", rows)


@pytest.fixture(scope="module")
def student(finished, teacher, texts):
    return finished(**STUDENT, teacher=teacher, unlabelled_file=texts)


def agreement(folder, teacher: str) -> float:
    """The mean distance of the probabilities of two models on the test rows."""
    ours, theirs = (
        np.array([float(row["prob_positive"]) for row in read_predictions(each)]) for each in (folder, teacher)
    )
    return float(np.abs(ours - theirs).mean())


def test_a_student_agrees_more_than_the_same_model_alone(finished, student, teacher):
    alone = finished(**STUDENT)
    assert agreement(student.folder, teacher) < 0.3 * agreement(alone.folder, teacher)


def test_the_run_says_what_it_learns_from_and_records_it(student, teacher, texts):
    record = student.account["teacher"]
    assert record["name"] == teacher and record["unlabelled_file"] == texts
    assert (record["labelled_rows"], record["unlabelled_rows"]) == (64, 120)
    assert (record["temperature"], record["weight"], record["train_accuracy"]) == (2.0, 0.5, 1.0)
    for words in (
        "6 texts of unlabelled are left out, because they repeat 6 of test",
        "unlabelled     120 for the teacher",
        "46: 2 epochs, 23 per epoch",  # 184 rows in batches of 8
        "its accuracy on 64 labelled training rows is 1.0000",
    ):
        assert words in student.shown
    assert student.results["train_samples"] == 64 and student.account["throughput"]["training"]["rows"] == 368
    assert "BertForSequenceClassification" in (student.folder / "README.md").read_text()
    assert teacher not in (student.folder / "README.md").read_text()


def test_a_stopped_run_resumes_bit_for_bit_and_with_another_teacher_it_is_refused(
    student, command, teacher, texts, tiny_model, tmp_path
):
    flags = {**STUDENT, "teacher": teacher, "unlabelled_file": texts}
    with pytest.raises(Stopped):
        main(command(**flags, inject_fault="stop@step=30"))
    words = ["--resume", "--teacher_weight: the checkpoint was trained with 0.5, this run has 0.4"]
    assert_refused(words, main, command(**flags, resume="auto", teacher_weight=0.4))
    fewer = write_csv(tmp_path / "fewer.csv", [{"text": row["text"]} for row in make_rows(120, 8)])
    assert_refused(["--unlabelled_file"], main, command(**flags | {"unlabelled_file": fewer}, resume="auto"))
    assert_refused(["--teacher"], main, command(**STUDENT, resume="auto"))
    main(command(**flags, resume="auto"))
    assert largest_difference(tmp_path / "out", student.folder) == 0.0
    assert account(tmp_path / "out")["epochs"][-1]["train_loss"] == student.account["epochs"][-1]["train_loss"]


def test_a_dry_run_leaves_the_teachers_work_out(command, teacher, texts, capsys, tmp_path):
    losses = main(command(teacher=teacher, unlabelled_file=texts, dry_run=True, cache_dir=tmp_path / "cache"))
    assert losses["dry_run_loss"] == pytest.approx(losses["dry_run_loss_explicit"])
    assert "120 rows without a label" in capsys.readouterr().out
    assert not list((tmp_path / "cache").rglob("*.safetensors"))


@pytest.mark.slow
def test_two_processes_train_the_student_that_one_trains(command, teacher, texts, tmp_path):
    """27 + 120 rows over 2 x 4 leave an uneven last batch; in one batch no row has a label."""
    train = write_csv(tmp_path / "train.csv", make_rows(27, seed=5))
    flags = {"teacher": teacher, "unlabelled_file": texts, "train_file": train, "num_train_epochs": 2, **SGD}
    main(command(**flags, output_dir=tmp_path / "one"))
    two = {**flags, "output_dir": tmp_path / "two", "per_device_train_batch_size": 4, "cache_dir": tmp_path / "new"}
    run_in_two_processes(command(**two))
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    assert_epochs_agree(tmp_path / "one", tmp_path / "two")
    assert account(tmp_path / "two")["teacher"]["unlabelled_rows"] == 120


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["several labels", "a number"])
def test_several_labels_and_numbers_are_taught_too(kind, command, tmp_path):
    make, more, columns = {
        "several labels": (several_rows, {"label_delimiter": "|", "calibrate": False}, ("prob_blame", "prob_praise")),
        "a number": (number_rows(stars), {"do_regression": True}, ("prediction",)),
    }[kind]
    flags = write_splits(tmp_path, "rows", make) | more | {"learning_rate": 0.01}
    texts = write_csv(tmp_path / "texts.csv", [{"text": row["text"]} for row in make(200, 9)])
    main(command(**flags, num_train_epochs=20, output_dir=tmp_path / "teacher"))
    student = {"num_train_epochs": 4, "teacher": tmp_path / "teacher", "unlabelled_file": texts}
    main(command(**flags, **student, output_dir=tmp_path / "student"))
    main(command(**flags, num_train_epochs=4, output_dir=tmp_path / "alone"))
    values = {name: np.array([[float(row[column]) for column in columns] for row in read_predictions(tmp_path / name)])
              for name in ("teacher", "student", "alone")}  # fmt: skip
    far, near = (np.abs(values[name] - values["teacher"]).mean() for name in ("alone", "student"))
    assert near < 0.5 * far


def test_folds_warn_that_the_teacher_may_know_the_rows(command, teacher, capsys):
    main(command(teacher=teacher, folds=2, validation_file=None, test_file=None, calibrate=False))
    shown = capsys.readouterr()
    assert (shown.out + shown.err).count("a fold holds out") == 1


def test_an_adapter_and_windows_are_taught_by_a_teacher_in_windows(finished, command, long_files, tmp_path):
    flags = {**long_files, "truncation_strategy": "window", "max_seq_length": 16}
    main(command(**flags, output_dir=tmp_path / "teacher", num_train_epochs=3))
    texts = write_csv(tmp_path / "texts.csv", [{"text": row["text"] * 3} for row in make_rows(20, 9)])
    results = main(command(**flags, output_dir=tmp_path / "student", teacher=tmp_path / "teacher", lora_r=2,
                           unlabelled_file=texts, r_drop=0.0))  # fmt: skip
    assert np.isfinite(results["train_loss"])
    shutil.rmtree(tmp_path / "teacher")
