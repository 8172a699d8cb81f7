"""The room that a training needs is known before it begins, and a run that would fit is never refused."""

from __future__ import annotations

import json
import re
import shutil
from collections import namedtuple

import pytest
import zoo
from helpers import make_bert

from classification.errors import UsageError
from classification.models.adapters import add_lora
from classification.models.bilstm import BiLstmConfig, BiLstmForSequenceClassification
from classification.system.files import free_bytes
from classification.training import disk_space
from classification.training.disk_space import (
    PlannedSaves,
    check_start,
    count_saves,
    plan_saves,
    remedies,
)
from classification.training.final_model import save_final_model
from classification.training.optimizer_trial import optimizer_made
from classification.training.schedule import Schedule

Usage = namedtuple("Usage", "total used free")


def size_of(folder) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def medium_bert():
    return make_bert(hidden_size=128, intermediate_size=512, num_hidden_layers=2, vocab_size=1000)


def lstm():
    sizes = {"vocab_size": 1000, "embedding_size": 64, "hidden_size": 64, "num_hidden_layers": 2, "num_labels": 2}
    return BiLstmForSequenceClassification(BiLstmConfig(**sizes))


def frozen():
    model = medium_bert()
    model.bert.requires_grad_(False)
    return model


MODELS = {"bert": medium_bert, "lora": lambda: add_lora(medium_bert(), 32), "lstm": lstm, "frozen": frozen}
CASES = [
    ("bert", {}),
    ("bert", {"optim": "adamw_torch"}),
    ("bert", {"optim": "sgd"}),
    ("bert", {"optim": "adagrad"}),
    ("bert", {"optim": "rmsprop"}),
    ("bert", {"save_only_model": True}),
    ("lora", {}),
    ("lora", {"optim": "sgd"}),
    ("lstm", {}),
    ("lstm", {"optim": "sgd"}),
    ("frozen", {}),
]


@pytest.mark.parametrize(("model", "flags"), CASES, ids=[f"{model} {flags}" for model, flags in CASES])
def test_the_size_of_a_checkpoint_is_known_within_a_tenth(make_trainer, tmp_path, model, flags):
    trainer = make_trainer(
        {"model": MODELS[model]()}, max_steps=1, save_strategy="steps", save_steps=1, eval_strategy="no", **flags
    )
    schedule = Schedule.from_args(trainer.args, 64)
    with optimizer_made(trainer, schedule.steps):
        saves = plan_saves(trainer, schedule)
    trainer.train()
    saved = size_of(tmp_path / "trainer" / "checkpoint-1")
    assert 0.9 * saved <= saves.checkpoint <= 1.1 * saved, saves.checkpoint / saved
    shutil.rmtree(tmp_path / "trainer")
    save_final_model(trainer)
    assert 0.9 * size_of(tmp_path / "trainer") <= saves.model <= 1.1 * size_of(tmp_path / "trainer")


def test_the_size_of_a_merged_adapter_is_that_of_the_whole_model(make_trainer):
    adapted = make_trainer({"model": add_lora(medium_bert(), 32)})
    whole = make_trainer({"model": medium_bert()})
    schedule = Schedule.from_args(whole.args, 64)
    assert plan_saves(adapted, schedule, merges=True).model == plan_saves(whole, schedule).model


def test_tied_weights_count_once():
    model = zoo.load(zoo.saved("albert")).model
    once = disk_space.tensor_bytes(model.state_dict())
    assert disk_space.tensor_bytes({**model.state_dict(), "again": next(iter(model.state_dict().values()))}) == once


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        ({"save_strategy": "no"}, 0),
        ({"save_strategy": "epoch"}, 2),
        ({"save_strategy": "epoch", "max_steps": 20}, 3),
        ({"save_strategy": "steps", "save_steps": 5}, 4),
        ({"save_strategy": "steps", "save_steps": 0.5}, 2),
        ({"save_strategy": "steps", "save_steps": 500}, 1),
        ({"save_strategy": "best", "metric_for_best_model": "loss"}, 1),
    ],
)
def test_the_number_of_checkpoints_is_that_of_the_trainer(make_trainer, tmp_path, flags, count):
    trainer = make_trainer(**flags)
    assert count_saves(trainer, Schedule.from_args(trainer.args, 64)) == count
    trainer.train()
    saved = len(list((tmp_path / "trainer").glob("checkpoint-*")))
    assert saved >= count if flags["save_strategy"] == "best" else saved == count


def test_early_stopping_may_end_a_run_before_most_of_its_checkpoints(make_trainer):
    trainer = make_trainer({"patience": 2}, num_train_epochs=50, save_strategy="epoch", metric_for_best_model="loss")
    assert count_saves(trainer, Schedule.from_args(trainer.args, 64)) == 3


