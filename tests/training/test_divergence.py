"""A loss, a gradient or an output that is not finite stops training, and the rows are named."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from corpus import make_rows
from transformers import TrainerControl, TrainerState

from classification.errors import RunError
from classification.training.divergence import MAX_SKIPPED, FiniteSteps, Step, check_finite, remedies

NAN = float("nan")
IDS = [f"t{i}" for i in range(64)]
BAD = 40  # the row with a comma, the only one
ROWS = [row | {"text": row["text"] + " ," * (i == BAD)} for i, row in enumerate(make_rows(64, 1))]


def message_of(function, *args, **kwargs) -> str:
    with pytest.raises(RunError) as stopped:
        function(*args, **kwargs)
    text = str(stopped.value)
    assert "\n" not in text and stopped.value.is_shared
    return text


def poison(trainer, word: str) -> None:
    """Texts with this word get an output that is not finite."""
    token = trainer.processing_class.convert_tokens_to_ids(word)
    with torch.no_grad():
        trainer.model.get_input_embeddings().weight[token] = NAN


def micro_batch_of(trainer, row: int) -> tuple[int, list[int]]:
    """Number (from 0) and rows of the first epoch's micro-batch with this row."""
    batches = list(trainer.get_train_dataloader().batch_sampler)
    return next((i, rows) for i, rows in enumerate(batches) if row in rows)


def finite_weights(trainer) -> bool:
    embeddings = trainer.model.get_input_embeddings().weight
    return all(weight.isfinite().all() for weight in trainer.model.parameters() if weight is not embeddings)


# ------------------------------------------------------------------------------------------------------ real training


@pytest.mark.parametrize("accumulated", [1, 2, 3])
def test_a_loss_that_is_not_finite_names_the_rows_of_its_micro_batch(make_trainer, encode, accumulated):
    changes = {"gradient_accumulation_steps": accumulated, "eval_strategy": "no", "max_grad_norm": 5}
    trainer = make_trainer({"train_dataset": encode(ROWS)}, **changes)
    trainer.finite_steps.row_ids = {"train": IDS}
    poison(trainer, ",")
    number, rows = micro_batch_of(trainer, BAD)
    text = message_of(trainer.train)
    assert f"at step {number // accumulated + 1} of " in text and "(epoch 1, learning rate 0.00" in text
    assert "fp32): the loss is not finite. The 8 rows of this batch: " in text
    assert ", ".join(IDS[row] for row in rows) + f". The output is not finite for 1 of them: {IDS[BAD]}." in text
    assert "--learning_rate or --max_grad_norm 1.0" in text and "No checkpoint was saved" in text
    assert finite_weights(trainer)  # no step was made with them


@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_a_gradient_that_is_not_finite_names_the_rows_of_its_step(make_trainer, value):
    trainer = make_trainer(gradient_accumulation_steps=2, eval_strategy="no")
    trainer.finite_steps.row_ids = {"train": IDS}
    calls = []
    trainer.model.classifier.weight.register_hook(
        lambda gradient: calls.append(0) or (torch.full_like(gradient, value) if len(calls) == 6 else gradient)
    )
    text = message_of(trainer.train)
    batches = list(trainer.get_train_dataloader().batch_sampler)
    assert "step 3 of " in text and "the loss is finite, but its gradient is not finite. The 16 rows" in text
    assert ", ".join(IDS[row] for row in batches[4] + batches[5]) in text and "of them" not in text
    assert finite_weights(trainer)


def test_checkpoints_from_before_are_kept_and_named(make_trainer, tmp_path):
    trainer = make_trainer(save_strategy="steps", save_steps=2, eval_strategy="no")
    calls = []
    trainer.model.classifier.bias.register_hook(
        lambda gradient: calls.append(0) or (gradient * NAN if len(calls) == 5 else gradient)
    )
    text = message_of(trainer.train)
    folder = tmp_path / "trainer"
    assert f"Checkpoints from before: {folder / 'checkpoint-2'}, {folder / 'checkpoint-4'}." in text
    assert (folder / "checkpoint-4" / "model.safetensors").exists()


def test_weights_that_overflow_in_the_last_step_are_found_by_the_evaluation(make_trainer):
    trainer = make_trainer(learning_rate=1e38, max_grad_norm=0, per_device_train_batch_size=64, num_train_epochs=1)
    trainer.finite_steps.row_ids = {"validation": [f"v{i}" for i in range(24)]}
    text = message_of(trainer.train)
    assert "not finite for all 24 rows of validation after step 1 of 1 (epoch 1, learning rate 1e+38, fp32)" in text
    assert "diverged or are damaged" in text


