"""R-Drop adds the distance of two passes to the loss, exactly, however the global batch is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
import zoo
from corpus import long_rows, make_rows
from helpers import assert_refused, make_bert, make_tokenizer
from torch import nn
from transformers import BertForSequenceClassification, DataCollatorWithPadding

from classification.data.tasks import infer_task
from classification.data.windows import IGNORED, WindowCollator
from classification.training.flops import passes_of_training
from classification.training.objective import Objective
from classification.training.r_drop import RDrop, check_dropout

THREE, SEVERAL, NUMBER = infer_task(["a", "b", "c"]), infer_task([["a"], ["b"], ["c"], []]), infer_task([1.5, 2.5])
EXACT = {"optim": "sgd", "learning_rate": 0.2, "eval_strategy": "no", "num_train_epochs": 1}


class SecondPassMask(nn.Module):
    """Dropout as a function of the pass: the first half of the rows stays, the second loses a part of its features."""

    def __init__(self, width: int = 32):
        super().__init__()
        self.mask = 2.0 * (torch.arange(width) % 2)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return hidden
        first, second = hidden.chunk(2)
        return torch.cat([first, second * self.mask])


def masked(model: BertForSequenceClassification) -> BertForSequenceClassification:
    """The model with `SecondPassMask` after its embeddings and its pooler."""
    model.bert.embeddings.dropout, model.dropout = SecondPassMask(), SecondPassMask()
    return model


def trainer_of(make_trainer, parts: dict | None = None, weight: float = 2.0, **changes):
    parts = {"model": make_bert(initializer_range=0.2)} | (parts or {})
    return make_trainer(parts | {"model": masked(parts["model"]), "r_drop": weight}, **EXACT | changes)


# -------------------------------------------------------------------------------------------------------- the distance


def divergence(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first * np.log(first / second)).sum(-1)


def test_the_distance_of_one_label_is_the_mean_of_both_divergences():
    first, second = np.random.default_rng(0).normal(size=(2, 5, 3))
    p, q = THREE.probabilities(first), THREE.probabilities(second)
    expected = (divergence(p, q) + divergence(q, p)) / 2
    assert THREE.torch_distances(torch.tensor(first), torch.tensor(second)).numpy() == pytest.approx(expected)
    library = sum(F.kl_div(torch.tensor(q).log(), torch.tensor(p), reduction="sum") for p, q in ((p, q), (q, p))) / 2
    assert library.item() == pytest.approx(expected.sum())


def test_the_distance_of_several_labels_is_that_of_each_answer():
    first, second = np.random.default_rng(0).normal(size=(2, 5, 3))
    p, q = (np.stack([1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x))], axis=-1) for x in (first, second))
    expected = (divergence(p, q) + divergence(q, p)) / 2
    found = SEVERAL.torch_distances(torch.tensor(first), torch.tensor(second)).numpy()
    assert found == pytest.approx(expected) and found.shape == (5, 3)


def test_the_distance_of_numbers_is_the_divergence_of_the_normal_distributions_of_squared_error():
    """Squared error is the negative log likelihood of a normal distribution with variance 1/2, up to a constant."""
    first, second = torch.randn(2, 5, 1, dtype=torch.float64)
    p, q = (torch.distributions.Normal(each[:, 0], 0.5**0.5) for each in (first, second))
    expected = torch.distributions.kl_divergence(p, q)
    assert torch.allclose(NUMBER.torch_distances(first, second), expected)
    assert torch.allclose(NUMBER.torch_losses(first, second[:, 0], 0.0), (-p.log_prob(second[:, 0]) + p.log_prob(
        first[:, 0])).float().double(), rtol=1e-5)  # fmt: skip


@pytest.mark.parametrize("task", [THREE, SEVERAL, NUMBER], ids=["one label", "several labels", "a number"])
def test_equal_outputs_have_no_distance_and_no_slope(task):
    logits = (100 * torch.randn(4, task.num_labels)).requires_grad_()
    distances = task.torch_distances(logits, logits.detach())
    distances.sum().backward()
    assert not distances.any() and not logits.grad.any()


@pytest.mark.parametrize("task", [THREE, SEVERAL, NUMBER], ids=["one label", "several labels", "a number"])
def test_padding_rows_add_nothing_and_a_document_counts_once(task):
    first, second = torch.randn(2, 6, task.num_labels)
    labels = torch.zeros(6, task.num_labels) if task is SEVERAL else torch.zeros(6)
    whole = RDrop(task, 1.0).distance(first, second, labels, None)
    padded = torch.cat([labels, torch.full_like(labels[:1], IGNORED)])
    more = RDrop(task, 1.0).distance(*(torch.cat([each, 9 * each[:1]]) for each in (first, second)), padded, None)
    assert more.item() == pytest.approx(whole.item(), rel=1e-6)
    rows = task.torch_distances(first, second).reshape(6, -1).mean(1)
    counts = torch.tensor([1, 3, 2])
    by_document = sum(part.mean() for part in rows.split(counts.tolist()))
    found = RDrop(task, 1.0).distance(first, second, labels[:3], counts)
    assert found.item() == pytest.approx(by_document.item(), rel=1e-6)


# ------------------------------------------------------------------------------------------------------------ the loss


def batch_of(trainer, rows: int = 5) -> dict:
    return trainer.data_collator([trainer.train_dataset[i] for i in range(rows)])


OBJECTIVES = {
    "plain": {}, "smoothed": {"label_smoothing": 0.1}, "focal": {"focal_gamma": 2.0},
    "weighted": {"weights": np.array([0.5, 2.0])},
}  # fmt: skip


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_loss_and_gradient_are_those_of_two_passes(objective, make_trainer):
    """Class weights, focal loss and smoothing change the two objectives and not the distance."""
    task = infer_task(["negative", "positive"])
    loss = Objective(task, **OBJECTIVES[objective])
    trainer = trainer_of(make_trainer, {"objective": loss}, weight=3.0)
    model, batch = trainer.model.train(), batch_of(trainer)
    labels = batch["labels"]
    found = trainer.compute_loss(model, dict(batch), num_items_in_batch=torch.tensor(8))
    found.backward()
    gradients = [each.grad.clone() for each in model.parameters()]
    model.zero_grad()
    inputs = {name: each for name, each in batch.items() if name != "labels"}
    masks = (model.bert.embeddings.dropout, model.dropout)
    passes = []
    for is_second in (False, True):
        for each in masks:
            each.forward = lambda hidden, is_second=is_second, each=each: hidden * each.mask if is_second else hidden
        passes.append(model(**inputs).logits)
    logs = [each.log_softmax(-1) for each in passes]
    distance = sum(F.kl_div(q, p, log_target=True, reduction="sum") for p, q in (logs, logs[::-1])) / 2
    expected = (sum(loss.total(each, labels) for each in passes) / 2 + 3.0 * distance) / 8
    expected.backward()
    assert distance > 0.01 and found.item() == pytest.approx(expected.item(), rel=1e-6)
    for each, gradient in zip(model.parameters(), gradients, strict=True):
        assert torch.allclose(each.grad, gradient, atol=1e-7)


def test_without_r_drop_the_loss_is_that_of_one_pass_bit_for_bit(make_trainer):
    trainer = make_trainer(**EXACT)
    batch = batch_of(trainer)
    inputs = {name: each for name, each in batch.items() if name != "labels"}
    assert trainer.r_drop.repeat(inputs) is inputs and trainer.r_drop.passes == 1
    expected = trainer.objective.total(trainer.model(**inputs).logits, batch["labels"]) / 8
    assert trainer.compute_loss(trainer.model, dict(batch), num_items_in_batch=torch.tensor(8)) == expected


class Doubled:
    """A loss term: the sum of the logits times the row's own column."""

    columns = ("factor",)

    def total(self, logits, labels, counts, columns):
        return (logits.float() * columns["factor"][:, None]).sum()


