"""The average of weights is the formula's, whatever trains and however often the run is killed."""

from __future__ import annotations

import pytest
import torch
from helpers import make_bert
from planned_deaths import KillAfter, Killed
from safetensors.torch import load_file
from torch import nn
from transformers import TrainerCallback

from classification.errors import UsageError
from classification.models.adapters import add_lora
from classification.training.average_kind import Average
from classification.training.averaging import FILE, attach_average, trainable
from classification.training.checkpoints import all_checkpoints
from classification.training.disk_space import plan_saves
from classification.training.optimizer_trial import optimizer_made
from classification.training.schedule import Schedule

STEPS = {"save_strategy": "steps", "save_steps": 3, "logging_steps": 5, "metric_for_best_model": "eval_loss"}
BEST = {"eval_strategy": "steps", "eval_steps": 3, "save_strategy": "steps", "save_steps": 3}


class Recorded(TrainerCallback):
    """The weights that train, in float64, after each step and at each evaluation."""

    def __init__(self, trainer):
        self.trainer, self.after_steps, self.at_evaluations = trainer, [], []

    def now(self):
        return {name: each.detach().double().clone() for name, each in trainable(self.trainer.model).items()}

    def on_step_end(self, args, state, control, **kwargs):
        self.after_steps.append(self.now())

    def on_evaluate(self, args, state, control, **kwargs):
        if state.global_step:
            self.at_evaluations.append(self.now())


@pytest.fixture
def averaging(make_trainer, tmp_path):
    """A function that builds a Trainer with an average and a record of its weights."""
    from transformers import set_seed

    def make(choice: Average, folder="out", model=None, patience=None, **changes):
        set_seed(7)
        parts = {"model": model() if model else make_bert(hidden_dropout_prob=0.1), "patience": patience}
        trainer = make_trainer(parts, output_dir=str(tmp_path / folder), **changes)
        schedule = Schedule.from_args(trainer.args, 64)
        trainer.average = attach_average(trainer, choice, schedule, patience)
        trainer.kept_files.append(trainer.average)
        trainer.record = Recorded(trainer)
        trainer.add_callback(trainer.record)
        return trainer

    return make


def weighted(weights: list[dict], shares: list[float]) -> dict:
    """The plain weighted mean, in float64."""
    return {name: sum(share * each[name] for share, each in zip(shares, weights, strict=True)) / sum(shares)
            for name in weights[0]}  # fmt: skip


def exponential(count: int, decay: float) -> list[float]:
    return [decay ** (count - step) for step in range(1, count + 1)]


def assert_close(average: dict, expected: dict) -> None:
    assert average.keys() == expected.keys()
    for name, each in average.items():
        assert each.dtype == torch.float32
        torch.testing.assert_close(each.double(), expected[name], rtol=0, atol=3e-7)


# ------------------------------------------------------------------------------------------------------------ formulas


def lora():
    torch.manual_seed(3)
    return add_lora(make_bert(hidden_dropout_prob=0.1), 2)


def frozen():
    model = make_bert(hidden_dropout_prob=0.1)
    model.bert.embeddings.requires_grad_(False)
    return model


def half():
    return make_bert(hidden_dropout_prob=0.1).bfloat16()


@pytest.mark.parametrize(
    ("choice", "model", "changes"),
    [
        (Average("ema"), None, {}),
        (Average("ema", 0.6), lora, {}),
        (Average("ema", 0.999), frozen, {}),
        (Average("ema", 0.9), half, {}),
        (Average("ema"), None, {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4, "bf16": True}),
        (Average("ema"), None, {"max_steps": 5, "lr_scheduler_type": "cosine", "optim": "sgd"}),
    ],
    ids=["all", "LoRA", "frozen embeddings", "weights in bf16", "accumulated", "few steps"],
)
def test_the_moving_average_is_the_formula_with_a_corrected_start(averaging, choice, model, changes):
    trainer = averaging(choice, model=model, **changes)
    trainer.train()
    record, average = trainer.record.after_steps, trainer.average
    steps = len(record)
    decay = choice.decay or 1 - 2 / (max(1, steps / 5) + 1)
    assert average.count == steps and average.decay == pytest.approx(decay)
    assert_close(average.weights(), weighted(record, exponential(steps, decay)))


