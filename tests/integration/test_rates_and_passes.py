"""Whole runs with a rate per layer, two passes per row and smoothed labels."""

from __future__ import annotations

import re
import shutil

import pytest
import zoo
from corpus import several_rows, write_splits
from helpers import account, assert_refused, command_line, largest_difference, run_captured

from classification.training import layer_rates
from run_classification import main

ALL_THREE = {"layerwise_lr_decay": 0.5, "r_drop": 1, "label_smoothing_factor": 0.1, "num_train_epochs": 2}


@pytest.fixture(scope="module")
def dropping(tmp_path_factory) -> str:
    """The folder of a BERT of two layers with dropout."""
    folder = tmp_path_factory.mktemp("models") / "bert"
    zoo.save_pretrained("bert", folder)
    return str(folder)


@pytest.fixture(scope="module")
def whole(dropping, shared_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole") / "out"
    standard = {"model_name_or_path": dropping, **shared_files, "output_dir": str(folder)}
    return run_captured(command_line(standard, ALL_THREE), folder)


def test_the_log_and_the_record_name_them(whole):
    lines = re.sub(" +", " ", whole.shown)
    assert "rates head 0.005, top layer 0.0025, embeddings 0.000625: times 0.5 per layer" in lines
    assert "r-drop two passes per row with different dropout; loss + 1 x the distance of their outputs" in lines
    assert "loss labels smoothed by 0.1; val_loss stays unsmoothed" in lines
    rates = [entry["learning_rate"] for entry in whole.account["log_history"] if "learning_rate" in entry]
    assert not rates or max(rates) <= 0.005
    assert whole.account["arguments"]["layerwise_lr_decay"] == 0.5 and whole.account["arguments"]["r_drop"] == 1
    assert whole.results["eval_objective"] > 0 and whole.account["throughput"]["training"]["rows"] == 128


def test_a_killed_run_ends_with_the_same_weights_and_other_values_are_refused(command, dropping, whole, tmp_path):
    killed = tmp_path / "out"
    shutil.copytree(whole.folder, killed)
    for path in (killed, *killed.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(killed / "checkpoint-16")
    for name in ("run.json", "all_results.json", "predictions.csv", "model.safetensors", "curves.svg"):
        (killed / name).unlink()
    again = {"model_name_or_path": dropping, **ALL_THREE, "resume": "auto"}
    words = ["--layerwise_lr_decay: the checkpoint was trained with 0.5, this run has 0.9", "optimizer's state"]
    assert_refused(words, main, command(**again | {"layerwise_lr_decay": 0.9}, resume_anyway=True))
    words = ["--r_drop: the checkpoint was trained with 1.0, this run has nothing", "--resume_anyway"]
    assert_refused(words, main, command(**again | {"r_drop": None}))
    main(command(**again))
    assert largest_difference(whole.folder, killed) == 0


def test_what_the_model_does_not_allow_is_refused_before_its_texts_are_encoded(command, nothing_slow, monkeypatch):
    assert_refused(["--r_drop 1", "no dropout", "--attention_dropout 0.1"], main, command(r_drop=1))
    monkeypatch.setattr(layer_rates, "layer_lists", lambda model: ({}, 0))
    words = ["--layerwise_lr_decay 0.9", "BertForSequenceClassification", "Leave the flag out"]
    assert_refused(words, main, command(layerwise_lr_decay=0.9))


def test_several_labels_in_windows_with_adapters_and_both_remedies(command, tmp_path, recwarn):
    """The tiny model has no dropout: the message says what gives it some."""
    files = write_splits(tmp_path, "several", several_rows)
    flags = {
        **files, "label_column_name": "labels", "label_delimiter": "|", "truncation_strategy": "window",
        "max_seq_length": 8, "lora_r": 2, "attention_dropout": 0.1, "gradient_accumulation_steps": 2,
    }  # fmt: skip
    results = main(command(**flags | ALL_THREE | {"num_train_epochs": 1}))
    assert results["eval_loss"] > 0 and results["eval_objective"] != results["eval_loss"]
    assert account(tmp_path / "out")["throughput"]["training"]["rows"] == 64
    assert not [each for each in recwarn if "smoothing" in str(each.message)]  # the library says that it is off
