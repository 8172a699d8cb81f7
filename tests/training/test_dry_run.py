"""A dry run finds what would fail in training."""

from __future__ import annotations

import pytest
from datasets import DatasetDict
from helpers import assert_refused

from classification.training.dry_run import dry_run


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"optim": "adamw_bnb_8bit"}, ["--optim adamw_bnb_8bit", "bitsandbytes", "adamw_torch"]),
        ({"optim_args": "x"}, ["--optim_args x", "name=value", "leave it out"]),
        ({"lr_scheduler_kwargs": {"y": 1}}, ['--lr_scheduler_kwargs {"y": 1}', "Correct --lr_scheduler_kwargs"]),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, ["--lr_scheduler_type cosine_with_min_lr", "_kwargs"]),
    ],
)
def test_an_optimizer_or_schedule_that_cannot_be_made_is_refused(flags, words, make_trainer):
    trainer = make_trainer(**flags)
    assert_refused(words, dry_run, trainer, DatasetDict(train=trainer.train_dataset))


def test_the_loss_of_one_batch_is_computed_in_two_ways(make_trainer, caplog):
    caplog.set_level("INFO")
    trainer = make_trainer()
    losses = dry_run(trainer, DatasetDict(train=trainer.train_dataset))
    assert losses["dry_run_loss"] == pytest.approx(losses["dry_run_loss_explicit"], abs=1e-7)
    for part in ("input_ids", "attention_mask", "token_type_ids", "labels", "[8, ", "int64", "[CLS]"):
        assert part in caplog.text


def test_rows_without_labels_have_no_loss(make_trainer):
    trainer = make_trainer()
    rows = trainer.eval_dataset.remove_columns("labels")
    assert dry_run(trainer, DatasetDict(test=rows)) == {}
