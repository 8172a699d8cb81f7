"""A faster class is only lent to a layer: the model pickles, copies, and is plain again afterwards."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from helpers import make_bert
from torch import nn

from classification.models.kernels.bf16_norms import HalfLayerNorm, keep_norms_in_bf16
from classification.models.kernels.cpu_dropout import FastDropout, replace_dropout
from classification.models.kernels.replaced_layers import replace_class, replaced_layers, restore_class

FASTER = (FastDropout, HalfLayerNorm)


@pytest.fixture
def model():
    model = make_bert(hidden_dropout_prob=0.1)
    replace_dropout(model)
    keep_norms_in_bf16(model)
    return model


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_with_lent_classes_can_be_copied(model, copied):
    other, tokens = copied(model), torch.tensor([[2, 5, 6, 3]])
    assert sum(isinstance(layer, FASTER) for layer in other.modules()) == 6
    assert torch.equal(other.eval()(tokens).logits, model.eval()(tokens).logits)


def test_every_layer_gets_its_own_class_back(model):
    tokens = torch.tensor([[2, 5, 6, 3]])
    before, names = model.eval()(tokens).logits, [name for name, _ in model.named_modules()]
    own = {layer for layer in model.modules() if isinstance(layer, FASTER)}
    assert own <= replaced_layers()
    for layer in own:
        restore_class(layer)
    assert {type(layer) for layer in own} == {nn.Dropout, nn.LayerNorm} and not own & replaced_layers()
    assert [name for name, _ in model.named_modules()] == names
    assert torch.equal(model(tokens).logits, before)


def test_models_are_not_kept_in_memory():
    layer = nn.Dropout(0.5)
    replace_class(layer, FastDropout)
    count = len(replaced_layers())
    del layer
    assert len(replaced_layers()) == count - 1
