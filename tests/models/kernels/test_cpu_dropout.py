"""Dropout: cheap random bits drop what torch's would, from the same seeds; attention's is set by any model's name."""

from __future__ import annotations

import json

import pytest
import torch
import transformers
import zoo
from conftest import make_bert
from torch import nn
from torch.utils.checkpoint import checkpoint

from classification.models.kernels.cpu_dropout import CheapDropout, cheapen_dropout
from run_classification import main


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9, 1e-6])
def test_the_share_that_is_dropped_is_p_and_the_mean_is_kept(p):
    """In 4 million elements, to five standard errors; what is kept has one scale, that of a share in 65,536ths."""
    torch.manual_seed(0)
    mask = CheapDropout(p).train()(torch.ones(2000, 2000, dtype=torch.float64))
    share = int(p * 65536) / 65536
    assert mask.unique().tolist() == pytest.approx(sorted({0.0, 1 / (1 - share)} if share else {1.0}))
    error = 5 * (share * (1 - share) / mask.numel()) ** 0.5
    assert (mask == 0).double().mean().item() == pytest.approx(share, abs=error) and abs(share - p) < 2e-5
    assert mask.mean().item() == pytest.approx(1, abs=error / (1 - share))


def test_neighbours_are_dropped_independently():
    """16-bit pieces of one 64-bit number, rows, and one mask after the other: joint drops are p * p."""
    torch.manual_seed(1)
    layer = CheapDropout(0.3).train()
    first, second = (layer(torch.ones(1000, 4000)) == 0 for _ in range(2))
    pairs = [(first[:, lag:], first[:, :-lag]) for lag in (1, 2, 3, 4, 64)]
    pairs += [(first[1:], first[:-1]), (first, second)]
    for left, right in pairs:
        assert (left & right).double().mean().item() == pytest.approx(0.3 * int(0.3 * 65536) / 65536, abs=1e-3)


@pytest.mark.parametrize("shape", [(3,), (2, 5), (1,), (0, 4), (4, 7, 9)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_shape_keeps_shape_and_number_format(shape, dtype):
    hidden = torch.ones(shape, dtype=dtype)
    dropped = CheapDropout(0.5).train()(hidden)
    assert dropped.shape == hidden.shape and dropped.dtype == dtype


def test_masks_follow_the_seed_and_the_gradient_the_mask():
    layer, hidden = CheapDropout(0.5).train(), torch.ones(100, requires_grad=True)
    runs = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        runs.append([layer(hidden), layer(hidden)])
    assert torch.equal(runs[0][0], runs[1][0]) and torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[0][1]) and not torch.equal(runs[0][0], runs[2][0])
    runs[0][0].sum().backward()
    assert torch.equal(hidden.grad, runs[0][0])
    assert layer.eval()(hidden) is hidden


def test_activations_computed_again_see_the_same_mask():
    layer = nn.Sequential(nn.Linear(8, 8), CheapDropout(0.5), nn.Linear(8, 8)).train()
    gradients = []
    for again in (False, True):
        torch.manual_seed(5)
        layer.zero_grad()
        states = torch.ones(4, 8)
        (checkpoint(layer, states, use_reentrant=False) if again else layer(states)).sum().backward()
        gradients.append(layer[0].weight.grad.clone())
    assert torch.equal(*gradients) and gradients[0].abs().sum() > 0


def test_every_dropout_of_a_model_is_replaced_and_nothing_else_changes():
    model = make_bert(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.2, num_hidden_layers=2)
    names, tokens = set(model.state_dict()), torch.tensor([[2, 5, 6, 3]])
    before = model.eval()(tokens).logits
    cheapen_dropout(model)
    left = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert len(left) == 1 + 3 * 2 + 1 and all(type(module) is CheapDropout for module in left)
    assert sorted({module.p for module in left}) == [0.1, 0.2] and set(model.state_dict()) == names
    assert torch.equal(model(tokens).logits, before)
    model.train()
    assert not torch.equal(model(tokens).logits, model(tokens).logits)


def test_a_dropout_in_two_places_stays_one():
    model = nn.Module()
    model.first = model.second = nn.Dropout(0.2)
    assert cheapen_dropout(model) == {0.2}
    assert type(model.first) is CheapDropout and model.first is model.second


def test_a_run_says_which_dropout_it_trains_with(command, tiny_model, tmp_path, capsys):
    make_bert(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.2).bert.save_pretrained(tmp_path / "model")
    transformers.AutoTokenizer.from_pretrained(tiny_model).save_pretrained(tmp_path / "model")
    same = {"model_name_or_path": tmp_path / "model", "dry_run": True}
    main(command(**same))
    assert "dropout      0.1 and 0.2 in its layers, by random bits from SFC64" in capsys.readouterr().out
    main(command(**same, attention_dropout=0))
    assert "dropout      0 of the attention weights, not the model's own 0.2; 0.1 in its" in capsys.readouterr().out
    main(command(model_name_or_path=tiny_model, dry_run=True))
    assert "dropout  " not in capsys.readouterr().out  # it has none, and none is changed


# -------------------------------------------------------------------------------------------------- attention dropout


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "gpt2", "llama", "modernbert", "deberta-v2"])
def test_attention_dropout_is_set_by_whatever_name_a_model_has_for_it(architecture, command, tmp_path, capsys):
    zoo.save_pretrained(architecture, tmp_path / "model")
    main(command(model_name_or_path=tmp_path / "model", attention_dropout=0.25, max_seq_length=24))
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert 0.25 in [config.get(name) for name in ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")]
    assert "0.25 of the attention weights, not the model's own" in capsys.readouterr().out