@pytest.mark.parametrize(
    ("count", "model", "changes", "evaluations"),
    [
        (2, lora, {"eval_strategy": "epoch"}, 2),
        (3, None, {"eval_strategy": "steps", "eval_steps": 3, "eval_on_start": True}, 6),
        (3, half, {"eval_strategy": "steps", "eval_steps": 3, "eval_delay": 7}, 4),
        (6, None, {"eval_strategy": "steps", "eval_steps": 0.125, "max_steps": 13}, 7),
    ],
)
def test_the_mean_of_the_last_evaluations_is_the_plain_mean(averaging, count, model, changes, evaluations):
    trainer = averaging(Average("last", evaluations=count), model=model, **changes)
    trainer.train()
    record = trainer.record.at_evaluations
    assert len(record) == evaluations and trainer.average.count == count
    assert_close(trainer.average.weights(), weighted(record[-count:], [1] * count))


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_ends_the_mean_where_it_ends_the_training(averaging, patience):
    """The rule prefers a high loss, which falls: training ends after 1 + patience evaluations."""
    changes = BEST | {"metric_for_best_model": "eval_loss", "greater_is_better": True, "learning_rate": 1e-4}
    trainer = averaging(Average("last", evaluations=3), patience=patience, **changes)
    trainer.train()
    record = trainer.record.at_evaluations
    assert trainer.average.count == len(record) == patience + 1 < 6
    assert_close(trainer.average.weights(), weighted(record[-3:], [1] * min(3, len(record))))


def test_a_step_that_the_scaler_of_fp16_skips_does_not_count(averaging, monkeypatch):
    trainer = averaging(Average("ema", 0.6), max_steps=4)
    before = {name: each.detach().double().clone() for name, each in trainable(trainer.model).items()}
    skips = iter([True, False, True, False])

    class Skipping(TrainerCallback):
        def on_optimizer_step(self, args, state, control, **kwargs):
            trainer.accelerator.step_was_skipped = next(skips)

    trainer.add_callback(Skipping())
    monkeypatch.setattr(
        type(trainer.accelerator), "optimizer_step_was_skipped", property(lambda self: self.step_was_skipped)
    )
    trainer.train()
    second, fourth = trainer.record.after_steps[1], trainer.record.after_steps[3]
    assert trainer.average.count == 2
    assert_close(trainer.average.weights(), weighted([second, fourth], [0.6, 1.0]))
    assert any(not torch.equal(before[name], second[name]) for name in before)


def test_the_default_window_is_as_old_in_the_mean_as_the_last_fifth():
    for steps in (60, 300, 5000):
        decay = Average("ema").decay_for(steps)
        shares = exponential(steps, decay)
        age = sum(share * (steps - step) for step, share in enumerate(shares, start=1)) / sum(shares)
        assert age == pytest.approx((steps / 5 - 1) / 2, rel=0.01)


def test_training_is_the_same_with_an_average(averaging, make_trainer, tmp_path):
    with_average = averaging(Average("ema"))
    with_average.train()
    from transformers import set_seed

    set_seed(7)
    plain = make_trainer({"model": make_bert(hidden_dropout_prob=0.1)}, output_dir=str(tmp_path / "plain"))
    plain.train()
    one, other = with_average.model.state_dict(), plain.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


# ----------------------------------------------------------------------------------------------------------- kill, size


