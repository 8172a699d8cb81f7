"""Heads on the first token, the mean or the maximum: they leave padding out, save, reload, and load elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
import zoo
from conftest import AGAIN, write_csv
from safetensors.torch import load_file

from classification.errors import UsageError
from classification.models.pooled_head import PooledConfig, PooledForSequenceClassification, pool
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


@pytest.mark.parametrize(
    ("architecture", "pooling"),
    [
        (architecture, pooling)
        for architecture in ("bert", "deberta-v2", "modernbert", "gpt2")
        for pooling in ("cls", "mean", "max")
        if (architecture, pooling) != ("gpt2", "cls")  # refused
    ],
)
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
    main(command(**AGAIN, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "again"))
    assert (tmp_path / "again" / "predictions.csv").read_text() == (tmp_path / "out" / "predictions.csv").read_text()
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert {part["pad_token_id"] for part in (config, config.get("encoder", config))} == {tokenizer.pad_token_id}
    assert "_name_or_path" not in config.get("encoder", {})
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


def pooled(architecture: str, pooling: str, folder) -> PooledForSequenceClassification:
    zoo.save_pretrained(architecture, folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    torch.manual_seed(0)
    return PooledForSequenceClassification(PooledConfig(config, pooling)).eval()


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_padding_on_either_side_gives_the_same_logits(pooling, tmp_path):
    """Positions of a Llama are rotary: only their differences count."""
    model = pooled("llama", pooling, tmp_path)
    ids = torch.randint(5, 60, (2, 6))
    right, left = torch.zeros(2, 9, dtype=torch.long), torch.zeros(2, 9, dtype=torch.long)
    right[:, :6], left[:, 3:] = ids, ids
    with torch.no_grad():
        alone = model(input_ids=ids).logits
        for padded in (right, left):
            assert torch.allclose(model(input_ids=padded, attention_mask=(padded > 0).long()).logits, alone, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-3


def test_a_pooled_head_takes_and_returns_what_its_encoder_does(tmp_path):
    model, ids = pooled("bert", "mean", tmp_path), torch.randint(5, 60, (2, 6))
    model.encoder.set_attn_implementation("eager")  # which alone gives attentions
    with torch.no_grad():
        plain = model(input_ids=ids, output_hidden_states=True, output_attentions=True)
        embedded = model(inputs_embeds=model.get_input_embeddings()(ids))
        moved = model(input_ids=ids, position_ids=torch.arange(6).flip(0)[None])
        loss, logits = model(input_ids=ids, labels=torch.tensor([0, 1]), return_dict=False, num_items_in_batch=2)
    assert [state.shape for state in plain.hidden_states] == [(2, 6, 32)] * 3 and len(plain.attentions) == 2
    assert torch.equal(embedded.logits, plain.logits) and torch.equal(logits, plain.logits)
    assert not torch.equal(moved.logits, plain.logits)
    assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1])).item())


@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_a_pooled_head_runs_in_half_precision(pooling, tmp_path):
    model = pooled("bert", pooling, tmp_path).to(torch.bfloat16)
    assert model(input_ids=torch.randint(5, 60, (2, 6))).logits.dtype == torch.bfloat16


def test_the_first_token_of_a_decoder_is_no_summary(command, nothing_slow, tmp_path):
    zoo.save_pretrained("gpt2", tmp_path / "model")
    with pytest.raises(UsageError, match="--pooling cls: in GPT2Model a token sees those before it only.*mean or max"):
        main(command(model_name_or_path=tmp_path / "model", pooling="cls"))


def test_an_encoder_without_its_weights_is_refused_under_a_pooled_head_too(command, tiny_model, nothing_slow, tmp_path):
    shutil.copytree(tiny_model, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 2}))
    with pytest.raises(UsageError, match="16 of .* tensors, all of the encoder, are not in the weights file"):
        main(command(model_name_or_path=tmp_path / "model", pooling="mean"))


def test_what_is_new_in_a_pooled_model_is_said(command, capsys):
    main(command(pooling="mean", dry_run=True))
    assert "tiny-bert: 21 of 23 tensors loaded; new: classifier.bias, classifier.weight" in capsys.readouterr().out


def test_a_new_pooled_head_on_a_regressor_starts_small(command, tmp_path):
    """The old head was in the units of its labels; the new one is not, and is left as it was drawn."""
    rows = [{"text": "good film " * (i % 7 + 1), "label": 1000 + i / 2} for i in range(40)]
    train = {"train_file": write_csv(tmp_path / "n.csv", rows), "validation_file": None, "test_file": None}
    main(command(**train))
    start = {"model_name_or_path": tmp_path / "out", "output_dir": tmp_path / "more"}
    result = main(command(**train, **start, pooling="mean", dry_run=True))
    assert result["dry_run_loss"] < 3  # of standardised numbers; -mean / deviation in the bias would make it thousands