@pytest.mark.parametrize(
    ("count", "limit", "best", "least", "likely"),
    [
        (0, 0, False, 10, 10),  # the model
        (1, 2, True, 40, 40),  # one checkpoint, then the model beside it
        (2, 2, True, 70, 70),
        (3, 2, True, 90, 90),  # the third is written before the first is deleted
        (3, 1, False, 60, 60),
        (3, 1, True, 60, 90),  # the best one may be the first
        (5, 0, False, 160, 160),  # all are kept
        (5, 9, False, 160, 160),
    ],
)
def test_the_most_that_is_on_the_disk_at_one_moment(count, limit, best, least, likely):
    saves = PlannedSaves(checkpoint=30, model=10, count=count, limit=limit, keeps_best=best)
    assert (saves.least, saves.likely) == (least, likely)


@pytest.fixture
def disk(monkeypatch):
    """A function that sets how many bytes are free."""

    def set_free(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**12, 10**12 - free, free))

    return set_free


@pytest.fixture
def planned(make_trainer):
    """A function: flags -> the Trainer of ten epochs that keeps all checkpoints, its schedule, and what it writes."""

    def plan(**flags):
        trainer = make_trainer({"model": medium_bert()}, **{"num_train_epochs": 10, "save_strategy": "epoch"} | flags)
        schedule = Schedule.from_args(trainer.args, 64)
        with optimizer_made(trainer, schedule.steps):
            return trainer, schedule, plan_saves(trainer, schedule)

    return plan


def test_a_run_that_cannot_fit_is_refused_with_remedies_that_suffice(planned, disk):
    trainer, schedule, saves = planned()
    disk(3 * saves.checkpoint)
    with pytest.raises(UsageError) as refused:
        check_start(trainer, schedule)
    text = str(refused.value)
    needed, free = disk_space.gb(saves.least), disk_space.gb(3 * saves.checkpoint)
    words = ["--output_dir", f"{needed} GB", f"{free} GB are free", "--save_total_limit 1", "--save_strategy no"]
    assert not [word for word in words if word not in text], text
    for flags in (
        {"save_total_limit": 1},
        {"save_only_model": True, "save_total_limit": 1},
        {"save_strategy": "no", "load_best_model_at_end": False},
    ):
        trainer, schedule, _ = planned(**flags)
        check_start(trainer, schedule)