KINDS = {
    "every step": (
        Average("ema"), {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4, "model": lora}, None,
    ),
    "evaluations": (Average("last", evaluations=3), {"eval_strategy": "steps", "eval_steps": 2}, None),
    "early stopping": (Average("last", evaluations=3), {"eval_strategy": "steps", "eval_steps": 2}, 6),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_run_has_the_average_of_the_run_without_kills(kind, averaging, tmp_path):
    choice, changes, patience = KINDS[kind]
    flags = STEPS | changes
    whole = averaging(choice, "whole", patience=patience, **flags)
    whole.train()
    for step in (4, 11):
        killed = averaging(choice, "killed", patience=patience, **flags)
        killed.add_callback(KillAfter(step))
        resumed = all_checkpoints(tmp_path / "killed")
        with pytest.raises(Killed):
            killed.train(resume_from_checkpoint=str(resumed[-1]) if resumed else None)
    last = averaging(choice, "killed", patience=patience, **flags)
    last.train(resume_from_checkpoint=str(all_checkpoints(tmp_path / "killed")[-1]))
    one, other = whole.average.weights(), last.average.weights()
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert last.average.count == whole.average.count > 1


def test_a_finished_run_that_is_resumed_has_its_average(averaging, tmp_path):
    first = averaging(Average("ema"), **BEST)
    first.train()
    again = averaging(Average("ema"), **BEST)
    again.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-16"))
    one, other = first.average.weights(), again.average.weights()
    assert again.average.count == 16 and all(torch.equal(one[name], other[name]) for name in one)


def test_a_checkpoint_without_the_average_begins_a_new_one_and_says_so(averaging, tmp_path, capsys, caplog):
    averaging(Average("last", evaluations=2), **BEST).train()
    other = averaging(Average("ema"), **BEST)
    other.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-6"))
    assert other.average.count == 10 and "holds another one (last=2 after 4)" in caplog.text
    (tmp_path / "out" / "checkpoint-6" / FILE).unlink()
    third = averaging(Average("ema"), **BEST)
    third.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-6"))
    assert third.average.count == 10 and "holds no average" in caplog.text


@pytest.mark.parametrize("step", [9, 15])
def test_a_mean_that_begins_late_is_that_of_the_evaluations_that_are_left(averaging, tmp_path, step):
    averaging(Average("ema"), **BEST).train()
    (tmp_path / "out" / f"checkpoint-{step}" / FILE).unlink()
    other = averaging(Average("last", evaluations=3), **BEST)
    other.train(resume_from_checkpoint=str(tmp_path / "out" / f"checkpoint-{step}"))
    left = {9: 3, 15: 1}[step]  # of the evaluations at 12, 15 and 16
    assert other.average.count == len(other.record.at_evaluations) == left
    assert_close(other.average.weights(), weighted(other.record.at_evaluations, [1] * left))


@pytest.mark.parametrize(
    ("choice", "patience", "copies"),
    [(Average("ema"), None, 1), (Average("last", evaluations=3), None, 1), (Average("last", evaluations=3), 9, 3)],
    ids=["ema", "last", "last with early stopping"],
)
def test_the_disk_space_of_the_average_is_planned(averaging, tmp_path, choice, patience, copies):
    changes = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 16}
    model = lambda: make_bert(hidden_size=128, intermediate_size=512, vocab_size=1000)  # noqa: E731
    changes |= {"metric_for_best_model": "eval_loss", "learning_rate": 1e-5}
    trainer = averaging(choice, model=model, patience=patience, **changes)
    schedule = Schedule.from_args(trainer.args, 64)
    with optimizer_made(trainer, schedule.steps):
        saves = plan_saves(trainer, schedule)
    trainer.train()
    folder = tmp_path / "out" / "checkpoint-16"
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert 0.9 * size <= saves.checkpoint <= 1.1 * size
    assert len(load_file(folder / FILE)) == copies * len(trainable(trainer.model))
    assert trainer.average.bytes <= (folder / FILE).stat().st_size <= 1.01 * trainer.average.bytes + 9000
    (line,) = trainer.average.summary()
    assert line.text.endswith(f"; {trainer.average.bytes / 1e6:.2g} MB more in memory and in each checkpoint")


def test_checkpoints_that_cannot_be_resumed_hold_no_average(averaging, tmp_path):
    averaging(Average("ema"), **BEST, save_only_model=True).train()
    assert not (tmp_path / "out" / "checkpoint-16" / FILE).exists()


# ------------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("evaluations", "words"),
    [(1, ["1 evaluation.", "--average ema"]), (2, ["2 evaluations.", "--average last=2", "--eval_steps"])],
)
def test_a_mean_of_more_evaluations_than_there_are_is_refused(evaluations, words):
    with pytest.raises(UsageError) as refused:
        Average("last", evaluations=3).check(evaluations)
    assert "--average last=3: this run has" in str(refused.value)
    assert all(word in str(refused.value) for word in words)
    Average("last", evaluations=3).check(3)
    Average("ema").check(0)


def test_a_model_with_running_statistics_is_refused(make_trainer):
    model = make_bert()
    model.classifier = nn.Sequential(nn.BatchNorm1d(32), nn.Linear(32, 2))
    trainer = make_trainer({"model": model})
    with pytest.raises(UsageError, match="--average ema: classifier.0 keeps statistics"):
        attach_average(trainer, Average("ema"), Schedule.from_args(trainer.args, 64), None)
