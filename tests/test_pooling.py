"""Heads on the first token, the mean or the maximum: they leave padding out, save, reload, and load elsewhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
import zoo
from conftest import write_csv
from safetensors.torch import load_file

from classification.pooling import pool
from run_classification import main


def test_padding_has_no_part_in_pooling():
    states = torch.tensor([[[1.0, -5.0], [3.0, -1.0], [100.0, 100.0]], [[100.0, 100.0], [2.0, 4.0], [6.0, 0.0]]])
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert pool(states, mask, "mean").tolist() == [[2, -3], [4, 2]]
    assert pool(states, mask, "max").tolist() == [[3, -1], [6, 4]]
    assert pool(states, mask, "cls").tolist() == [[1, -5], [2, 4]]


ELSEWHERE = """
import sys, json, torch
from transformers import pipeline
classify = pipeline("text-classification", model=sys.argv[1], truncation=True, top_k=None, trust_remote_code=True)
answers = classify(json.loads(sys.argv[2]), batch_size=8)
print(json.dumps([{one["label"]: one["score"] for one in answer} for answer in answers]))
"""


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
@pytest.mark.parametrize("architecture", ["bert", "deberta-v2", "modernbert", "gpt2"])
def test_a_pooled_head_trains_saves_and_reloads(architecture, pooling, command, tmp_path):
    zoo.save_pretrained(architecture, tmp_path / "model")
    flags = {"model_name_or_path": tmp_path / "model", "max_seq_length": 24, "pooling": pooling}
    main(command(**flags))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    own_class = architecture == "modernbert" and pooling != "max"
    assert (type(model).__name__ == "PooledForSequenceClassification") != own_class
    lines = (tmp_path / "out" / "predictions.csv").read_text().splitlines()[1:]
    texts = [line.split(",")[1] for line in lines]
    shown = np.array([float(line.split(",")[5]) for line in lines])
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    with torch.no_grad():
        batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        logits = model(**batch).logits
    assert np.allclose(logits.softmax(-1)[:, 1], shown, atol=2e-6) and shown.std() > 1e-3
    again = {"train_file": None, "validation_file": None, "max_seq_length": None, "do_predict": True}
    main(command(**again, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "again"))
    assert (tmp_path / "again" / "predictions.csv").read_text() == (tmp_path / "out" / "predictions.csv").read_text()
    moved_on = main(command(model_name_or_path=tmp_path / "out", max_seq_length=24, output_dir=tmp_path / "more"))
    assert np.isfinite(moved_on["train_loss"])


def test_a_pooled_head_loads_where_this_recipe_is_not(command, tmp_path, capsys):
    """In another folder and process; the run says how."""
    main(command(pooling="mean"))
    assert "trust_remote_code=True" in capsys.readouterr().out
    lines = (tmp_path / "out" / "predictions.csv").read_text().splitlines()[1:]
    texts = [line.split(",")[1] for line in lines]
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, str(tmp_path / "out"), json.dumps(texts)], cwd=tmp_path,
        capture_output=True, text=True, timeout=120, env=os.environ | {"HF_MODULES_CACHE": str(tmp_path / "modules")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for line, scores in zip(lines, json.loads(done.stdout.splitlines()[-1]), strict=True):
        assert scores["positive"] == pytest.approx(float(line.split(",")[5]), abs=2e-6)


def test_the_pooled_encoder_is_the_pretrained_one(command, tiny_model, tmp_path):
    main(command(pooling="mean", freeze="encoder"))
    before, after = load_file(f"{tiny_model}/model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    kept = {name: value for name, value in before.items() if "pooler" not in name}
    assert all(torch.equal(value, after[f"encoder.{name}"]) for name, value in kept.items())
    assert set(after) == {f"encoder.{name}" for name in kept} | {"classifier.weight", "classifier.bias"}


def test_pooling_goes_with_windows_adapters_and_other_tasks(command, tmp_path):
    rows = [{"text": "good film " * (i + 1), "label": i + 0.5} for i in range(20)]
    train = write_csv(tmp_path / "numbers.csv", rows)
    flags = {"pooling": "mean", "lora_r": 2, "truncation_strategy": "window", "max_seq_length": 12}
    result = main(command(**flags, train_file=train, validation_file=None, test_file=train))
    assert np.isfinite(result["test_rmse"])
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["label_own_units"] and config["pooling"] == "mean" and config["truncation_strategy"] == "window"
