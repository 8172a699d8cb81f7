"""The schedule is the Trainer's own; weight decay acts on weight matrices only; the best checkpoint is explained."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch
import transformers
import zoo
from helpers import assert_refused, make_bert
from transformers import DefaultFlowCallback, TrainerControl, TrainerState, TrainingArguments

from classification.training.schedule import Schedule, describe_best, describe_decay


def arguments(**changes) -> TrainingArguments:
    standard = {"output_dir": "unused", "use_cpu": True, "report_to": "none", "per_device_train_batch_size": 8}
    return TrainingArguments(**standard | {"num_train_epochs": 3, "eval_strategy": "epoch"} | changes)


def evaluations_of_the_library(args: TrainingArguments, steps: int, per_epoch: int) -> int:
    """How often the library's own callback asks for an evaluation."""
    flow, state, control, count = DefaultFlowCallback(), TrainerState(max_steps=steps), TrainerControl(), 0
    state.compute_steps(args, steps)
    for step in range(1, steps + 1):
        state.global_step, state.epoch = step, step / per_epoch
        flow.on_step_end(args, state, control)
        count, control.should_evaluate = count + control.should_evaluate, False
        if step % per_epoch == 0 or step == steps:
            flow.on_epoch_end(args, state, control)
            count, control.should_evaluate = count + control.should_evaluate, False
    return count


@pytest.mark.parametrize(
    ("changes", "evaluations"),
    [
        ({}, 3),
        ({"num_train_epochs": 2.5}, 3),
        ({"max_steps": 20}, 3),
        ({"gradient_accumulation_steps": 3}, 3),
        ({"eval_strategy": "steps", "eval_steps": 5}, 5),
        ({"eval_strategy": "steps", "eval_steps": 0.25}, 4),
        ({"eval_strategy": "no"}, 0),
        ({"eval_delay": 2}, 2),
    ],
)
def test_the_schedule_is_the_trainers(make_trainer, changes, evaluations):
    """On 64 training rows in batches of 8."""
    trainer = make_trainer(**{"num_train_epochs": 3} | changes)
    _, per_epoch, _, _, batch, _, steps = trainer.set_initial_training_values(
        trainer.args, trainer.get_train_dataloader()
    )
    schedule = Schedule.from_args(trainer.args, 64)
    assert schedule == Schedule(batch, steps, per_epoch, evaluations)
    assert evaluations_of_the_library(trainer.args, steps, per_epoch) == evaluations


def test_a_patience_that_could_never_stop_the_run_is_refused():
    schedule = Schedule(batch=8, steps=32, per_epoch=8, evaluations=4)
    assert_refused(
        ["--early_stopping_patience 3", "can never stop", "4 evaluations", "5 are needed"],
        schedule.check_early_stopping,
        3,
    )
    schedule.check_early_stopping(2)
    schedule.check_early_stopping(None)


def test_the_summary_names_steps_decay_and_the_best_checkpoint():
    args = arguments(warmup_steps=0.1, gradient_accumulation_steps=2, learning_rate=1e-3,
                     load_best_model_at_end=True, save_strategy="epoch", metric_for_best_model="eval_loss",
                     greater_is_better=False)  # fmt: skip
    decay = describe_decay(make_bert(), {"classifier.weight"}, 0.01)
    steps, shown_decay, best = Schedule.from_args(args, 60).summary(args, 1, decay)
    assert (steps.topic, shown_decay, best.topic) == ("steps", decay, "best")
    assert steps.text == ("12: 3 epochs, 4 per epoch; batch 16 = 8 rows x 2 accumulated; warmup 2 steps")
    assert best.text == (
        "the checkpoint with the lowest val_loss, evaluated every epoch; stops after 1 evaluation without improvement"
    )


@pytest.mark.parametrize(
    ("steps", "rate", "scheduler", "warns"),
    [
        (60, 2e-5, "linear", True),  # measured: see schedule.ENOUGH
        (60, 5e-5, "linear", False),
        (50, 5e-5, "linear", False),
        (8, 0.005, "linear", False),
        (45, 2e-5, "constant_with_warmup", True),
        (60, 2e-5, "constant_with_warmup", False),
        (9, 1e-4, "cosine", True),
    ],
)
def test_a_training_that_hardly_moves_the_model_is_warned_of(steps, rate, scheduler, warns):
    args = arguments(max_steps=steps, learning_rate=rate, lr_scheduler_type=scheduler)
    warnings = [line for line in Schedule.from_args(args, 64).summary(args, None) if line.level == logging.WARNING]
    assert len(warnings) == warns
    for line in warnings:
        assert f"{steps} steps at a learning rate of {rate:g} can hardly move a model" in line.text
        assert "--num_train_epochs" in line.text and ("--learning_rate" in line.text) == (rate < 1e-4)


