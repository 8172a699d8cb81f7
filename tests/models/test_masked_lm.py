"""An encoder under a head that predicts masked tokens: kept, new and tied, or refused by name."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import zoo
from helpers import assert_refused
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForMaskedLM

from classification.models.choice import ModelChoice
from classification.models.masked_lm import StatesAt, check_can_predict, is_tied, load_masked_lm, start_at_frequencies

ENCODERS = [name for name in zoo.ARCHITECTURES if name not in ("gpt2", "llama", "qwen2")]


def load(folder):
    return load_masked_lm(ModelChoice(str(folder)), AutoConfig.from_pretrained(folder), None)


def lines(loaded) -> dict[str, str]:
    return {line.topic: line.text for line in loaded.lines}


@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_without_a_head_gets_one_tied_to_its_embeddings_and_keeps_every_tensor(name, tmp_path):
    loaded = load(zoo.saved(name))
    assert loaded.has_new_head and is_tied(loaded.model) and "tied" in lines(loaded)["head"]
    loaded.model.save_pretrained(tmp_path)
    before, after = load_file(zoo.saved(name) / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    prefix = loaded.model.base_model_prefix + "."
    for tensor, values in before.items():
        assert torch.equal(values.float(), after[prefix + tensor]), tensor


@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen2"])
def test_a_decoder_is_refused_by_name(name):
    assert_refused(
        ("--model_name_or_path", name, "predicts no masked tokens", "Name an encoder"), load, zoo.saved(name)
    )


def test_a_model_with_a_decoder_an_lstm_and_an_adapter_are_refused(tmp_path):
    bart = AutoConfig.for_model("bart")
    assert_refused(("a model with a decoder (bart)", "Name an encoder"), check_can_predict, ModelChoice("b"), bart)
    scratch = ModelChoice("bilstm", from_scratch=True)
    assert_refused(("LSTM", "Name an encoder"), check_can_predict, scratch, bart)
    (tmp_path / "adapter_config.json").write_text("{}")
    assert_refused(("adapter", "base_model_name_or_path"), check_can_predict, ModelChoice(str(tmp_path)), bart)


def test_a_model_keeps_its_own_head(tmp_path):
    torch.manual_seed(3)
    model = AutoModelForMaskedLM.from_pretrained(zoo.saved("bert"))
    with torch.no_grad():
        model.cls.predictions.bias.normal_()
    model.save_pretrained(tmp_path)
    loaded = load(tmp_path)
    assert not loaded.has_new_head and "that of the file" in lines(loaded)["head"]
    assert torch.equal(loaded.model.cls.predictions.bias, model.cls.predictions.bias)
    assert torch.equal(
        loaded.model.cls.predictions.transform.dense.weight, model.cls.predictions.transform.dense.weight
    )


def test_a_new_head_is_tied_also_where_the_config_unties_it(tmp_path):
    zoo.save_pretrained("bert", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": False}))
    loaded = load(tmp_path)
    assert is_tied(loaded.model) and loaded.model.config.tie_word_embeddings


def test_the_poolers_weights_are_kept_and_do_not_train():
    loaded = load(zoo.saved("bert"))
    pooler = loaded.model.base_model.pooler
    assert "pooler" in lines(loaded)["kept"] and not any(each.requires_grad for each in pooler.parameters())
    saved = load_file(zoo.saved("bert") / "model.safetensors")
    assert torch.equal(pooler.dense.weight, saved["pooler.dense.weight"])


def test_a_pooler_that_the_file_does_not_have_is_not_made_up(tmp_path):
    zoo.save_pretrained("bert", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors = {name: values for name, values in tensors.items() if "pooler" not in name}
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded = load(tmp_path)
    assert loaded.model.base_model.pooler is None and "kept" not in lines(loaded)


def test_a_discriminator_is_named(tmp_path):
    zoo.save_pretrained("electra", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["ElectraForPreTraining"]}))
    assert "discriminator" in lines(load(tmp_path))["head"]


def test_a_new_head_begins_at_the_frequencies_of_the_tokens():
    model = load(zoo.saved("bert")).model
    counts = np.zeros(model.config.vocab_size, dtype=np.int64)
    counts[7], counts[9] = 99, 9
    assert start_at_frequencies(model, counts)
    bias = model.get_output_embeddings().bias
    assert bias is model.cls.predictions.bias  # one tensor, as in the library
    assert (bias[7] - bias[9]).exp().item() == pytest.approx(10)
    assert (bias[9] - bias[11]).exp().item() == pytest.approx(10)


def test_the_square_layer_of_a_new_head_begins_as_the_identity():
    weight = load(zoo.saved("bert")).model.cls.predictions.transform.dense.weight
    assert torch.equal(weight, torch.eye(len(weight)))


@pytest.mark.parametrize("name", ENCODERS)
def test_the_head_gives_the_same_logits_for_some_positions_as_for_all(name):
    model = load(zoo.saved(name)).model.eval()
    ids = torch.randint(5, 60, (3, 12), generator=torch.Generator().manual_seed(0))
    positions = torch.tensor([[1, 4, 0], [2, 3, 11], [9, 0, 0]])
    with torch.no_grad():
        whole = model(input_ids=ids).logits
        with StatesAt(model) as states:
            states.positions = positions
            some = model(input_ids=ids).logits
        again = model(input_ids=ids).logits
    expected = whole.gather(1, positions[..., None].expand(-1, -1, whole.shape[-1]))
    assert torch.allclose(some, expected, atol=1e-5) and torch.equal(again, whole)
