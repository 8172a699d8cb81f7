"""Layer norms in bf16: close to the exact ones, only inside the layers, and unchanged without autocast."""

from __future__ import annotations

import pytest
import torch
import transformers
import zoo
from helpers import make_bert
from torch import nn

from classification.models.kernels.bf16_norms import HalfLayerNorm, keep_norms_in_bf16


@pytest.mark.parametrize("affine", [True, False])
def test_a_norm_in_bf16_is_exact_to_rounding(affine):
    torch.manual_seed(0)
    norm = HalfLayerNorm(64, elementwise_affine=affine)
    if affine:
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    hidden, upstream = 30 + 5 * torch.randn(40, 64), torch.randn(40, 64)
    outcomes = []
    for half in (True, False):
        given = hidden.bfloat16().float().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            out = norm(given)
        assert out.dtype == (torch.bfloat16 if half else torch.float32)
        gradients = torch.autograd.grad((out.float() * upstream).sum(), [given, *norm.parameters()])
        outcomes.append([out.detach().float(), *gradients])
    for ours, exact in zip(*outcomes, strict=True):
        assert 0 < (ours - exact).norm() / exact.norm() < 2**-6  # bf16 rounds to 2**-9


def test_without_bf16_autocast_it_is_the_library_norm():
    plain, half, hidden = nn.LayerNorm(8), HalfLayerNorm(8), torch.randn(3, 8)
    assert torch.equal(plain(hidden), half(hidden))
    with torch.autocast("cpu", torch.float16):
        assert torch.equal(plain(hidden), half(hidden))


def test_only_norms_inside_the_layers_are_replaced():
    model = make_bert(num_hidden_layers=2)
    names, logits = set(model.state_dict()), model.eval()(torch.tensor([[2, 5, 6, 3]])).logits
    assert keep_norms_in_bf16(model) == 4 and keep_norms_in_bf16(model) == 0
    assert type(model.bert.embeddings.LayerNorm) is nn.LayerNorm
    assert set(model.state_dict()) == names
    assert torch.equal(model(torch.tensor([[2, 5, 6, 3]])).logits, logits)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_architecture_keeps_its_logits(architecture):
    """The error is at most a few times that of bf16 with the library's norms."""
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        zoo.saved(architecture), dtype=torch.float32, pad_token_id=0
    ).eval()
    ids = torch.randint(5, 20, (8, 12))
    exact = model(ids).logits
    errors = []
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            errors.append((model(ids).logits.float() - exact).norm() / exact.norm())
        keep_norms_in_bf16(model)
    assert errors[1] < 4 * errors[0] + 1e-3