def test_a_loss_term_is_the_mean_over_both_passes(make_trainer):
    plain, more = (trainer_of(make_trainer, weight=1.0) for _ in range(2))
    more.loss_terms.append(Doubled())
    batch, factor = batch_of(plain), torch.arange(5.0)
    inputs = {name: torch.cat([each, each]) for name, each in batch.items() if name != "labels"}
    logits = plain.model.train()(**inputs).logits
    expected = (logits * factor.repeat(2)[:, None]).sum() / 2 / 8
    losses = [trainer.compute_loss(trainer.model.train(), batch | {"factor": factor} if trainer is more else dict(
        batch), num_items_in_batch=torch.tensor(8)) for trainer in (plain, more)]  # fmt: skip
    assert (losses[1] - losses[0]).item() == pytest.approx(expected.item(), rel=1e-4) and abs(expected) > 1e-3


# -------------------------------------------------------------------------------------------------------- the training


def parts_of(case: str, encode) -> dict:
    """Keywords of a Trainer: 27 rows, which no batch size divides, or 12 documents in windows."""
    if case == "windows":
        collator = WindowCollator(DataCollatorWithPadding(make_tokenizer()))
        return {"train_dataset": encode(long_rows(12, 3), stride=4), "eval_tokens": None, "data_collator": collator}
    values = {"several labels": [["a"], [], ["a", "b"], ["b"]], "a number": [1.0, 2.5, 4.0, 3.0]}.get(case)
    if values is None:
        return {"train_dataset": encode(make_rows(27, seed=5))}
    task = infer_task(values)
    rows = [row | {"label": values[i % 4]} for i, row in enumerate(make_rows(27, seed=5))]
    model = make_bert(initializer_range=0.2, num_labels=task.num_labels, problem_type=task.problem_type)
    return {"train_dataset": encode(rows, task), "objective": Objective(task), "model": model}


