"""Vectors of the pretrained encoder, before any training: how it pools, what it reads, and which models have none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import zoo
from corpus import GOOD, make_rows
from helpers import make_bert, make_tokenizer
from safetensors.numpy import save_file
from transformers import AutoModel, AutoTokenizer, BartConfig, BartModel

from classification.cli.parser import parse_arguments
from classification.errors import UsageError
from classification.experiments.frozen_encoder import load_frozen_encoder

TEXTS = [row["text"] for row in make_rows(9, 4)] + [GOOD[0], " ".join(GOOD)]


@pytest.fixture
def load(tiny_model, shared_files, tmp_path):
    """A function that loads the frozen encoder of a command line."""

    def frozen(folder=tiny_model, **flags):
        flags = {"model_name_or_path": folder, **shared_files, "output_dir": tmp_path / "out", "precision": "fp32",
                 "disable_tqdm": "true"} | flags  # fmt: skip
        return load_frozen_encoder(parse_arguments([f"--{name}={value}" for name, value in flags.items()]))

    return frozen


def states_of(folder, text: str) -> torch.Tensor:
    """Hidden states of one text, [T, H], by the library alone."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]


def test_a_vector_is_the_mean_of_all_states_of_its_own_text(load, tiny_model):
    wanted = torch.stack([states_of(tiny_model, text).mean(dim=0) for text in TEXTS]).numpy()
    vectors = load().embed(TEXTS)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)


def sentence_folder(tiny_model, tmp_path, pooling: str, *, scales: bool) -> str:
    """The tiny model in a folder as sentence-transformers writes it."""
    folder = shutil.copytree(tiny_model, tmp_path / "sentence")
    kinds = ["Transformer", "Pooling", *(["Normalize"] if scales else [])]
    modules = [{"path": f"{i}_{kind}" if i else "", "type": f"sentence_transformers.models.{kind}"}
               for i, kind in enumerate(kinds)]  # fmt: skip
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    return str(folder)


@pytest.mark.parametrize("scales", [True, False])
def test_the_pooling_and_the_length_are_those_of_the_encoders_own_training(load, tiny_model, tmp_path, scales):
    vectors = load(sentence_folder(tiny_model, tmp_path, "cls", scales=scales)).embed(TEXTS)
    wanted = torch.stack([states_of(tiny_model, text)[0] for text in TEXTS]).numpy()
    wanted = wanted / np.linalg.norm(wanted, axis=1, keepdims=True) if scales else wanted
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)


def test_a_pooling_that_is_not_offered_becomes_the_mean(load, tiny_model, tmp_path):
    assert load(sentence_folder(tiny_model, tmp_path, "weightedmean", scales=False)).pooling == "mean"


def test_long_texts_are_cut_as_in_training(load):
    long = " ".join(GOOD * 20)
    head, tail = (load(max_seq_length=16, truncation_strategy=name).embed([long]) for name in ("head", "tail"))
    words = long.split()
    np.testing.assert_allclose(head, load().embed([" ".join(words[:14])]), atol=1e-5)
    np.testing.assert_allclose(tail, load().embed([" ".join(words[-14:])]), atol=1e-5)


