"""Arithmetic is the model's: counted for every architecture, and per training step by what trains."""

from __future__ import annotations

import pytest
import torch
import transformers
import zoo
from helpers import make_bert

from classification.models.adapters import add_lora
from classification.models.freezing import frozen_names
from classification.training.flops import Flops, passes_of_training


def test_the_operations_of_bert_are_those_counted_by_hand():
    """Per token 2 for each weight of its layers; attention has 4 * width * T per layer."""
    model = make_bert(num_hidden_layers=2)
    flops = Flops(model, 64)
    layers = sum(weight.numel() for name, weight in model.named_parameters() if "layer." in name and weight.dim() == 2)
    assert flops.per_token == pytest.approx(2 * layers, rel=0.02)  # the head and its pooler count too
    assert flops.per_square == pytest.approx(2 * 4 * 32, rel=1e-6)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_arithmetic_grows_with_the_length(architecture, tmp_path):
    zoo.save_pretrained(architecture, tmp_path)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    flops = Flops(model, zoo.LENGTH)
    assert flops.per_token > 0 and flops.per_square > 0


@pytest.mark.parametrize(("freeze", "passes"), [(("encoder", 0), 1), (("embeddings", 0), 3), (("none", 1), 2)])
def test_a_step_costs_what_trains(freeze, passes):
    model = make_bert(num_hidden_layers=2)
    assert passes_of_training(model) == 3
    for name in frozen_names(model, *freeze):
        model.get_parameter(name).requires_grad_(False)
    assert passes_of_training(model) == passes


def test_a_step_of_adapters_costs_two_passes_and_a_little():
    assert 2 < passes_of_training(add_lora(make_bert(), 2)) < 2.5
