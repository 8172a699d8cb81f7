"""Dropout with faster random bits drops the right share, independently, and follows the seed."""

from __future__ import annotations

import pytest
import torch
from helpers import make_bert
from torch import nn
from torch.utils.checkpoint import checkpoint

from classification.models.kernels.cpu_dropout import FastDropout, replace_dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9, 1e-6])
def test_the_share_that_is_dropped_is_p_and_the_mean_is_kept(p):
    """In 4 million elements, within five standard errors. Kept elements have one scale, that of the rounded share."""
    torch.manual_seed(0)
    mask = FastDropout(p).train()(torch.ones(2000, 2000, dtype=torch.float64))
    share = int(p * 65536) / 65536
    assert mask.unique().tolist() == pytest.approx(sorted({0.0, 1 / (1 - share)} if share else {1.0}))
    error = 5 * (share * (1 - share) / mask.numel()) ** 0.5
    assert (mask == 0).double().mean().item() == pytest.approx(share, abs=error) and abs(share - p) < 2e-5
    assert mask.mean().item() == pytest.approx(1, abs=error / (1 - share))


def test_neighbours_are_dropped_independently():
    """Pairs in one 64-bit number, in two rows and in two masks: a joint drop has probability p * p."""
    torch.manual_seed(1)
    layer = FastDropout(0.3).train()
    first, second = (layer(torch.ones(1000, 4000)) == 0 for _ in range(2))
    pairs = [(first[:, lag:], first[:, :-lag]) for lag in (1, 2, 3, 4, 64)]
    pairs += [(first[1:], first[:-1]), (first, second)]
    for left, right in pairs:
        assert (left & right).double().mean().item() == pytest.approx(0.3 * int(0.3 * 65536) / 65536, abs=1e-3)


@pytest.mark.parametrize("shape", [(3,), (2, 5), (1,), (0, 4), (4, 7, 9)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_any_shape_keeps_shape_and_number_format(shape, dtype):
    hidden = torch.ones(shape, dtype=dtype)
    dropped = FastDropout(0.5).train()(hidden)
    assert dropped.shape == hidden.shape and dropped.dtype == dtype


def test_masks_follow_the_seed_and_the_gradient_the_mask():
    layer, hidden = FastDropout(0.5).train(), torch.ones(100, requires_grad=True)
    runs = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        runs.append([layer(hidden), layer(hidden)])
    assert torch.equal(runs[0][0], runs[1][0]) and torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[0][1]) and not torch.equal(runs[0][0], runs[2][0])
    runs[0][0].sum().backward()
    assert torch.equal(hidden.grad, runs[0][0])
    assert layer.eval()(hidden) is hidden


def test_recomputed_activations_have_the_same_mask():
    layer = nn.Sequential(nn.Linear(8, 8), FastDropout(0.5), nn.Linear(8, 8)).train()
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
    replace_dropout(model)
    left = [module for module in model.modules() if isinstance(module, nn.Dropout)]
    assert len(left) == 1 + 3 * 2 + 1 and all(type(module) is FastDropout for module in left)
    assert sorted({module.p for module in left}) == [0.1, 0.2] and set(model.state_dict()) == names
    assert torch.equal(model(tokens).logits, before)
    model.train()
    assert not torch.equal(model(tokens).logits, model(tokens).logits)


def test_a_dropout_with_two_parents_stays_one():
    model = nn.Module()
    model.first = model.second = nn.Dropout(0.2)
    assert replace_dropout(model) == {0.2}
    assert type(model.first) is FastDropout and model.first is model.second
