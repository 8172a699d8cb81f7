"""Heads on the first token, the mean or the maximum leave padding out and behave like the encoder's own class."""

from __future__ import annotations

import pytest
import torch
import transformers
import zoo

from classification.models.pooled_head import PooledConfig, PooledForSequenceClassification, pool


def test_padding_is_left_out_of_pooling():
    states = torch.tensor([[[1.0, -5.0], [3.0, -1.0], [100.0, 100.0]], [[100.0, 100.0], [2.0, 4.0], [6.0, 0.0]]])
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert pool(states, mask, "mean").tolist() == [[2, -3], [4, 2]]
    assert pool(states, mask, "max").tolist() == [[3, -1], [6, 4]]
    assert pool(states, mask, "cls").tolist() == [[1, -5], [2, 4]]


def pooled(architecture: str, pooling: str) -> PooledForSequenceClassification:
    config = transformers.AutoConfig.from_pretrained(zoo.saved(architecture))
    torch.manual_seed(0)
    return PooledForSequenceClassification(PooledConfig(config, pooling)).eval()


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_padding_on_either_side_gives_the_same_logits(pooling):
    """The positions of a Llama are rotary: only their differences count."""
    model = pooled("llama", pooling)
    ids = torch.randint(5, 60, (2, 6))
    right, left = torch.zeros(2, 9, dtype=torch.long), torch.zeros(2, 9, dtype=torch.long)
    right[:, :6], left[:, 3:] = ids, ids
    with torch.no_grad():
        alone = model(input_ids=ids).logits
        for padded in (right, left):
            assert torch.allclose(model(input_ids=padded, attention_mask=(padded > 0).long()).logits, alone, atol=1e-5)
    assert (alone[0] - alone[1]).abs().max() > 1e-3


def test_a_pooled_head_passes_on_the_arguments_and_outputs_of_its_encoder():
    model = pooled("bert", "mean")
    ids = torch.randint(5, 60, (2, 6))
    model.encoder.set_attn_implementation("eager")  # the only one that returns attentions
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
def test_a_pooled_head_runs_in_half_precision(pooling):
    model = pooled("bert", pooling).to(torch.bfloat16)
    assert model(input_ids=torch.randint(5, 60, (2, 6))).logits.dtype == torch.bfloat16


def test_the_pooled_encoder_is_the_pretrained_one(tiny_model):
    pretrained = transformers.AutoModel.from_pretrained(tiny_model).state_dict()
    weights = zoo.load(tiny_model, pooling="mean").model.state_dict()
    kept = {f"encoder.{name}": value for name, value in pretrained.items() if "pooler" not in name}
    assert set(weights) == set(kept) | {"classifier.weight", "classifier.bias"}
    assert all(torch.equal(value, weights[name]) for name, value in kept.items())