def test_rows_of_validation_without_a_finite_output_are_named_in_their_order(make_trainer):
    trainer = make_trainer(eval_on_start=True)
    trainer.finite_steps.row_ids = {"validation": [f"v{i}" for i in range(24)]}
    poison(trainer, "bleak")
    bad = [f"v{i}" for i, row in enumerate(make_rows(24, 2)) if "bleak" in row["text"].split()]
    assert 0 < len(bad) <= 5
    text = message_of(trainer.train)
    assert f"{len(bad)} of 24 rows ({', '.join(bad)}) of validation before the first step" in text
    assert "No checkpoint was saved" in text


def test_a_finished_epoch_is_saved_before_single_rows_of_validation_stop_the_run(make_trainer, encode, tmp_path):
    rows = [row | {"text": row["text"].replace("bleak", "bad")} for row in make_rows(64, 1)]
    trainer = make_trainer({"train_dataset": encode(rows)}, num_train_epochs=1)
    poison(trainer, "bleak")
    saved = tmp_path / "trainer" / "checkpoint-8"
    assert f"Checkpoints from before: {saved}." in message_of(trainer.train)
    assert (saved / "model.safetensors").exists() and (saved / "trainer_state.json").exists()


def test_an_evaluation_outside_training_is_left_to_its_caller(make_trainer):
    trainer = make_trainer()
    poison(trainer, "bleak")
    assert np.isnan(trainer.evaluate()["eval_loss"])


# ------------------------------------------------------------------------------------- one callback, without a Trainer


def stub(*, scaler=None, batches=((0, 1), (2, 3), (4, 5)), **state) -> FiniteSteps:
    """The callback on a stand-in for the Trainer, in front of its second step."""
    args = SimpleNamespace(
        bf16=False, fp16=scaler is not None, tf32=None, max_grad_norm=1.0, world_size=1, output_dir="/nowhere",
        ignore_data_skip=False,
    )  # fmt: skip
    loader = SimpleNamespace(batch_sampler=batches)
    steps = FiniteSteps(
        SimpleNamespace(
            args=args, state=TrainerState(max_steps=9, **{"global_step": 1, "epoch": 0.1} | state),
            accelerator=SimpleNamespace(scaler=scaler, optimizer_step_was_skipped=False),
            optimizer=SimpleNamespace(param_groups=[{"lr": 1e-3}, {"lr": 2e-3}]),
            callback_handler=SimpleNamespace(train_dataloader=loader),
        )
    )  # fmt: skip
    steps.row_ids = {"train": list("abcdef")}
    return steps


def feed(steps: FiniteSteps, *losses: float, norm: float = 1.0) -> None:
    steps.losses.extend(torch.tensor(loss) for loss in losses)
    steps.add_gradient(torch.tensor(norm))


def end_step(steps: FiniteSteps, *, skipped=False, **control) -> None:
    steps.trainer.accelerator.optimizer_step_was_skipped = skipped
    steps.on_step_end(steps.trainer.args, steps.trainer.state, TrainerControl(**control))


def test_the_highest_learning_rate_and_all_micro_batches_are_named():
    text = message_of(feed, stub(), 1.0, NAN, 1.0)
    assert "step 2 of 9 (epoch 1, learning rate 0.002, fp32)" in text and "The 2 rows of this batch: c, d." in text
    assert "a, b, c, d, e, f. Train" in message_of(feed, stub(), 1.0, 1.0, 1.0, norm=NAN)


def test_a_padding_row_has_no_id():
    steps = stub(batches=((0, 1), (5, 6)))
    feed(steps, 1.0)
    assert "The 1 row of this batch: f." in message_of(feed, steps, NAN)


@pytest.mark.parametrize(("epoch", "skip", "rows"), [(0.0, True, "a, b"), (1.5, True, "e, f"), (1.5, False, "a, b")])
def test_a_resumed_epoch_goes_on_at_its_micro_batch(epoch, skip, rows):
    steps = stub(epoch=epoch, batches=((0, 1), (2, 3), (4, 5), (0, 1)))
    args = steps.trainer.args
    args.ignore_data_skip = not skip
    steps.on_epoch_begin(args, steps.trainer.state, None, train_dataloader=[0] * 4)
    assert f"of this batch: {rows}." in message_of(feed, steps, NAN)