def assert_same_training(first, second) -> None:
    """Weights and figures of two trainings agree up to rounding."""
    pairs = zip(first.model.parameters(), second.model.parameters(), strict=True)
    assert max((one - other).abs().max().item() for one, other in pairs) < 2e-6
    kept = [0, 1, 3]  # padding depends on the micro-batch
    assert torch.equal(first.training.counts[kept], second.training.counts[kept])
    for one, other in zip(first.epochs, second.epochs, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-6)
        assert one.get("train_accuracy") == other.get("train_accuracy")


@pytest.mark.parametrize("case", ["one label", "several labels", "a number", "windows"])
def test_accumulated_micro_batches_equal_one_batch(case, make_trainer, encode):
    trainers = []
    for size in (8, 2):
        cut = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 8 // size, "max_steps": 3}
        trainers.append(trainer_of(make_trainer, parts_of(case, encode), **cut))
        trainers[-1].train()
    assert_same_training(*trainers)
    assert trainers[0].model.classifier.weight.abs().max() < 10


def test_a_step_that_does_not_fit_runs_in_halves_with_the_same_result(make_trainer):
    whole, cut = trainer_of(make_trainer, max_steps=3), trainer_of(make_trainer, max_steps=3)
    whole.train()
    cut.pass_sizes.parts = 4  # as after a lack of memory: passes of 2 rows, twice each
    seen = []
    cut.model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(len(kwargs["input_ids"])), with_kwargs=True
    )
    cut.train()
    assert_same_training(whole, cut)
    assert seen == [4] * 12


@pytest.mark.parametrize("case", ["one label", "windows"])
def test_figures_count_each_row_once_and_the_arithmetic_twice(case, make_trainer, encode):
    trainer = trainer_of(make_trainer, parts_of(case, encode))
    plain = make_trainer(parts_of(case, encode), **EXACT)
    trainer.train(), plain.train()
    assert torch.equal(trainer.training.counts, plain.training.counts)
    assert trainer.training.passes == 2 * passes_of_training(trainer.model) == 2 * plain.training.passes
    assert set(trainer.epochs[0]) == set(plain.epochs[0])


