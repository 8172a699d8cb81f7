"""Runs with a model from scratch: its vocabulary comes from train, and every later path is that of BERT."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import zoo
from corpus import make_rows, write_csv
from helpers import (
    AGAIN,
    SGD,
    assert_refused,
    largest_difference,
    make_tokenizer,
    run_in_two_processes,
)
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from classification.models.bilstm import BiLstmConfig, BiLstmModel
from run_classification import main

SCRATCH = {"model_name_or_path": "bilstm", "max_seq_length": None}


@pytest.fixture
def scratch(command):
    """A function that builds a quick command line for a model from scratch."""
    return lambda **flags: command(**SCRATCH | flags)


def vocabulary(folder) -> dict[str, int]:
    return AutoTokenizer.from_pretrained(folder).get_vocab()


def test_a_trained_one_has_the_vocabulary_of_train_and_predicts_the_same_again(scratch, finished, tmp_path):
    files = {}
    for split in ("validation", "test"):
        rows = make_rows(24, seed=len(split))
        rows[0]["text"] += f" only{split}"
        files[f"{split}_file"] = write_csv(tmp_path / f"{split}.csv", rows)
    run = finished(**SCRATCH, **files, num_train_epochs=3)
    assert "bilstm: random weights, 11 tensors; a vocabulary of" in run.shown
    assert "tensors loaded" not in run.shown and "attention   " not in run.shown
    assert "none on 5 biases and norms" in run.shown and "trust_remote_code=True" in run.shown
    pieces = vocabulary(run.folder)
    assert "lovely" in pieces and not any("only" in piece or "valid" in piece for piece in pieces)
    again = finished(**SCRATCH | AGAIN | {"model_name_or_path": run.folder, "test_file": files["test_file"]})
    assert "attention   " not in again.shown
    assert again.predictions == run.predictions and len({row["prob_positive"] for row in run.predictions}) > 10


@pytest.mark.parametrize("micro_batch", [2, 4])
def test_accumulated_micro_batches_equal_one_batch(micro_batch, finished, shared_uneven, command, tmp_path):
    """27 rows: no batch size divides them."""
    complete = finished(**shared_uneven)
    cut = {"per_device_train_batch_size": micro_batch, "gradient_accumulation_steps": 8 // micro_batch}
    main(command(**shared_uneven, **cut))
    assert largest_difference(complete.folder, tmp_path / "out") < 1e-5


@pytest.fixture(scope="module")
def shared_uneven(tmp_path_factory) -> dict:
    """Flags of a training of a model without dropout on 27 rows."""
    folder = tmp_path_factory.mktemp("bare")
    torch.manual_seed(0)
    sizes = {"vocab_size": 64, "embedding_size": 12, "hidden_size": 16, "num_hidden_layers": 2}
    BiLstmModel(BiLstmConfig(**sizes, hidden_dropout_prob=0.0, classifier_dropout=0.0)).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    train = write_csv(folder / "uneven.csv", make_rows(27, seed=5))
    return {"model_name_or_path": folder, "train_file": train, "test_file": None, "num_train_epochs": 2, **SGD}


def test_one_seed_gives_one_model(scratch, finished, tmp_path):
    same = {"data_seed": 1, "test_file": None}
    one, other = (finished(**SCRATCH, **same, seed=seed).folder for seed in (1, 2))
    main(scratch(**same, seed=1))
    assert largest_difference(one, tmp_path / "out") == 0
    assert largest_difference(one, other) > 1e-2


def test_multi_label_and_regression_train(finished, tmp_path):
    rows = [row | {"label": "|".join(["odd"] * (i % 2) + ["third"] * (i % 3 == 0)), "number": i % 2 * 100 + i / 10}
            for i, row in enumerate(make_rows(60))]  # fmt: skip
    path = write_csv(tmp_path / "rows.csv", rows)
    files = {"train_file": path, "validation_file": None, "test_file": path}
    flags = SCRATCH | files | {"num_train_epochs": 8, "learning_rate": 0.01}
    assert finished(**flags, label_column_name="label", label_delimiter="|").results["test_f1_micro"] > 0.6
    number = finished(**flags, label_column_name="number")
    assert number.results["test_pearson"] > 0.9 and number.results["test_mae"] < 40
    values = [float(row["prediction"]) for row in number.predictions]
    model = AutoModelForSequenceClassification.from_pretrained(number.folder)
    batch = zoo.encode(AutoTokenizer.from_pretrained(number.folder), [row["text"] for row in rows])
    with torch.no_grad():
        assert np.allclose(model(**batch).logits[:, 0], values, atol=1e-2)


def test_pairs_are_read_and_both_texts_are_in_the_vocabulary(finished, tmp_path):
    rows = [{"one": row["text"], "two": f"{('yes', 'no')[i % 2]} second", "label": i % 2}
            for i, row in enumerate(make_rows(60))]  # fmt: skip
    path = write_csv(tmp_path / "pairs.csv", rows)
    files = {"text_column_names": "one,two", "train_file": path, "validation_file": None, "test_file": path}
    run = finished(**SCRATCH, **files, num_train_epochs=6, learning_rate=0.01)
    assert run.results["test_accuracy"] > 0.9
    assert {"yes", "no", "second"} <= set(vocabulary(run.folder))


def test_a_saved_one_trains_on_with_longer_texts(finished, scratch, tmp_path, capsys):
    start = finished(**SCRATCH | {"max_seq_length": 16}).folder
    main(scratch(model_name_or_path=start, max_seq_length=600))
    assert "11 of 11 tensors loaded" in capsys.readouterr().out
    assert AutoTokenizer.from_pretrained(tmp_path / "out").model_max_length == 600


@pytest.mark.slow
def test_two_processes_start_from_one_vocabulary(scratch, tmp_path):
    flags = {"use_cpu": True, "test_file": None, "num_train_epochs": 3}
    main(scratch(**flags, output_dir=tmp_path / "one"))
    run_in_two_processes(scratch(**flags, per_device_train_batch_size=4, output_dir=tmp_path / "two"))
    assert vocabulary(tmp_path / "one") == vocabulary(tmp_path / "two")
    metrics = json.loads((tmp_path / "two" / "all_results.json").read_text())
    assert metrics["eval_loss"] < 0.69


def test_attention_dropout_is_refused(scratch, nothing_slow):
    assert_refused(["--attention_dropout 0.1: this model has no"], main, scratch(attention_dropout=0.1))