def test_a_document_in_windows_is_the_mean_of_its_windows(load):
    words = (GOOD * 20)[:28]
    flags = {"max_seq_length": 16, "truncation_strategy": "window", "window_stride": 14}
    texts = [" ".join(words), GOOD[0]]
    halves = load().embed([" ".join(words[:14]), " ".join(words[14:])])
    vectors = load(**flags).embed(texts)
    np.testing.assert_allclose(vectors[0], halves.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(vectors[1:], load().embed(texts[1:]), atol=1e-5)


@pytest.mark.parametrize("name", zoo.ARCHITECTURES)
def test_every_architecture_gives_a_text_the_same_vector_alone_and_in_a_batch(load, name, tmp_path):
    zoo.save_pretrained(name, tmp_path / name)
    encoder = load(tmp_path / name)
    together = encoder.embed(TEXTS)
    alone = np.concatenate([encoder.embed([text]) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=2e-4)
    assert np.isfinite(together).all() and together.std(axis=0).max() > 1e-3
    assert encoder.mean_of_tokens(TEXTS).std(axis=0).max() > 1e-3 and encoder.encoder_bytes > encoder.static_bytes > 0


def test_of_an_encoder_with_a_decoder_the_encoder_is_used(load, tmp_path):
    tokenizer = make_tokenizer(bos_token="<s>", eos_token="</s>")
    settings = {name: tokenizer.convert_tokens_to_ids(f"<{end}>") for name, end in
                (("bos_token_id", "s"), ("eos_token_id", "/s"), ("decoder_start_token_id", "/s"))}  # fmt: skip
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers"), 1) | dict.fromkeys(
        ("encoder_ffn_dim", "decoder_ffn_dim", "d_model"), 16
    )
    heads = dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    model = BartModel(BartConfig(vocab_size=len(tokenizer), pad_token_id=0, **settings, **sizes, **heads)).eval()
    model.save_pretrained(tmp_path / "bart")
    tokenizer.save_pretrained(tmp_path / "bart")
    inputs = {name: value for name, value in tokenizer(TEXTS[0], return_tensors="pt").items() if "type" not in name}
    wanted = model.encoder(**inputs).last_hidden_state.mean(dim=1).detach().numpy()
    np.testing.assert_allclose(load(tmp_path / "bart").embed(TEXTS)[:1], wanted, atol=1e-5)


def test_a_trained_classifier_gives_its_encoder_and_an_adapter_its_base(load, tiny_model, tmp_path):
    make_bert().save_pretrained(tmp_path / "classifier")
    make_tokenizer().save_pretrained(tmp_path / "classifier")
    np.testing.assert_allclose(load(tmp_path / "classifier").embed(TEXTS), load().embed(TEXTS), atol=1e-6)
    (tmp_path / "adapter").mkdir()
    config = {"base_model_name_or_path": tiny_model, "peft_type": "LORA", "task_type": "SEQ_CLS"}
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps(config))
    save_file({"base_model.model.classifier.bias": np.zeros(2)}, tmp_path / "adapter" / "adapter_model.safetensors")
    np.testing.assert_array_equal(load(tmp_path / "adapter").embed(TEXTS), load().embed(TEXTS))


def test_a_model_from_random_weights_has_no_vectors(load):
    with pytest.raises(UsageError, match="no pretrained encoder"):
        load("bilstm")


def test_batches_that_do_not_fit_into_memory_are_halved_with_the_same_vectors(load, monkeypatch):
    encoder = load()
    wanted, forward = encoder.embed(TEXTS), type(encoder.model).forward
    sizes = []

    def limited(self, input_ids=None, **inputs):
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        sizes.append(len(input_ids))
        return forward(self, input_ids=input_ids, **inputs)

    monkeypatch.setattr(type(encoder.model), "forward", limited)
    np.testing.assert_allclose(encoder.embed(TEXTS), wanted, atol=1e-5)
    assert max(sizes) <= 2 and sum(sizes) == len(TEXTS)
    monkeypatch.setattr(type(encoder.model), "forward", lambda self, **inputs: limited(self, torch.zeros(3)))
    with pytest.raises(torch.OutOfMemoryError):
        encoder.embed(TEXTS[:1])


def test_static_vectors_are_means_over_the_words_of_the_whole_text(load, tiny_model):
    encoder = load(max_seq_length=8)
    table = AutoModel.from_pretrained(tiny_model).get_input_embeddings().weight.detach().numpy()
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    long = " ".join(GOOD * 30)
    texts = [long, f"{GOOD[0]} [SEP] {GOOD[1]} {GOOD[1]}", ""]
    vectors = encoder.mean_of_tokens(texts)
    np.testing.assert_allclose(vectors[0], table[tokenizer.convert_tokens_to_ids(GOOD)].mean(axis=0), atol=1e-6)
    one, other = table[tokenizer.convert_tokens_to_ids(GOOD[:2])]
    np.testing.assert_allclose(vectors[1], (one + 2 * other) / 3, atol=1e-6)
    assert not vectors[2].any() and vectors.dtype == np.float32


def test_nothing_is_written_into_the_folder_of_the_model(load, tiny_model):
    before = {path.name: path.stat().st_mtime_ns for path in Path(tiny_model).iterdir()}
    load().embed(TEXTS)
    assert {path.name: path.stat().st_mtime_ns for path in Path(tiny_model).iterdir()} == before
