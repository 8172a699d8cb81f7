"""Training is exact: the cut of a batch, padding and the windows of a document change no weight and no figure."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
import transformers
from corpus import long_rows, make_rows
from helpers import SGD, make_bert, make_tokenizer

from classification.data.tasks import infer_task
from classification.data.windows import WindowCollator
from classification.models import fp32_ties
from classification.training.objective import Objective
from classification.training.trainer import ClassificationTrainer

SEVERAL = infer_task([["a"], ["b"], []])


def largest_difference(first: ClassificationTrainer, second: ClassificationTrainer) -> float:
    others = second.model.state_dict()
    return max((value - others[name]).abs().max().item() for name, value in first.model.state_dict().items())


def assert_epochs_agree(first: ClassificationTrainer, second: ClassificationTrainer) -> None:
    """All figures of all epochs but those of speed."""
    assert len(first.epochs) == 2
    for one, other in zip(first.epochs, second.epochs, strict=True):
        names = [name for name in one if "_per_second" not in name and "runtime" not in name]
        assert {name: one[name] for name in names} == pytest.approx({name: other[name] for name in names}, abs=1e-5)


# ---------------------------------------------------------------------------------------------- accumulation, padding


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("micro_batch", [2, 4])
def test_accumulated_micro_batches_equal_one_batch(micro_batch, smoothing, make_trainer, encode):
    """27 training rows: no batch size divides them."""
    rows, trainers = encode(make_rows(27, seed=5)), []
    for size in (8, micro_batch):
        objective = Objective(infer_task([0, 1]), label_smoothing=smoothing)
        cut = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 8 // size}
        trainers.append(make_trainer({"train_dataset": rows, "objective": objective}, **SGD, **cut))
        trainers[-1].train()
    assert largest_difference(*trainers) < 1e-5
    assert_epochs_agree(*trainers)
    assert max(tensor.abs().max() for tensor in trainers[0].model.state_dict().values()) > 0.01


def test_padding_to_max_length_gives_the_same_run(make_trainer, encode):
    tokenizer, trainers = make_tokenizer(), []
    for padding in ("longest", "max_length"):
        collator = transformers.DataCollatorWithPadding(tokenizer, padding=padding, max_length=32)
        tokens = 1024 if padding == "longest" else None
        trainers.append(make_trainer({"data_collator": collator, "eval_tokens": tokens}, **SGD))
        trainers[-1].train()
    assert largest_difference(*trainers) < 1e-5
    assert_epochs_agree(*trainers)
    rows = encode(make_rows(24, 3)).remove_columns("labels")
    first, second = (trainer.predict(rows).predictions for trainer in trainers)
    assert np.abs(first - second).max() < 1e-5 and first.std() > 1e-4


def test_batches_by_length_save_padding(make_trainer, encode):
    rows = encode([row | {"text": row["text"] + " the" * (i % 40)} for i, row in enumerate(make_rows(1024, 1))])
    shares = []
    for strategy in ("group_by_length", "random"):
        loader = make_trainer({"train_dataset": rows}, train_sampling_strategy=strategy).get_train_dataloader()
        masks = [batch["attention_mask"] for batch in loader]
        shares.append(1 - sum(mask.sum().item() for mask in masks) / sum(mask.numel() for mask in masks))
    assert shares[0] < 0.1 < shares[1]


# ------------------------------------------------------------------------------------------------------------- windows


@pytest.fixture
def windowed(make_trainer, encode):
    """A function that builds a Trainer of long documents in windows; keywords as for `make_trainer`."""

    def make(trainer: dict | None = None, task=None, stride: int = 8, **changes) -> ClassificationTrainer:
        tokenizer = make_tokenizer()
        rows = {"train_dataset": long_rows(48, 1), "eval_dataset": long_rows(20, 2)}
        parts = {}
        if task is not None:
            names = (["a", "b"], [], ["a", "b"], ["a"])
            rows = {name: [row | {"label": names[i % 4]} for i, row in enumerate(part)] for name, part in rows.items()}
            parts = {"objective": Objective(task), "model": make_bert(problem_type=task.problem_type)}
        known = {} if task is None else {"task": task}
        parts |= {name: encode(part, stride=stride, **known) for name, part in rows.items()}
        parts |= {"data_collator": WindowCollator(transformers.DataCollatorWithPadding(tokenizer)), "eval_tokens": None}
        return make_trainer(parts | (trainer or {}), **changes)

    return make


@pytest.mark.parametrize("task", [None, SEVERAL], ids=["one label", "several labels"])
def test_cutting_a_batch_of_documents_changes_nothing(task, windowed):
    """8 documents at once, or 2 at a time."""
    whole = windowed(task=task, **SGD)
    cut = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "per_device_eval_batch_size": 3}
    parts = windowed(task=task, **SGD, **cut)
    whole.train(), parts.train()
    assert largest_difference(whole, parts) < 1e-5
    assert_epochs_agree(whole, parts)


@pytest.mark.parametrize(("eval_tokens", "limit"), [(None, 3), (64, 4)])
def test_no_more_windows_are_evaluated_at_a_time_than_a_batch_may_have(eval_tokens, limit, windowed, monkeypatch):
    forward, seen = transformers.BertForSequenceClassification.forward, []

    @functools.wraps(forward)
    def look(self, input_ids=None, **more):
        seen.append(len(input_ids))
        return forward(self, input_ids=input_ids, **more)

    monkeypatch.setattr(transformers.BertForSequenceClassification, "forward", look)
    trainer = windowed({"eval_tokens": eval_tokens}, per_device_eval_batch_size=3)
    trainer.evaluate()
    assert max(seen) == limit
    assert trainer.evaluation.counts[0] == 20


def test_train_figures_are_of_documents(windowed):
    """A rate too small to move anything, on the validation rows: training shows what evaluation shows."""
    rows, model = windowed().eval_dataset, make_bert(initializer_range=0.5)
    trainer = windowed({"train_dataset": rows, "model": model}, learning_rate=1e-12, per_device_train_batch_size=5)
    trainer.train()
    for epoch in trainer.epochs:
        assert epoch["train_accuracy"] == epoch["eval_accuracy"] != 0.5  # 0.5: the same decision for every row


def test_windows_count_as_one_row_with_the_tokens_of_all(windowed):
    trainer = windowed(num_train_epochs=1)
    trainer.train()
    rows, tokens = trainer.training.counts.tolist()[:2]
    windows = trainer.train_dataset["input_ids"]
    assert (rows, tokens) == (48, sum(len(ids) for document in windows for ids in document)) and tokens > 48 * 16


def test_windows_near_a_tie_are_computed_in_fp32(windowed, encode, monkeypatch):
    """In bf16, with every document called near a tie: the logits of fp32, document by document."""
    rows = encode(long_rows(20, 3), stride=8).remove_columns("labels")
    expected = windowed().predict(rows).predictions
    monkeypatch.setattr(fp32_ties, "TIE_MARGIN", np.inf)
    repaired = windowed(bf16=True, per_device_eval_batch_size=3).predict(rows).predictions
    assert np.abs(repaired - expected).max() < 2e-6 and expected.std() > 5e-5  # bf16 rounds 100 times as coarsely


def test_a_documents_logits_are_the_mean_of_its_windows(windowed, encode):
    rows = encode(long_rows(20, 3), stride=5).remove_columns("labels")
    trainer = windowed()
    together = trainer.predict(rows).predictions
    with torch.no_grad():
        by_hand = [
            torch.cat([trainer.model(input_ids=torch.tensor([ids])).logits for ids in document]).mean(0)
            for document in rows["input_ids"]
        ]
    assert np.abs(together - torch.stack(by_hand).numpy()).max() < 2e-6
