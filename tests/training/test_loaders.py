"""What follows from the device, what the flags override, and what the machine cannot do right."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from helpers import assert_refused

from classification.models.precision import Precision
from classification.training.loaders import (
    describe_loaders,
    device_arguments,
    loader_settings,
    make_training_arguments,
    refuse_unfit,
)

FLAGS = {"metric_for_best_model": "loss", "report_to": "none", "dataloader_num_workers": 0}


def test_loaders_work_ahead_of_an_accelerator_only():
    assert loader_settings("cpu") == {"dataloader_num_workers": 0, "dataloader_pin_memory": False}
    gpu = loader_settings("cuda")
    assert 1 <= gpu["dataloader_num_workers"] <= 8 and gpu["dataloader_prefetch_factor"] == 2
    assert gpu["dataloader_pin_memory"] and gpu["accelerator_config"] == {"non_blocking": True}
    assert gpu["dataloader_persistent_workers"]
    assert "dataloader_prefetch_factor" not in loader_settings("cuda", workers=0)  # torch refuses it without workers


def test_the_device_decides_and_flags_override(tmp_path):
    decided = device_arguments("cpu", Precision("bf16", "test"))
    flags = FLAGS | {"output_dir": str(tmp_path), "dataloader_num_workers": 3}
    args, given = (make_training_arguments(flags, decided, names) for names in ((), ("dataloader_num_workers",)))
    assert args.use_cpu and args.bf16 and not args.fp16
    assert (args.dataloader_num_workers, given.dataloader_num_workers) == (0, 3)
    assert describe_loaders(args).text == "0 workers, pinned memory off"


def test_the_trainer_neither_pushes_nor_holds_the_token(tmp_path):
    """It would create a repository when it is made, push its folder at every save, and show trackers its arguments."""
    push = {"push_to_hub": True, "hub_token": "sentinel", "hub_always_push": True, "hub_model_id": "me/model"}
    args = make_training_arguments(FLAGS | push | {"output_dir": str(tmp_path)}, {"use_cpu": True}, push)
    assert not args.push_to_hub and not args.hub_always_push
    for shown in (args.to_dict(), args.to_sanitized_dict(), args.to_json_string(), vars(args), args):
        assert "sentinel" not in str(shown)


@pytest.mark.parametrize(
    ("metric", "greater"), [("loss", False), ("eval_loss", False), ("rmse", False), ("accuracy", True), ("mcc", True)]
)
def test_the_direction_of_the_best_metric_is_known(metric, greater, tmp_path):
    flags = FLAGS | {"output_dir": str(tmp_path), "metric_for_best_model": metric}
    assert make_training_arguments(flags, {"use_cpu": True}, ()).greater_is_better is greater


def test_what_the_library_refuses_is_bad_input(tmp_path):
    flags = FLAGS | {"output_dir": str(tmp_path), "eval_strategy": "sometimes"}
    assert_refused(["The Trainer refuses", "sometimes"], make_training_arguments, flags, {"use_cpu": True}, ())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"n_gpu": 4}, "accelerate launch --num_processes 4"),
        ({"world_size": 2}, "--train_sampling_strategy sequential"),
        ({"world_size": 2, "train_sampling_strategy": "random"}, None),
        ({"report_to": ["nowhere"]}, "--report_to nowhere"),
    ],
)
def test_what_the_processes_cannot_do_right_is_refused(changes, words):
    one = {"n_gpu": 1, "world_size": 1, "train_sampling_strategy": "sequential", "report_to": []}
    args = SimpleNamespace(**one | changes)
    if words is None:
        refuse_unfit(args)
    else:
        assert_refused([words], refuse_unfit, args)
