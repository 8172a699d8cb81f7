"""The loss against a teacher: the formulas, the cut of a batch, rows without a label, windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from corpus import long_rows, make_rows
from helpers import SGD, make_tokenizer
from transformers import DataCollatorWithPadding

from classification.data.tasks import infer_task
from classification.data.unlabelled import UNLABELLED, join_unlabelled, with_teacher_logits
from classification.data.windows import IGNORED, TEACHER, WindowCollator
from classification.training.distillation import NO_TEACHER, Distillation, fingerprint_of_teacher
from classification.training.objective import Objective
from classification.training.out_of_memory import cut_rows
from classification.training.teacher_choice import TeacherChoice

TWO = infer_task(["negative", "positive"])
VALUES = {
    "one label": ["a", "b", "c", "a", "b", "c", "a"],
    "several labels": [["a"], [], ["a", "b"], ["b"], ["c"], [], ["a", "c"]],
    "a number": [1.5, 2.5, 4.0, 8.5, 0.25, 3.0, 7.0],
}
T, WEIGHT = 3.0, 0.3


def batch(kind: str):
    """The task, and logits, labels and teacher's logits of 7 rows: row 4 has no label, row 5 is padding."""
    task, generator = infer_task(VALUES[kind]), torch.Generator().manual_seed(0)
    labels = torch.tensor(np.array([task.encode(value) for value in VALUES[kind]]))
    labels[4], labels[5] = UNLABELLED, IGNORED
    logits, targets = (3 * torch.randn(7, task.num_labels, generator=generator) for _ in range(2))
    return task, logits.requires_grad_(), labels, targets