def test_a_remedy_that_does_not_suffice_is_not_proposed(planned):
    _, _, saves = planned()
    text = remedies(saves, int(1.5 * saves.checkpoint))
    assert "pass --save_total_limit 1 (" not in text and "--save_strategy no" in text
    assert "--save" not in remedies(saves, saves.model // 2) and "another disk" in remedies(saves, 0)


def test_one_byte_decides(planned, disk, caplog):
    trainer, schedule, saves = planned()
    disk(saves.least)
    check_start(trainer, schedule)
    assert "may become full" in caplog.text
    disk(saves.least - 1)
    with pytest.raises(UsageError):
        check_start(trainer, schedule)


def test_enough_room_says_nothing(planned, disk, caplog):
    trainer, schedule, saves = planned()
    disk(2 * saves.least)
    check_start(trainer, schedule)
    assert not caplog.text


def test_the_checkpoints_of_a_run_that_is_resumed_are_counted_once(planned, disk, tmp_path):
    trainer, schedule, saves = planned()
    old = checkpoint_of(tmp_path / "trainer", 8, saves.checkpoint)
    disk(saves.least - saves.checkpoint)
    check_start(trainer, schedule, checkpoint=old)
    with pytest.raises(UsageError):  # another run: its checkpoints are moved aside and keep their room
        check_start(trainer, schedule)


def checkpoint_of(folder, step: int, size: int) -> str:
    """A checkpoint with as much of it as the check reads."""
    folder = folder / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": step}), encoding="utf-8")
    (folder / "optimizer.pt").write_bytes(bytes(size))
    return str(folder)


@pytest.mark.parametrize(
    ("done", "flags", "count", "limit_1"),
    [
        (0, {}, 10, 2),
        (72, {}, 1, 1),
        (75, {}, 1, 1),  # stopped by a signal, in mid-epoch
        (80, {}, 0, 0),
        (80, {"num_train_epochs": 9.5}, 0, 0),
        (72, {"num_train_epochs": 9.5}, 1, 1),
        (8, {"save_strategy": "steps", "save_steps": 30}, 3, 1),
    ],
    ids=str,
)
def test_a_resumed_run_needs_room_for_what_is_left_to_save(planned, disk, tmp_path, done, flags, count, limit_1):
    """The least that is free, to the byte; and for `--save_total_limit 1`."""
    for limit, more in ((0, count), (1, limit_1)):
        trainer, schedule, saves = planned(**flags | {"save_total_limit": limit or None, "output_dir": str(tmp_path)})
        checkpoint = checkpoint_of(tmp_path, done, saves.checkpoint - 100) if done else None
        kept = count if not limit else (0 if done else 1)
        least = max(more * saves.checkpoint, kept * saves.checkpoint + saves.model)
        disk(least)
        check_start(trainer, schedule, checkpoint=checkpoint)
        disk(least - 1)
        with pytest.raises(UsageError, match="for the model;" if not count else f"for {more} .*checkpoint"):
            check_start(trainer, schedule, checkpoint=checkpoint)
        shutil.rmtree(tmp_path / f"checkpoint-{done}", ignore_errors=True)


def test_a_resumed_run_may_stop_early_or_never_be_better(planned):
    trainer, schedule, _ = planned(save_strategy="best", metric_for_best_model="loss")
    assert count_saves(trainer, schedule, done=8) == 0
    trainer.args.save_strategy, trainer.patience = "epoch", 1
    assert (count_saves(trainer, schedule), count_saves(trainer, schedule, done=8)) == (2, 0)


@pytest.mark.parametrize("other", ["checkpoint-80", "checkpoint-16.partial", "checkpoint-16.deleted"])
def test_what_the_next_save_removes_gives_its_room_back(planned, disk, tmp_path, other):
    """A damaged checkpoint of a later step, or an unfinished one, as long as a whole one."""
    trainer, schedule, saves = planned(output_dir=str(tmp_path))
    checkpoint = checkpoint_of(tmp_path, 8, saves.checkpoint)
    (tmp_path / other).mkdir()
    (tmp_path / other / "optimizer.pt").write_bytes(bytes(saves.checkpoint))
    disk(saves.least - 2 * saves.checkpoint)
    check_start(trainer, schedule, checkpoint=checkpoint)


@pytest.mark.parametrize("other", ["checkpoint-80", "checkpoint-16.superseded"])
def test_what_stays_gives_no_room_back(planned, disk, tmp_path, monkeypatch, other):
    """A good checkpoint of a later step, which the next save renames, and one that was renamed so."""
    trainer, schedule, saves = planned(output_dir=str(tmp_path))
    checkpoint = checkpoint_of(tmp_path, 8, saves.checkpoint)
    (tmp_path / other).mkdir()
    (tmp_path / other / "optimizer.pt").write_bytes(bytes(saves.checkpoint))
    monkeypatch.setattr(disk_space, "damage_of", lambda checkpoint: None)
    disk(saves.least - 2 * saves.checkpoint)
    with pytest.raises(UsageError, match="are free"):
        check_start(trainer, schedule, checkpoint=checkpoint)


def test_the_optimizer_is_tried_whatever_is_known_of_the_disk(planned, monkeypatch):
    trainer, schedule, _ = planned()
    monkeypatch.setattr(disk_space, "free_bytes", lambda folder: None)
    monkeypatch.setattr(type(trainer), "create_optimizer", refuse_optimizer)
    with pytest.raises(UsageError, match="--optim some"):
        check_start(trainer, schedule)


def refuse_optimizer(*arguments):
    raise UsageError("--optim some: no")


def test_two_numbers_that_differ_are_printed_so(planned, disk):
    trainer, schedule, saves = planned()
    disk(saves.least - 1)
    with pytest.raises(UsageError) as refused:
        check_start(trainer, schedule)
    needed, free = re.search(r"needs (\S+) GB .*; (\S+) GB are free", str(refused.value)).groups()
    assert float(needed) > float(free)
    assert disk_space.in_gb(10**10 + 1, 10**10) == ("10.000000001", "10.000000000")


def test_a_checkpoint_that_is_no_folder_has_no_size(planned, disk, tmp_path):
    trainer, schedule, saves = planned()
    (tmp_path / "trainer").mkdir(exist_ok=True)
    (tmp_path / "trainer" / "checkpoint-4").write_text("a file", encoding="utf-8")
    (tmp_path / "trainer" / "checkpoint-8").symlink_to("nowhere")
    (tmp_path / "trainer" / "checkpoint-12").symlink_to("checkpoint-12")
    disk(10 * saves.likely)
    check_start(trainer, schedule, checkpoint=checkpoint_of(tmp_path / "trainer", 2, 10))


def test_a_run_that_trains_nothing_is_never_refused(planned, disk):
    trainer, _, _ = planned()
    disk(0)
    check_start(trainer, None)


def test_an_unknown_optimizer_counts_as_nothing(planned, monkeypatch):
    _, _, known = planned()
    monkeypatch.setattr(disk_space, "STATES", {})
    _, _, unknown = planned()
    assert unknown.checkpoint - disk_space.SMALL_FILES == unknown.model == known.model


def test_a_disk_that_does_not_answer_is_no_reason_to_refuse(planned, monkeypatch):
    def refuse(place):
        raise OSError(5, "Input/output error")

    trainer, schedule, _ = planned()
    monkeypatch.setattr(shutil, "disk_usage", refuse)
    check_start(trainer, schedule)


def test_the_disk_of_a_folder_that_is_not_there_yet_is_that_of_its_parent(tmp_path):
    assert free_bytes(tmp_path / "a" / "b") == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.05)


def test_the_trainer_is_as_it_was(planned, disk):
    trainer, schedule, _ = planned()
    disk(10**12)
    check_start(trainer, schedule)
    assert trainer.optimizer is None and trainer.lr_scheduler is None
