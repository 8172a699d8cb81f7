"""Numbers out of range, and flags of the Trainer that would make results wrong."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments

BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "batch of nothing": ({"per_device_train_batch_size": 0}, ["--per_device_train_batch_size 0", "at least 1"]),
    "no accumulation": ({"gradient_accumulation_steps": 0}, ["--gradient_accumulation_steps 0", "at least 1"]),
    "negative epochs": ({"num_train_epochs": -1}, ["--num_train_epochs -1", "greater than 0", "--do_eval"]),
    "infinite learning rate": ({"learning_rate": "inf"}, ["--learning_rate inf", "greater than 0"]),
    "warmup of one and a half": ({"warmup_steps": 1.5}, ["--warmup_steps 1.5", "share", "whole number"]),
    "smoothing everything": ({"label_smoothing_factor": 1}, ["--label_smoothing_factor 1", "below 1"]),
    "no rows drawn": ({"max_train_samples": 0}, ["--max_train_samples 0", "at least 1"]),
    "rows left out": ({"dataloader_drop_last": True}, ["--dataloader_drop_last", "rows"]),
    "pushes at every save": ({"hub_strategy": "every_save"}, ["--hub_strategy every_save", "token"]),
    "stopping by nothing": ({"early_stopping_patience": 1, "eval_strategy": "no"},
                            ["--early_stopping_patience 1", "--eval_strategy no"]),
    "no patience": ({"early_stopping_patience": 0}, ["--early_stopping_patience 0", "at least 1"]),
    "best of no evaluations": ({"eval_strategy": "no", "load_best_model_at_end": True}, ["--load_best_model_at_end"]),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_FLAGS)
def test_bad_flags_are_refused(case, command):
    flags, words = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**flags))