def on_a_gpu(steps: FiniteSteps, monkeypatch) -> list[str]:
    """As on a GPU, the numbers of a step arrive later; returns what is waited for."""
    waited = []

    def later(is_bad, count):
        step = FiniteSteps._step(steps, is_bad, count)
        event = SimpleNamespace(synchronize=lambda: waited.append(step.position))
        return Step(step.position, step.micro_batches, step.is_bad, step.counts, event)

    monkeypatch.setattr(steps, "_step", later)
    return waited


def test_on_a_gpu_a_step_is_read_when_the_next_one_is_queued(monkeypatch):
    steps = stub()
    waited = on_a_gpu(steps, monkeypatch)
    feed(steps, NAN)
    end_step(steps)
    assert not waited
    steps.trainer.state.global_step += 1
    text = message_of(feed, steps, 1.0)
    assert "step 2 of 9" in text and "of this batch: a, b." in text and len(waited) == 1


@pytest.mark.parametrize("event", ["should_evaluate", "should_save", "should_log"])
def test_on_a_gpu_a_step_is_read_before_an_evaluation_or_a_checkpoint(monkeypatch, event):
    steps = stub()
    on_a_gpu(steps, monkeypatch)
    feed(steps, 1.0, norm=NAN)
    assert "gradient is not finite" in message_of(end_step, steps, **{event: True})


def test_on_a_gpu_the_last_step_of_an_epoch_is_read(monkeypatch):
    steps = stub()
    on_a_gpu(steps, monkeypatch)
    feed(steps, NAN)
    assert "loss is not finite" in message_of(steps.on_epoch_end, steps.trainer.args, steps.trainer.state, None)


def test_in_fp16_single_steps_may_overflow():
    steps = stub(scaler=SimpleNamespace(get_scale=lambda: 1024.0), batches=[(0, 1)] * 99)
    for number in range(40):
        feed(steps, 1.0, norm=NAN if number % 2 else 1.0)
        end_step(steps, skipped=bool(number % 2), should_log=True, should_save=True)
    steps.on_epoch_end(steps.trainer.args, steps.trainer.state, None)
    steps.on_train_end(steps.trainer.args, steps.trainer.state, None)


@pytest.mark.parametrize(("scale", "allowed"), [(0.5, 0), (1024.0, MAX_SKIPPED - 1)])
def test_in_fp16_the_run_stops_when_the_scaler_has_given_up(scale, allowed):
    steps = stub(scaler=SimpleNamespace(get_scale=lambda: scale), batches=[(0, 1)] * 99)
    for _ in range(allowed):
        feed(steps, 1.0, norm=NAN)
        end_step(steps, skipped=True)
    feed(steps, 1.0, norm=NAN)
    text = message_of(end_step, steps, skipped=True)
    assert f"the GradScaler has skipped {allowed + 1} step" in text and "fp16" in text and "--precision fp32" in text


def test_in_fp16_a_short_run_of_skipped_steps_has_trained_nothing():
    steps = stub(scaler=SimpleNamespace(get_scale=lambda: 1024.0))
    for _ in range(2):
        feed(steps, 1.0, norm=NAN)
        end_step(steps, skipped=True)
    message_of(steps.on_train_end, steps.trainer.args, steps.trainer.state, None)


# ------------------------------------------------------------------------------------------------------------ messages


def arguments(folder="/nowhere", **changes):
    return SimpleNamespace(
        **{"bf16": False, "fp16": False, "tf32": None, "max_grad_norm": 1.0, "output_dir": folder} | changes
    )


def test_only_remedies_that_are_left_are_named(tmp_path):
    assert remedies(arguments()) == (
        "Train with a lower --learning_rate, or look at these rows. No checkpoint was saved before."
    )
    assert "--max_grad_norm 1.0 or --precision fp32" in remedies(arguments(max_grad_norm=0, bf16=True))
    for name in ("checkpoint-10", "checkpoint-9", "checkpoint-x"):
        (tmp_path / name).mkdir()
    assert f"{tmp_path / 'checkpoint-9'}, {tmp_path / 'checkpoint-10'}." in remedies(arguments(tmp_path))


@pytest.mark.parametrize("value", [NAN, float("inf"), -float("inf")])
def test_an_output_that_is_not_finite_is_refused(value):
    logits = np.zeros((3, 2))
    check_finite(logits, list("abc"), "test", arguments())
    logits[1, 0] = value
    assert "not finite for 1 of 3 rows (b) of test." in message_of(
        check_finite, logits, list("abc"), "test", arguments()
    )
    assert "1 of 3 rows (1) of test" in message_of(check_finite, logits, None, "test", arguments())
    logits[:] = value
    assert "all 3 rows of test. The weights have diverged" in message_of(
        check_finite, logits, list("abc"), "test", arguments()
    )
