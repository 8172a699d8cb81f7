"""The loss of a batch is the sum of the losses of its micro-batches, for every task and every form of the objective."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from classification.data.tasks import infer_task
from classification.training.class_weights import class_weights
from classification.training.objective import Objective

CASES = {
    "one label": ({}, ["a"] * 6 + ["b"] * 2 + ["c"] * 3),
    "one label, smoothed": ({"label_smoothing": 0.1}, ["a"] * 6 + ["b"] * 2 + ["c"] * 3),
    "one label, balanced": ({"weights": "balanced"}, ["a"] * 6 + ["b"] * 2 + ["c"] * 3),
    "one label, effective and focal": ({"weights": "effective", "focal_gamma": 2.0}, ["a"] * 6 + ["b"] * 5),
    "several labels": ({}, [["a"], [], ["a", "b"], ["b"]] * 3),
    "several labels, smoothed": ({"label_smoothing": 0.1}, [["a"], [], ["a", "b"], ["b"]] * 3),
    "several labels, balanced and focal": ({"weights": "balanced", "focal_gamma": 2.0}, [["a"], [], ["a", "b"]] * 4),
    "a number": ({}, [1.5, 2.5, 4.0, 8.5, 0.25, 3.0, 7.0]),
}


@pytest.mark.parametrize("sizes", [2, 4], ids=lambda size: f"micro-batches of {size}")
@pytest.mark.parametrize("case", CASES)
def test_a_batch_is_the_sum_of_its_micro_batches(case, sizes):
    """In loss and gradient, also where the last micro-batch is smaller."""
    options, values = CASES[case]
    task = infer_task(values)
    ids = np.array([task.encode(value) for value in values])
    weights = class_weights(options["weights"], task, ids) if "weights" in options else None
    objective = Objective(task, **options | {"weights": weights})
    labels, items = torch.tensor(ids), torch.tensor(ids.size)
    logits = torch.randn(len(ids), task.num_labels, generator=torch.Generator().manual_seed(0))
    logits.requires_grad_()
    whole = objective(SimpleNamespace(logits=logits), labels, items)
    parts = sum(
        objective(SimpleNamespace(logits=part), part_labels, items)
        for part, part_labels in zip(logits.split(sizes), labels.split(sizes), strict=True)
    )
    assert parts.item() == pytest.approx(whole.item(), rel=1e-6)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (whole, parts)]
    assert torch.allclose(*gradients, rtol=1e-5, atol=1e-8) and gradients[0].abs().sum() > 0