def test_the_train_accuracy_is_that_of_one_pass(make_trainer):
    """A rate too small to move anything: the first pass, which nothing masks, decides as the evaluation does."""
    model = make_bert(initializer_range=0.5)
    trainer = trainer_of(make_trainer, {"model": model}, learning_rate=1e-12, eval_strategy="epoch")
    trainer.train_dataset = trainer.eval_dataset
    trainer.train()
    (epoch,) = trainer.epochs
    assert epoch["train_accuracy"] == epoch["eval_accuracy"] != 0.5
    assert epoch["train_loss"] > epoch["eval_loss"]


def test_a_row_whose_second_output_is_not_finite_is_found(make_trainer):
    trainer = trainer_of(make_trainer)
    trainer.model.dropout.mask = torch.full((32,), torch.nan)
    trainer.compute_loss(trainer.model.train(), batch_of(trainer))
    assert trainer.finite_steps.bad_rows[0].tolist() == [True] * 5


@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"bf16": True}])
def test_it_trains_with_checkpointed_activations_and_in_half_precision(changes, make_trainer):
    model = make_bert(hidden_dropout_prob=0.1)
    trainer = make_trainer({"model": model, "r_drop": 1.0}, **EXACT | {"max_steps": 2} | changes)
    trainer.train()
    assert np.isfinite(trainer.state.log_history[-1]["train_loss"])


def test_checkpointed_activations_change_nothing(make_trainer):
    trainers = []
    for checkpointed in (False, True):
        torch.manual_seed(0)
        parts = {"model": make_bert(hidden_dropout_prob=0.1, num_hidden_layers=2), "r_drop": 1.0}
        trainers.append(make_trainer(parts, **EXACT | {"max_steps": 2}, gradient_checkpointing=checkpointed))
        trainers[-1].train()
    assert_same_training(*trainers)


# -------------------------------------------------------------------------------------------------------- no dropout


def test_bigbird_keeps_its_sparse_attention(tmp_path):
    """It would give it up for good after one short text."""
    transformers.BigBirdModel(transformers.BigBirdConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=0,
    )).save_pretrained(tmp_path)  # fmt: skip
    make_tokenizer().save_pretrained(tmp_path)
    model = zoo.load(tmp_path).model
    check_dropout(model, 1.0)
    assert model.bert.attention_type == "block_sparse"


@pytest.mark.parametrize("architecture", ["modernbert", "llama"])
def test_a_model_without_dropout_is_refused_and_the_remedy_works(architecture, tmp_path):
    zoo.save_pretrained(architecture, tmp_path)
    assert_refused(["--r_drop 1", "--attention_dropout 0.1", "Leave the flag out"], check_dropout, zoo.load(
        tmp_path).model, 1.0)  # fmt: skip
    check_dropout(zoo.load(tmp_path, attention_dropout=0.1).model, 1.0)


@pytest.mark.parametrize(
    "architecture", [name for name in zoo.ARCHITECTURES if name not in ("modernbert", "llama", "qwen2")]
)
def test_a_model_with_dropout_is_not_refused_and_stays_as_it_was(architecture, tmp_path):
    zoo.save_pretrained(architecture, tmp_path)
    dropout = 0.1 if architecture == "albert" else 0.0  # ALBERT has no other
    model = zoo.load(tmp_path, attention_dropout=dropout).model.eval()
    torch.manual_seed(7)
    check_dropout(model, 1.0)
    after = torch.rand(3)
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(3)) and not model.training


def test_the_summary_names_the_weight():
    assert RDrop(THREE).summary() == []
    (line,) = RDrop(THREE, 0.5).summary()
    assert line.topic == "r-drop" and "loss + 0.5 x the distance" in line.text
