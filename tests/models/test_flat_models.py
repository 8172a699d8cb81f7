"""A flat encoder gives what the model gives, whatever the lengths of the texts."""

from __future__ import annotations

import pytest
import torch
import zoo

from classification.models.flat_models import READS_FIRST_TOKEN, why_not_flat, with_flat_encoder
from classification.models.kernels.flat_encoder import groups_of
from classification.models.kernels.int8_linear import Int8Linear, quantise

FLAT = ("bert", "roberta", "xlm-roberta", "electra", "mpnet", "distilbert")
TEXTS = ["a good film with a long and wonderful end", "a bad film", "a bad book", "good", "", "bad " * 80]


def in_descending_length(loaded, texts=TEXTS, more=None):
    rows = loaded.tokenizer(texts, more, truncation=True)
    order = sorted(range(len(texts)), key=lambda i: -len(rows["input_ids"][i]))
    ordered = {name: [values[i] for i in order] for name, values in rows.items()}
    return loaded.tokenizer.pad(ordered, return_tensors="pt"), [len(ids) for ids in ordered["input_ids"]]


def largest_difference(loaded, dtype=torch.float32, more=None, **flat):
    model = loaded.model.eval()
    batch, lengths = in_descending_length(loaded, more=more)
    other, encoder = with_flat_encoder(model, dtype, **flat)
    encoder.lengths = lengths
    with torch.no_grad():
        return (model(**batch).logits - other(**batch).logits).abs().max().item()


@pytest.mark.parametrize("name", FLAT)
def test_the_logits_are_those_of_the_model(name):
    loaded = zoo.load(zoo.saved(name))
    assert why_not_flat(loaded.model) == "" and type(loaded.model).__name__ in READS_FIRST_TOKEN
    assert largest_difference(loaded) < 1e-5
    assert 0 < largest_difference(loaded, torch.bfloat16) < 0.1


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_a_head_that_reads_all_tokens_gets_all_of_them(pooling):
    loaded = zoo.load(zoo.saved("bert"), pooling=pooling)
    assert type(loaded.model).__name__ not in READS_FIRST_TOKEN
    assert largest_difference(loaded) < 1e-5


def test_segments_of_pairs_are_read():
    loaded = zoo.load(zoo.saved("bert"), pairs=True)
    assert largest_difference(loaded, more=["film", "a good book", "x", "bad", "good", "bad"]) < 1e-5


@pytest.mark.parametrize(("changes", "why"), [
    ({"hidden_act": "relu"}, "its activation is relu"),
    ({"is_decoder": True}, "it is a decoder"),
])  # fmt: skip
def test_what_is_not_known_is_not_flat(changes, why):
    model = zoo.load(zoo.saved("bert")).model
    for name, value in changes.items():
        setattr(model.config, name, value)
    assert why_not_flat(model) == why


@pytest.mark.parametrize("name", ["albert", "deberta-v2", "modernbert", "gpt2"])
def test_other_encoders_are_not_flat(name):
    assert "has no flat encoder" in why_not_flat(zoo.load(zoo.saved(name)).model)


def test_the_model_itself_stays_as_it_is():
    loaded = zoo.load(zoo.saved("bert"))
    before = {name: tensor.clone() for name, tensor in loaded.model.state_dict().items()}
    batch, _ = in_descending_length(loaded)
    expected = loaded.model.eval()(**batch).logits
    with_flat_encoder(loaded.model, torch.bfloat16)
    assert torch.equal(loaded.model(**batch).logits, expected)
    assert all(torch.equal(before[name], tensor) for name, tensor in loaded.model.state_dict().items())


def test_groups_cover_every_token_once():
    groups = groups_of([5, 5, 5, 3, 1, 1])
    assert [group.length for group in groups] == [5, 3, 1]
    assert [i for group in groups for i in range(group.rows.start, group.rows.stop)] == list(range(20))


def test_int8_is_near_the_model():
    assert 0 < largest_difference(zoo.load(zoo.saved("bert")), torch.bfloat16, pack=Int8Linear.pack) < 0.5


@pytest.mark.parametrize("values", [[-3.0, 0.0, 5.0], [2.0, 4.0, 4.0], [-1.0, -2.0, -4.0], [0.0, 0.0, 0.0]])
def test_zero_is_exact_in_int8_and_others_are_within_half_a_step(values):
    hidden = torch.tensor([values])
    rounded, step, zero = quantise(hidden)
    back = (rounded.float() - zero) * step
    assert (back - hidden).abs().max() <= step * 0.5001 and back[hidden == 0].abs().sum() == 0


def test_the_distances_of_mpnet_are_in_memory_once():
    _, encoder = with_flat_encoder(zoo.load(zoo.saved("mpnet")).model, torch.float32)
    short = encoder.bias(5)
    assert encoder.bias(60)[:, :5, :5].equal(short)
    assert {encoder.bias(length).untyped_storage().data_ptr() for length in (5, 30, 60)} == {
        encoder.bias(60).untyped_storage().data_ptr()
    }