def soft_loss(kind: str, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One row by the formulas of the papers, written out."""
    if kind == "a number":
        return (logits[0] - targets[0]) ** 2
    if kind == "one label":
        p, q = (targets / T).softmax(-1), (logits / T).softmax(-1)
        return T**2 * (p * (p / q).log()).sum()
    p, q = (targets / T).sigmoid(), (logits / T).sigmoid()
    return T**2 * (p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()).mean()


def hard_loss(kind: str, logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    if kind == "a number":
        return (logits[0] - label) ** 2
    if kind == "one label":
        return F.cross_entropy(logits[None], label[None])
    return F.binary_cross_entropy_with_logits(logits, label)


def total(task, logits, labels, targets, counts=None, weight=WEIGHT) -> torch.Tensor:
    """What the Trainer adds up: the share of the objective and the term."""
    term = Distillation(task, TeacherChoice("teacher", T, weight))
    return (1 - weight) * Objective(task).total(logits, labels, counts) + term.total(
        logits, labels, counts, {TEACHER: targets}
    )


@pytest.mark.parametrize("kind", VALUES)
def test_loss_and_gradient_are_those_of_the_formulas(kind):
    task, logits, labels, targets = batch(kind)
    expected = sum(
        (1 - WEIGHT) * hard_loss(kind, logits[i], labels[i]) + WEIGHT * soft_loss(kind, logits[i], targets[i])
        for i in (0, 1, 2, 3, 6)
    ) + soft_loss(kind, logits[4], targets[4])
    ours = total(task, logits, labels, targets)
    assert ours.item() == pytest.approx(expected.item(), rel=1e-5)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (ours, expected)]
    assert torch.allclose(*gradients, rtol=1e-4, atol=1e-5) and gradients[0][4].abs().sum() > 0
    assert gradients[0][5].abs().sum() == 0


@pytest.mark.parametrize("kind", VALUES)
def test_a_number_has_no_temperature(kind):
    task, *_ = batch(kind)
    term = Distillation(task, TeacherChoice("teacher", 3.0))
    term.facts |= {"parameters": 5}
    expected = None if kind == "a number" else 3.0
    assert (term.facts["temperature"], term.fingerprint["--teacher_temperature"]) == (expected, expected)
    assert ("temperature 3" in term.describe(2, 0)) is (kind != "a number")


@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("size", [2, 3])
def test_a_batch_is_the_sum_of_its_passes(kind, size):
    """As `cut_rows` cuts it where memory lacks: the column of the teacher is cut with the rows."""
    task, logits, labels, targets = batch(kind)
    whole = total(task, logits, labels, targets)
    parts = cut_rows({"input_ids": logits, "labels": labels, TEACHER: targets}, size)
    sums = sum(total(task, part["input_ids"], part["labels"], part[TEACHER]) for part in parts)
    assert sums.item() == pytest.approx(whole.item(), rel=1e-5)


@pytest.mark.parametrize("kind", VALUES)
def test_a_document_weighs_the_same_in_any_number_of_windows(kind):
    """Windows with equal logits are a document with these logits."""
    task, logits, labels, targets = batch(kind)
    counts = torch.tensor([1, 3, 2, 1, 4, 2, 1])
    ours = total(task, logits.repeat_interleave(counts, dim=0), labels, targets, counts)
    assert ours.item() == pytest.approx(total(task, logits, labels, targets).item(), rel=1e-5)


def test_a_cut_batch_of_windows_keeps_each_document_beside_its_teacher():
    counts, targets = torch.tensor([1, 3, 2]), torch.arange(6.0).reshape(3, 2)
    whole = {
        "input_ids": torch.arange(6)[:, None],
        "labels": torch.arange(3),
        "window_counts": counts,
        TEACHER: targets,
    }
    parts = cut_rows(whole, 1)
    assert [part[TEACHER].tolist() for part in parts] == [[[0.0, 1.0]], [[2.0, 3.0]], [[4.0, 5.0]]]
    assert [len(part["input_ids"]) for part in parts] == [1, 3, 2]


def test_equal_logits_cost_nothing_and_a_higher_temperature_keeps_the_size_of_the_gradient():
    """T^2 is there for this (Hinton et al. 2015, section 2.1)."""
    targets = torch.tensor([[0.5, -0.5]])
    assert TWO.soft_losses(targets, targets, 2.0).item() == 0.0
    norms = []
    for temperature in (10.0, 100.0):
        logits = torch.tensor([[0.1, 0.3]], requires_grad=True)
        TWO.soft_losses(logits, targets, temperature).sum().backward()
        norms.append(logits.grad.norm().item())
    assert norms[1] == pytest.approx(norms[0], rel=0.02)


# ------------------------------------------------------------------------------------------------------ the Trainer


@pytest.fixture
def make_taught(make_trainer, encode):
    """A function that builds a Trainer of 17 labelled rows and 10 without a label, with random targets."""

    def make(weight=0.4, unlabelled=10, stride=None, **changes):
        texts = long_rows if stride else make_rows
        rows = encode(texts(17, seed=5), stride=stride)
        extra = encode(texts(10, seed=6), stride=stride).remove_columns("labels").select(range(unlabelled))
        joined = join_unlabelled(rows, extra if unlabelled else None)
        targets = np.random.default_rng(0).normal(size=(len(joined), 2)).astype(np.float32)
        pad = DataCollatorWithPadding(make_tokenizer())
        trainer = make_trainer(
            {"train_dataset": with_teacher_logits(joined, [targets]), "objective": Objective(TWO),
             "data_collator": WindowCollator(pad) if stride else pad,
             "eval_dataset": encode(texts(24, 2), stride=stride)},
            **SGD, **changes,
        )  # fmt: skip
        trainer.loss_terms.append(Distillation(TWO, TeacherChoice("teacher", 2.0, weight)))
        trainer.objective_share = 1.0 - weight
        trainer._set_signature_columns_if_needed()
        trainer._signature_columns.append(TEACHER)
        return trainer

    return make


def weights_of(trainer) -> torch.Tensor:
    return torch.cat([value.flatten() for value in trainer.model.state_dict().values()])


@pytest.mark.parametrize("stride", [None, 6], ids=["rows", "windows"])
def test_accumulated_micro_batches_equal_one_batch(make_taught, stride):
    """27 rows: no batch size divides them, and some micro-batches have no label at all."""
    trainers = [
        make_taught(stride=stride, per_device_train_batch_size=size, gradient_accumulation_steps=8 // size)
        for size in (8, 2)
    ]
    start = weights_of(trainers[0]).clone()
    for trainer in trainers:
        trainer.train()
    first, second = map(weights_of, trainers)
    assert (first - second).abs().max() < 1e-5 < (first - start).abs().max()
    for one, other in zip(*(trainer.epochs for trainer in trainers), strict=True):
        for name in ("train_loss", "train_accuracy", "eval_loss"):
            assert one[name] == pytest.approx(other[name], abs=1e-5)


def test_a_weight_of_0_without_other_texts_is_the_plain_run_bit_for_bit(make_taught):
    plain, taught = make_taught(weight=0.0, unlabelled=0), make_taught(weight=0.0, unlabelled=0)
    plain.loss_terms.clear()
    plain.train_dataset = plain.train_dataset.remove_columns(TEACHER)
    for trainer in (plain, taught):
        trainer.train()
    assert torch.equal(weights_of(plain), weights_of(taught))


def test_train_acc_is_that_of_the_labelled_rows_and_train_loss_that_of_all(make_taught):
    """One step over all rows with a learning rate of 0 shows the figures of the untrained model."""
    trainer = make_taught(per_device_train_batch_size=32, num_train_epochs=1)
    trainer.args.learning_rate = 0.0
    rows = trainer.data_collator([trainer.train_dataset[i] for i in range(27)])
    rows = {name: rows[name] for name in ("input_ids", "attention_mask", "token_type_ids", "labels", TEACHER)}
    labels, targets = rows.pop("labels"), rows.pop(TEACHER)
    with torch.no_grad():
        logits = trainer.model.eval()(**rows).logits
    trainer.train()
    figures = trainer.epochs[0]
    assert figures["train_accuracy"] == pytest.approx((logits.argmax(-1) == labels)[:17].float().mean().item())
    expected = 0.6 * F.cross_entropy(logits[:17], labels[:17], reduction="sum")
    soft = TWO.soft_losses(logits, targets, 2.0)
    expected += 0.4 * soft[:17].sum() + soft[17:].sum()
    assert figures["train_loss"] == pytest.approx(expected.item() / 27, rel=1e-5)
    assert trainer.training.counts[0].item() == 27


def test_without_a_teacher_the_fingerprint_says_so():
    """A run that resumes with a teacher must differ from one that began without."""
    assert fingerprint_of_teacher([]) == NO_TEACHER and set(NO_TEACHER.values()) == {None}
    term = Distillation(TWO, TeacherChoice("teacher"))
    assert fingerprint_of_teacher([term]).keys() == NO_TEACHER.keys()
