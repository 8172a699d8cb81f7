"""After training the better of average and checkpoint is kept, and nothing else changes."""

from __future__ import annotations

import logging

import pytest
import torch
from helpers import make_bert
from torch import nn

from classification.training import average_choice
from classification.training.average_choice import choose_average, exchange, is_better, selection_of
from classification.training.average_kind import Average
from classification.training.averaging import attach_average, trainable
from classification.training.schedule import Schedule

BEST = {
    "eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True,
    "metric_for_best_model": "eval_loss", "num_train_epochs": 1,
}  # fmt: skip


@pytest.fixture
def trained(make_trainer):
    """A function that trains one epoch with an average; keywords are `TrainingArguments`."""

    def train(**changes):
        trainer = make_trainer(**BEST | changes)
        trainer.average = attach_average(trainer, Average("ema"), Schedule.from_args(trainer.args, 64), None)
        trainer.train()
        return trainer

    return train


def weights_of(trainer) -> dict:
    return {name: each.detach().clone() for name, each in trainable(trainer.model).items()}


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def answers(monkeypatch, **figures):
    """The average gets these figures."""
    monkeypatch.setattr(average_choice, "evaluate", lambda trainer: {f"eval_{k}": v for k, v in figures.items()})


@pytest.mark.parametrize(
    ("figures", "changes", "kept"),
    [
        ({"loss": 0.0, "accuracy": 0.0}, {}, True),
        ({"loss": 9.0, "accuracy": 1.0}, {}, False),
        ({"loss": float("nan"), "accuracy": 1.0}, {}, False),
        ({"loss": 9.0, "accuracy": 1.1}, {"metric_for_best_model": "accuracy", "greater_is_better": True}, True),
        ({"loss": 0.0, "accuracy": 0.0}, {"metric_for_best_model": "accuracy", "greater_is_better": True}, False),
        ({"loss": 0.0, "accuracy": 0.0}, {"load_best_model_at_end": False}, True),
    ],
)
def test_the_better_one_by_the_rule_is_kept(trained, monkeypatch, caplog, figures, changes, kept):
    trainer = trained(**changes)
    checkpoint, average = weights_of(trainer), trainer.average.weights()
    answers(monkeypatch, **figures)
    with caplog.at_level(logging.INFO):
        record = choose_average(trainer)
    assert record["kept"] is kept and record["step"] == 8
    assert same(weights_of(trainer), average if kept else checkpoint)
    (line,) = [text for text in caplog.messages if text.startswith("average ")]
    assert ("the average is kept" in line) is kept and ("step 8 is kept" in line) is not kept
    assert f"val_loss={record['step_figures']['eval_loss']:.4f}" in line and "val_acc=" in line


def test_equal_values_keep_the_checkpoint(trained, monkeypatch):
    trainer = trained()
    monkeypatch.setattr(average_choice, "evaluate", lambda trainer: average_choice.figures_of_the_step(trainer))
    checkpoint = weights_of(trainer)
    assert choose_average(trainer)["kept"] is False and same(weights_of(trainer), checkpoint)


def test_the_figures_are_those_that_training_would_have_printed(trained):
    """The same weights, evaluated after training, have the figures of their evaluation in training."""
    trainer = trained(bf16=True, num_train_epochs=2)
    assert average_choice.evaluate(trainer) == average_choice.figures_of_the_step(trainer)
    assert "eval_loss" in average_choice.evaluate(trainer)


def test_without_an_evaluation_in_training_both_are_measured(trained):
    trainer = trained(eval_strategy="no", load_best_model_at_end=False, metric_for_best_model=None)
    checkpoint = average_choice.evaluate(trainer)
    record = choose_average(trainer)
    assert record["step_figures"] == checkpoint != record["figures"] and record["compared"]
    assert record["kept"] == (record["figures"]["eval_loss"] < checkpoint["eval_loss"])


@pytest.mark.parametrize(
    ("choice", "changes", "reason"),
    [
        (Average("ema", compared=False), {}, "the rows of a fold choose nothing"),
        (Average("ema"), {"eval_strategy": "no", "load_best_model_at_end": False}, "there are no validation rows"),
    ],
)
def test_without_a_comparison_the_average_is_used_as_it_is(make_trainer, caplog, choice, changes, reason):
    trainer = make_trainer({"eval_dataset": None} if changes else None, **BEST | changes)
    trainer.average = attach_average(trainer, choice, Schedule.from_args(trainer.args, 64), None)
    trainer.train()
    average = trainer.average.weights()
    with caplog.at_level(logging.INFO):
        record = choose_average(trainer)
    assert same(weights_of(trainer), average) and reason in caplog.text
    assert record == {"average": "ema", "of": "8 steps", "compared": False, "kept": True}
    assert selection_of(record, 24) == []


def test_an_error_leaves_the_weights_of_the_checkpoint(trained, monkeypatch):
    trainer = trained()
    checkpoint = weights_of(trainer)

    def fail(trainer):
        raise RuntimeError("no memory")

    monkeypatch.setattr(average_choice, "evaluate", fail)
    with pytest.raises(RuntimeError):
        choose_average(trainer)
    assert same(weights_of(trainer), checkpoint)


def test_where_nothing_was_averaged_a_warning_says_so(make_trainer, caplog):
    trainer = make_trainer(**BEST)
    trainer.average = attach_average(trainer, Average("ema"), Schedule.from_args(trainer.args, 64), None)
    assert choose_average(trainer) == {} and "nothing was averaged" in caplog.text
    trainer.average = None
    assert choose_average(trainer) == {}


def test_a_selection_has_both_values_and_the_rows():
    record = {
        "average": "last=3", "of": "3 evaluations", "compared": True, "kept": True, "metric": "eval_loss",
        "figures": {"eval_loss": 0.25}, "step": 40, "step_figures": {"eval_loss": 0.5},
    }  # fmt: skip
    (entry,) = selection_of(record, 80)
    assert entry["value"] == "last=3 of 3 evaluations" and entry["score"] == 0.25 and entry["rows"] == 80
    assert entry["candidates"] == {"average": 0.25, "step 40": 0.5} and entry["method"] == "better val_loss"
    (entry,) = selection_of(record | {"kept": False}, 80)
    assert entry["value"] == "step 40" and entry["score"] == 0.5


@pytest.mark.parametrize(
    ("value", "other", "lower", "better"),
    [(0.2, 0.3, True, True), (0.2, 0.3, False, False), (0.3, 0.3, True, False), (float("nan"), 0.3, True, False),
     (0.9, float("nan"), True, True), (None, 0.1, True, False), (0.9, None, False, True)],
)  # fmt: skip
def test_no_number_is_never_better(value, other, lower, better):
    assert is_better(value, other, lower=lower) is better


def test_an_exchange_twice_changes_no_bit_and_tied_weights_stay_tied():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.out = nn.Embedding(5, 3), nn.Linear(3, 5, bias=False)
            self.out.weight = self.embedding.weight

    for model in (Tied(), Tied().bfloat16(), make_bert()):
        before = {name: each.detach().clone() for name, each in model.named_parameters()}
        other = {name: torch.randn(each.shape) for name, each in before.items()}
        wanted = {name: each.clone() for name, each in other.items()}
        exchange(model, other)
        assert all(torch.equal(each, wanted[name].to(each.dtype)) for name, each in model.named_parameters())
        exchange(model, other)
        assert same(before, dict(model.named_parameters()))
        if isinstance(model, Tied):
            assert model.out.weight is model.embedding.weight
