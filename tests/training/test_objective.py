"""What training minimises: weighted and focal losses, several labels per row and windows, against the formulas."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from helpers import make_bert

from classification.data.tasks import infer_task
from classification.data.windows import IGNORED, pool_windows
from classification.training.class_weights import class_weights
from classification.training.objective import Objective

THREE = infer_task(["a", "b", "c"])
SEVERAL = infer_task([["a"], ["b"], ["c"], []])
NUMBER = infer_task([1.5, 2.5])
IDS = np.array([0] * 70 + [1] * 25 + [2] * 5)
TRUTH = (np.random.default_rng(0).random((100, 3)) < [0.6, 0.3, 0.05]).astype(np.float32)
LABEL_IDS = {"one label": IDS, "several labels": TRUTH}
TASKS = {"one label": THREE, "several labels": SEVERAL}


def batch(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels of 40 rows."""
    torch.manual_seed(0)
    return torch.randn(40, 3, requires_grad=True), torch.tensor(LABEL_IDS[kind][50:90])


# ----------------------------------------------------------------------------------------- the objective with weights


@pytest.mark.parametrize("kind", TASKS)
def test_weights_of_one_are_no_weights(kind):
    task, (logits, labels) = TASKS[kind], batch(kind)
    ones = class_weights(dict.fromkeys(task.names, 1.0), task, LABEL_IDS[kind])
    weighted, plain = (Objective(task, weights=weights).total(logits, labels) for weights in (ones, None))
    assert weighted.item() == plain.item()


def test_the_weighted_sum_is_divided_by_rows():
    """torch divides by the sum of the batch's weights, so that the weight of a row depends on its batch."""
    logits, labels = batch("one label")
    weights = class_weights("balanced", THREE, IDS)
    ours = Objective(THREE, weights=weights)
    by_hand = sum(
        weights[y] * F.cross_entropy(row[None], y[None]).item() for row, y in zip(logits, labels, strict=True)
    )
    assert ours.total(logits, labels).item() == pytest.approx(by_hand, rel=1e-5)
    halves = sum(ours.total(logits[part], labels[part]).item() for part in (slice(0, 11), slice(11, 40)))
    assert halves == pytest.approx(by_hand, rel=1e-5)


def test_positive_weights_are_those_of_torch_up_to_scale():
    logits, labels = batch("several labels")
    weights = class_weights({"b": 5.0}, SEVERAL, TRUTH)
    losses = F.binary_cross_entropy_with_logits(
        logits, labels, pos_weight=torch.tensor(weights[:, 1] / weights[:, 0]), reduction="none"
    )
    expected = (losses * torch.tensor(weights[:, 0])).sum() / 3
    assert Objective(SEVERAL, weights=weights).total(logits, labels).item() == pytest.approx(expected.item())


# -------------------------------------------------------------------------------------------------------------- losses


def test_the_library_alone_would_multiply_the_loss():
    """The fault that Objective corrects: a micro-batch returns its own mean as its share of 4 micro-batches."""
    model = make_bert()
    inputs = {"input_ids": torch.randint(4, 30, (2, 6)), "labels": torch.tensor([0, 1])}
    plain = model(**inputs, num_items_in_batch=torch.tensor(8)).loss
    exact = Objective(infer_task([0, 1]))(model(**inputs), inputs["labels"], torch.tensor(8))
    assert plain.item() == pytest.approx(4 * exact.item(), rel=1e-5)


def test_label_smoothing_is_that_of_the_library():
    from transformers.trainer_pt_utils import LabelSmoother

    logits, labels = batch("one label")
    ours = Objective(THREE, label_smoothing=0.1)(SimpleNamespace(logits=logits), labels)
    assert ours.item() == pytest.approx(LabelSmoother(0.1)({"logits": logits}, labels).item(), rel=1e-5)


def test_smoothing_of_several_labels_spreads_its_share_over_yes_and_no():
    """As for one label with two classes: the logit of no is 0."""
    logits, labels = batch("several labels")
    smoothed = Objective(SEVERAL, label_smoothing=0.1).total(logits, labels) / 40
    answers = torch.stack([torch.zeros_like(logits), logits], dim=-1).reshape(-1, 2)
    expected = F.cross_entropy(answers, labels.flatten().long(), label_smoothing=0.1)
    assert smoothed.item() == pytest.approx(expected.item(), rel=1e-6)
    val_loss = SEVERAL.row_losses(logits.detach().numpy(), labels.numpy()).mean()
    assert val_loss == pytest.approx(Objective(SEVERAL).total(logits, labels).item() / 40) != smoothed.item()


def test_smoothed_labels_keep_their_class_weights_and_padding_adds_nothing():
    logits, labels = batch("several labels")
    objective = Objective(SEVERAL, weights=class_weights("balanced", SEVERAL, TRUTH), label_smoothing=0.1)
    weights = SEVERAL.select_weights(objective.weights, labels)
    losses = F.binary_cross_entropy_with_logits(logits, labels * 0.9 + 0.05, reduction="none")
    assert objective.total(logits, labels).item() == pytest.approx((losses * weights).sum().item() / 3, rel=1e-5)
    padded, more = torch.cat([labels, torch.full_like(labels[:2], IGNORED)]), torch.cat([logits, torch.randn(2, 3)])
    assert objective.total(more, padded).item() == pytest.approx(objective.total(logits, labels).item(), rel=1e-6)


