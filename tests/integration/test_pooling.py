"""Pooled heads train, are saved and reload to the same predictions, alone and with other features."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import zoo
from corpus import write_csv
from helpers import AGAIN, weights
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from run_classification import main

HEADS = [
    (architecture, pooling)
    for architecture in ("bert", "deberta-v2", "modernbert", "gpt2")
    for pooling in ("cls", "mean", "max")
    if (architecture, pooling) != ("gpt2", "cls")  # refused
]


@pytest.mark.parametrize(("architecture", "pooling"), HEADS)
def test_a_pooled_head_trains_saves_and_reloads(architecture, pooling, finished):
    run = finished(model_name_or_path=zoo.saved(architecture), max_seq_length=24, pooling=pooling)
    texts = [row["text"] for row in run.predictions]
    written = np.array([float(row["prob_positive"]) for row in run.predictions])
    own_class = architecture == "modernbert" and pooling != "max"
    model = AutoModelForSequenceClassification.from_pretrained(run.folder)
    assert (type(model).__name__ == "PooledForSequenceClassification") != own_class
    assert np.allclose(zoo.probabilities(run.folder, texts)[:, 1], written, atol=2e-6) and written.std() > 1e-3
    again = zoo.own_probabilities(zoo.load(run.folder, training=False), texts)[:, 1]
    assert np.allclose(again, written, atol=2e-6)
    config = json.loads((run.folder / "config.json").read_text())
    pad = AutoTokenizer.from_pretrained(run.folder).pad_token_id
    assert {part["pad_token_id"] for part in (config, config.get("encoder", config))} == {pad}
    assert "_name_or_path" not in config.get("encoder", {})
    trained_on = zoo.load(run.folder)
    batch = zoo.encode(trained_on.tokenizer, texts)
    trained_on.model.train()(**batch, labels=torch.zeros(len(texts), dtype=torch.long)).loss.backward()
    assert all(weight.grad.isfinite().all() for weight in trained_on.model.parameters() if weight.grad is not None)


def test_a_pooled_model_predicts_the_same_again_and_trains_on(finished, command, tmp_path):
    run = finished(model_name_or_path=zoo.saved("bert"), max_seq_length=24, pooling="mean")
    main(command(**AGAIN, model_name_or_path=run.folder, output_dir=tmp_path / "again"))
    assert (tmp_path / "again" / "predictions.csv").read_text() == (run.folder / "predictions.csv").read_text()
    more = main(command(model_name_or_path=run.folder, max_seq_length=24, output_dir=tmp_path / "more"))
    assert np.isfinite(more["train_loss"])


def test_the_start_of_a_training_names_the_pooling_of_the_encoder(tiny_model, command, tmp_path, capsys):
    """With the flag of the line it is gone, and the run goes through."""
    encoder = shutil.copytree(tiny_model, tmp_path / "encoder")
    (encoder / "1_Pooling").mkdir()
    (encoder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    expected = (
        "\npooling      the encoder was trained with the mean of all tokens; the new head reads the first token. "
    )
    main(command(model_name_or_path=encoder, dry_run=True))
    assert expected + "--pooling mean" in capsys.readouterr().out
    main(command(model_name_or_path=encoder, pooling="mean", dry_run=True))
    assert "\npooling" not in capsys.readouterr().out


def test_a_frozen_encoder_is_saved_as_it_was(finished, tiny_model):
    before, after = weights(tiny_model), weights(finished(pooling="mean", freeze="encoder").folder)
    kept = {name: value for name, value in before.items() if "pooler" not in name}
    assert all(torch.equal(value, after[f"encoder.{name}"]) for name, value in kept.items())
    assert set(after) == {f"encoder.{name}" for name in kept} | {"classifier.weight", "classifier.bias"}


def test_pooling_goes_with_windows_adapters_and_regression(finished, tmp_path):
    rows = [{"text": "good film " * (i + 1), "label": i + 0.5} for i in range(20)]
    train = write_csv(tmp_path / "numbers.csv", rows)
    flags = {"pooling": "mean", "lora_r": 2, "truncation_strategy": "window", "max_seq_length": 12}
    run = finished(**flags, train_file=train, validation_file=None, test_file=train)
    assert np.isfinite(run.results["test_rmse"])
    config = json.loads((run.folder / "config.json").read_text())
    assert config["label_own_units"] and config["pooling"] == "mean" and config["truncation_strategy"] == "window"
