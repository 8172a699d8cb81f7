"""The Trainer's hooks: its loss over rows, the order of rows, what it counts, and no waiting for the device."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from corpus import make_rows
from helpers import make_tokenizer

from classification.training.callbacks import ProgressDisplay
from classification.training.schedule import Schedule


def test_no_step_reads_a_figure_back_from_the_device(make_trainer, monkeypatch):
    """Loss, gradient norm and counts stay on the device between two lines of the log: on a GPU each reading waits for
    all queued work. (One reading is left, whether a mask masks anything. It is the library's.)"""
    readings = []
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        original = getattr(torch.Tensor, name)

        def read(tensor, *args, _original=original, **kwargs):
            caller = sys._getframe(1).f_code
            readings.append(f"{Path(caller.co_filename).name}:{caller.co_name}")
            return _original(tensor, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, read)
    counted = []
    for steps in (4, 8):
        trainer = make_trainer(max_steps=steps, eval_strategy="no")
        readings.clear()
        trainer.train()
        counted.append(Counter(readings))
    assert counted[1] - counted[0] == {"masking_utils.py:_ignore_bidirectional_mask_sdpa": 4}


def test_the_counts_are_those_of_the_data(make_trainer):
    """64 rows, twice; validation (24) three times."""
    trainer = make_trainer(per_device_train_batch_size=1)
    trainer.train()
    trainer.evaluate()
    tokens = sum(len(row["text"].split()) + 2 for row in make_rows(64, 1))
    rows, real, padded, squares = trainer.training.counts.tolist()
    assert (rows, real, padded) == (128, 2 * tokens, 2 * tokens) and squares > real
    assert trainer.evaluation.counts[0] == 3 * 24
    assert 0 < trainer.training.seconds_waiting < trainer.training.seconds


def test_val_loss_is_the_mean_over_rows(make_trainer):
    """24 rows in batches of 7: a mean of batch means would count the last three rows double."""
    trainer = make_trainer({"eval_tokens": None}, per_device_eval_batch_size=7)
    losses = []
    for row in trainer.eval_dataset:
        inputs = {name: torch.tensor([row[name]]) for name in ("input_ids", "attention_mask", "token_type_ids")}
        with torch.no_grad():
            losses.append(trainer.model.eval()(**inputs, labels=torch.tensor([row["labels"]])).loss.item())
    assert trainer.evaluate()["eval_loss"] == pytest.approx(np.mean(losses), abs=1e-5)


@pytest.mark.parametrize("eval_tokens", [None, 40, 4096])
def test_predictions_are_in_row_order_whatever_the_batches(make_trainer, encode, eval_tokens):
    rows = encode(make_rows(24, 3)).remove_columns("labels")
    trainer = make_trainer({"eval_tokens": eval_tokens}, per_device_eval_batch_size=5)
    alone = [trainer.predict(rows.select([i])).predictions[0] for i in range(24)]
    together = trainer.predict(rows).predictions
    assert np.abs(together - np.stack(alone)).max() < 2e-6 and np.std(together[:, 0]) > 1e-4


def test_a_model_that_takes_no_mask_is_counted_all_the_same(make_trainer):
    """FNet mixes tokens without attention; its tokenizer gives no attention_mask."""
    import transformers

    tokenizer = make_tokenizer()
    tokenizer.model_input_names = ["input_ids", "token_type_ids"]
    config = transformers.FNetConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=1, intermediate_size=64, max_position_embeddings=64,
        tpu_short_seq_length=64,
    )  # fmt: skip
    parts = {
        "model": transformers.FNetForSequenceClassification(config), "processing_class": tokenizer,
        "data_collator": transformers.DataCollatorWithPadding(tokenizer),
    }  # fmt: skip
    trainer = make_trainer(parts, num_train_epochs=1)
    trainer.train()
    tokens = sum(len(row["text"].split()) + 2 for row in make_rows(64, 1))
    assert trainer.training.counts.tolist()[:2] == [64, tokens]


def test_an_epoch_without_rows_has_no_figures(make_trainer):
    """An average over no rows would be an invented number (`--eval_on_start`)."""
    assert make_trainer().take_epoch_totals() == {}


def test_the_epochs_of_a_resumed_run_are_all_there(make_trainer, tmp_path):
    first = make_trainer(num_train_epochs=2, save_strategy="epoch")
    first.train()
    assert [epoch["step"] for epoch in first.epochs] == [8, 16]
    second = make_trainer(num_train_epochs=3, save_strategy="epoch")
    second.train(resume_from_checkpoint=str(tmp_path / "trainer" / "checkpoint-16"))
    assert [epoch["step"] for epoch in second.epochs] == [8, 16, 24]
    assert second.epochs[:2] == first.epochs


def test_the_decisions_are_summarised_in_the_order_of_the_work(make_trainer):
    trainer = make_trainer({"draw_weights": np.ones(64), "patience": 1}, num_train_epochs=4)
    lines = trainer.summary(Schedule.from_args(trainer.args, 64))
    assert [line.topic for line in lines if line.topic] == ["parameters", "sampler", "steps", "decay"]


def test_the_librarys_progress_is_replaced(make_trainer):
    names = [type(callback).__name__ for callback in make_trainer().callback_handler.callbacks]
    assert not {"ProgressCallback", "PrinterCallback"} & set(names) and names.count(ProgressDisplay.__name__) == 1
