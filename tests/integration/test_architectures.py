"""Each architecture trains a few steps, is saved, is reloaded by the library alone, and predicts the same."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
import transformers
import zoo
from corpus import make_rows, write_csv
from helpers import assert_refused, make_tokenizer
from safetensors.torch import load_file

from run_classification import main

LANGUAGES = [
    {"id": "zh", "text": "电影 很好", "label": "positive"},
    {"id": "ar", "text": "كتاب سيئ", "label": "negative"},
    {"id": "long", "text": "the film was good and " * 20, "label": "positive"},
]


@pytest.fixture(scope="module")
def languages(tmp_path_factory) -> str:
    return write_csv(tmp_path_factory.mktemp("languages") / "test.csv", make_rows(9, 3) + LANGUAGES)


@pytest.fixture
def trained(finished, languages):
    """A function that trains an architecture for six steps, once for all tests of this file."""

    def train(architecture: str):
        flags = {"max_train_samples": 48, "max_seq_length": 24, "test_file": languages}
        return finished(model_name_or_path=zoo.saved(architecture), **flags)

    return train


def written(rows: list[dict]) -> np.ndarray:
    """The probabilities of predictions.csv, [B, 2]."""
    return np.array([[float(row["prob_negative"]), float(row["prob_positive"])] for row in rows])


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_it_trains_saves_and_reloads_to_equal_logits(architecture, trained, finished, languages):
    run = trained(architecture)
    rows, texts = run.predictions, [row["text"] for row in run.predictions]
    assert np.isfinite(run.results["train_loss"]) and written(rows).std() > 0.01
    assert np.allclose(zoo.probabilities(run.folder, texts), written(rows), atol=5e-6)
    classify = transformers.pipeline("text-classification", str(run.folder), truncation=True, top_k=None)
    for row, answers in zip(rows, classify(texts, batch_size=5), strict=True):
        for answer in answers:
            assert answer["score"] == pytest.approx(float(row[f"prob_{answer['label']}"]), abs=5e-6)
    again = {"train_file": None, "max_seq_length": None, "do_eval": True, "do_predict": True, "test_file": languages}
    used = finished(model_name_or_path=run.folder, **again)
    assert used.predictions == rows
    assert used.results["eval_loss"] == pytest.approx(run.results["eval_loss"], abs=1e-5)
    after = load_file(run.folder / "model.safetensors")
    assert {tensor.dtype for tensor in after.values()} == {torch.float32}


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_matrix_of_the_encoder_trains(architecture, trained):
    before = load_file(zoo.saved(architecture) / "model.safetensors")
    after = transformers.AutoModel.from_pretrained(trained(architecture).folder).state_dict()
    kept = [name for name in before if ".pooler." not in f".{name}" and torch.equal(before[name].float(), after[name])]
    assert not [name for name in kept if before[name].dim() > 1]


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_the_saved_tokenizer_and_config_agree(architecture, trained):
    """A pad token, padding on the right, segments where the model has them, the length of the training."""
    folder = trained(architecture).folder
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = transformers.AutoConfig.from_pretrained(folder)
    assert tokenizer.pad_token_id is not None and config.pad_token_id == tokenizer.pad_token_id
    assert tokenizer.padding_side == "right" and tokenizer.model_max_length == 24
    batch = tokenizer(["good", "bad film"], ["the", "a"], padding=True)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    assert set(batch) <= set(inspect.signature(model.forward).parameters)
    has_segments = getattr(config, "type_vocab_size", 0) > 1
    assert not has_segments or set(batch["token_type_ids"][0]) >= {0, 1}


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_decoder_reads_its_last_token_on_either_side(architecture, trained):
    """The saved model itself, with rotary positions: left padding gives the same logits to rounding."""
    run = trained(architecture)
    tokenizer = transformers.AutoTokenizer.from_pretrained(run.folder, padding_side="left")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(run.folder)
    batch = zoo.encode(tokenizer, [row["text"] for row in run.predictions])
    assert batch["attention_mask"][0, 0] == 0
    with torch.no_grad():
        assert np.allclose(model(**batch).logits.softmax(-1), written(run.predictions), atol=5e-6)


def test_a_dry_run_of_a_decoder(command):
    result = main(command(model_name_or_path=zoo.saved("qwen2"), dry_run=True))
    assert result["dry_run_loss"] == pytest.approx(result["dry_run_loss_explicit"])


def test_a_tokenizer_of_another_model_is_refused(command, tmp_path):
    """Its ids are beyond the model's vocabulary: the library would fail in the first step, or on a GPU anywhere."""
    make_tokenizer(words=[f"w{i}" for i in range(90)]).save_pretrained(tmp_path / "other")
    rows = [row | {"text": f"w{i} {row['text']} w{i + 40}"} for i, row in enumerate(make_rows(48))]
    flags = {"tokenizer_name": tmp_path / "other", "train_file": write_csv(tmp_path / "w.csv", rows)}
    assert_refused(["--tokenizer_name", "token ", "64 tokens"], main, command(**flags))
    assert not list((tmp_path / "out").glob("*"))