def test_several_labels_have_the_binary_cross_entropy_of_torch():
    logits, labels = batch("several labels")
    expected = torch.nn.BCEWithLogitsLoss()(logits, labels).item()
    assert Objective(SEVERAL).total(logits, labels).item() / 40 == pytest.approx(expected, rel=1e-6)
    assert SEVERAL.row_losses(logits.detach().numpy(), labels.numpy()).mean() == pytest.approx(expected)


def test_several_labels_of_a_row_count_as_one_row():
    """The Trainer counts 3 labels per row as 3 items."""
    logits, labels = batch("several labels")
    outputs, objective = SimpleNamespace(logits=logits), Objective(SEVERAL)
    assert objective(outputs, labels, torch.tensor(120)).item() == pytest.approx(objective(outputs, labels).item())


@pytest.mark.parametrize("kind", TASKS)
def test_padding_rows_add_nothing(kind):
    task, (logits, labels) = TASKS[kind], batch(kind)
    objective = Objective(task, weights=class_weights("balanced", task, LABEL_IDS[kind]), focal_gamma=2.0)
    padded = torch.cat([labels, torch.full_like(labels[:2], IGNORED)])
    more = torch.cat([logits, torch.randn(2, 3)])
    assert objective.total(more, padded).item() == pytest.approx(objective.total(logits, labels).item())


def test_padding_rows_add_nothing_to_squared_errors():
    logits, labels = torch.randn(4, 1), torch.tensor([0.5, IGNORED, 1.5, IGNORED])
    objective = Objective(NUMBER)
    assert objective.total(logits, labels) == pytest.approx(objective.total(logits[::2], labels[::2]).item())


@pytest.mark.parametrize("kind", TASKS)
def test_focal_loss_is_the_formula(kind):
    task, (logits, labels) = TASKS[kind], batch(kind)
    if kind == "several labels":
        p = torch.where(labels == 1, logits.sigmoid(), 1 - logits.sigmoid())
    else:
        p = logits.softmax(-1)[torch.arange(40), labels]
    expected = (-((1 - p) ** 2) * p.log()).sum() / task.items_per_row
    assert Objective(task, focal_gamma=2.0).total(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)
    plain = Objective(task).total(logits, labels).item()
    assert Objective(task, focal_gamma=0.0).total(logits, labels).item() == plain


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_focal_loss_has_a_slope_where_the_model_is_certain(gamma):
    logits = torch.tensor([[80.0, -80.0, 0.0], [-80.0, 80.0, 0.0]], requires_grad=True)
    Objective(THREE, focal_gamma=gamma).total(logits, torch.tensor([0, 0])).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("more", [{"focal_gamma": 2.0}, {"label_smoothing": 0.1}, {"weights": np.ones(3) * 2}])
def test_the_objective_differs_from_val_loss_where_it_has_more_than_cross_entropy(more):
    logits, labels = batch("one label")
    objective, plain = Objective(THREE, **more), Objective(THREE)
    mean = objective.mean(logits.detach().numpy(), labels.numpy())
    assert mean == pytest.approx(objective.total(logits, labels).item() / 40)
    val_loss = THREE.row_losses(logits.detach().numpy(), labels.numpy()).mean()
    assert mean != pytest.approx(val_loss) and not objective.equals_val_loss
    assert plain.equals_val_loss and plain.mean(logits.detach().numpy(), labels.numpy()) == pytest.approx(val_loss)


def test_a_document_counts_once_whatever_its_windows():
    """Loss and gradient: the plain mean over documents of the mean over each one's windows."""
    torch.manual_seed(0)
    labels, counts = torch.tensor([0, 1, 1]), torch.tensor([1, 4, 2])
    logits = torch.randn(7, 2, requires_grad=True)
    loss = Objective(infer_task([0, 1])).total(logits, labels, counts) / 3
    parts = logits.split(counts.tolist())
    by_hand = [F.cross_entropy(part, labels[i].repeat(len(part))) for i, part in enumerate(parts)]
    assert loss.item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-6)
    assert torch.allclose(pool_windows(logits, counts), torch.stack([part.mean(0) for part in parts]))
    loss.backward()
    (expected,) = torch.autograd.grad(torch.stack(by_hand).mean(), logits)
    assert torch.allclose(logits.grad, expected, atol=1e-7)


# ------------------------------------------------------------------------------------------------------------- summary


def test_the_summary_names_what_differs_from_val_loss():
    assert Objective(THREE).summary() == []
    weights = class_weights({"c": 4.0}, SEVERAL, TRUTH)
    weighted, focal = Objective(SEVERAL, weights=weights, focal_gamma=2.0).summary()
    assert weighted.topic == "weights" and weighted.text.startswith("a 1, b 1, c 4 (")
    assert "val_loss stays unweighted" in weighted.text
    assert focal.topic == "loss" and "focal with gamma 2" in focal.text
    (smoothed,) = Objective(THREE, label_smoothing=0.1).summary()
    assert smoothed.topic == "loss" and smoothed.text == "labels smoothed by 0.1; val_loss stays unsmoothed"