# ---------------------------------------------------------------------------------------------------- after training


def state(**changes):
    standard = {"best_model_checkpoint": "out/checkpoint-8", "best_metric": 0.25, "best_global_step": 8}
    return SimpleNamespace(**standard | {"global_step": 16} | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ["step 8, f1_macro=0.2500", "step 16, is kept"]),
        ({"global_step": 8}, ["step 8, f1_macro=0.2500", "also the last step"]),
        ({"best_model_checkpoint": None}, ["the best checkpoint was moved or removed", "last step"]),
        ({"best_model_checkpoint": None, "best_metric": float("inf")}, ["no evaluation gave a number for f1_macro"]),
        ({"best_model_checkpoint": None, "best_metric": None}, ["no evaluation gave a number for f1_macro"]),
    ],
)
def test_the_weights_that_are_used_are_explained(changes, words):
    args = SimpleNamespace(load_best_model_at_end=True, metric_for_best_model="f1_macro")
    (line,) = describe_best(args, state(**changes))
    assert all(word in line.text for word in words), line.text
    assert (line.level == logging.WARNING) == ("best_model_checkpoint" in changes)


def test_without_a_choice_of_the_best_checkpoint_nothing_is_said():
    assert describe_best(SimpleNamespace(load_best_model_at_end=False), state()) == []


# ------------------------------------------------------------------------------------------------------- weight decay


@pytest.mark.parametrize(
    "architecture", ["bert", "roberta", "distilbert", "albert", "electra", "deberta-v2", "modernbert"]
)
def test_exactly_the_weight_matrices_are_decayed(architecture, tmp_path):
    """By shape, not by name: biases and the weights of norms are vectors."""
    zoo.save_pretrained(architecture, tmp_path)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    args = arguments(weight_decay=0.01, eval_strategy="no", output_dir=str(tmp_path / "out"))
    optimizer = transformers.Trainer(model=model, args=args).create_optimizer()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {group["weight_decay"]: {names[id(p)] for p in group["params"]} for group in optimizer.param_groups}
    assert groups[0.01] | groups[0.0] == set(names.values()) and not groups[0.01] & groups[0.0]
    assert groups[0.01] == {name for name, parameter in model.named_parameters() if parameter.dim() >= 2}


def test_one_step_without_gradient_shrinks_only_the_decayed(tmp_path):
    model = make_bert()
    args = arguments(weight_decay=0.1, learning_rate=0.5, eval_strategy="no", output_dir=str(tmp_path))
    optimizer = transformers.Trainer(model=model, args=args).create_optimizer()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        factor = 0.95 if parameter.dim() >= 2 else 1.0  # 1 - learning rate * weight decay
        assert torch.allclose(parameter, before[name] * factor, atol=1e-7), name


def test_both_groups_are_counted():
    model = make_bert()
    line = describe_decay(model, {"classifier.weight"}, 0.01)
    others = len(list(model.parameters())) - 1
    assert line.topic == "decay" and line.text.startswith("0.01 on 1 weight tensors")
    assert f"none on {others} biases" in line.text


@pytest.mark.parametrize(
    ("flags", "is_refused"),
    [
        ({"eval_strategy": "epoch", "eval_delay": 3.5}, True),
        ({"eval_strategy": "epoch", "eval_delay": 3}, False),
        ({"eval_strategy": "steps", "eval_steps": 4, "eval_delay": 13}, True),
        ({"eval_strategy": "steps", "eval_steps": 4, "eval_delay": 12}, False),
        ({"eval_strategy": "epoch", "max_steps": 6, "eval_delay": 2.5}, True),
    ],
    ids=str,
)
def test_a_delay_longer_than_the_run_leaves_no_best_checkpoint(flags, is_refused, tmp_path):
    """16 rows in batches of 4: four steps per epoch, 12 in three epochs."""
    best = {"load_best_model_at_end": True, "save_strategy": flags["eval_strategy"], "save_steps": 4}
    args = TrainingArguments(
        output_dir=str(tmp_path), per_device_train_batch_size=4, num_train_epochs=3, use_cpu=True, **best, **flags
    )
    schedule = Schedule.from_args(args, 16)
    if is_refused:
        words = [f"--eval_delay {flags['eval_delay']}", "before the first evaluation"]
        assert_refused(words, schedule.check_best, args)
        args.load_best_model_at_end = False
    schedule.check_best(args)
