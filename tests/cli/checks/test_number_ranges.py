"""Every flag that is a number has a range, and nan and infinity are in none."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.checks.number_ranges import RANGES
from classification.cli.flag_table import load_flags
from classification.cli.parser import checked_flags

NUMBERS = {flag.dest: flag.type for flag in load_flags() if flag.type in ("int", "float")}
FLOATS = sorted(name for name, kind in NUMBERS.items() if kind == "float")


def test_every_number_has_a_range():
    assert NUMBERS.keys() == RANGES.keys()


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1"])
def test_no_number_is_nan_infinite_or_below_zero(name, value, train):
    flags = {"focal_gamma": ["--loss", "focal"]}.get(name, [])
    assert_refused([f"--{name} {value}", "must be"], checked_flags, [*train, *flags, f"--{name}={value}"])


BAD = {
    "seed": ["-1", "4294967296", "99999999999"], "data_seed": ["-1", "99999999999999999999999"],
    "shuffle_seed": ["-1", "99999999999"], "max_steps": ["0", "-5"], "num_train_epochs": ["0"],
    "per_device_train_batch_size": ["0"], "per_device_eval_batch_size": ["0", "-1"], "logging_steps": ["0", "1.5"],
    "eval_steps": ["0", "2.5"], "save_steps": ["0"], "save_total_limit": ["-1"], "adam_beta1": ["1"],
    "adam_beta2": ["1.5"], "adam_epsilon": ["0"], "warmup_steps": ["1.5"], "label_smoothing_factor": ["1"],
    "eval_accumulation_steps": ["0"], "torch_empty_cache_steps": ["0"], "neftune_noise_alpha": ["0"],
    "dataloader_num_workers": ["-1", "100000"], "dataloader_prefetch_factor": ["0"], "lora_r": ["0", "99999999"],
    "layerwise_lr_decay": ["0", "1.1"], "r_drop": ["-0.5"],
    "preprocessing_num_workers": ["0", "100000"],
    "max_seq_length": ["3"], "ddp_timeout": ["0"], "gradient_accumulation_steps": ["0"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_numbers_out_of_range_are_refused(name, value, train):
    assert_refused([f"--{name} {value}", "must be"], checked_flags, [*train, f"--{name}={value}"])


GOOD = {
    "seed": "4294967295", "max_steps": "-1", "warmup_steps": "0.1", "eval_steps": "0.25", "save_total_limit": "0",
    "weight_decay": "0", "max_grad_norm": "0", "learning_rate": "1e30", "adam_beta1": "0", "eval_delay": "1.5",
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_the_ends_of_the_ranges_are_accepted(name, train):
    flags = checked_flags([*train, f"--{name}={GOOD[name]}"])
    assert flags.trainer[name] == float(GOOD[name])


@pytest.mark.parametrize("name", sorted(name for name, kind in NUMBERS.items() if kind == "int"))
def test_no_whole_number_is_larger_than_the_libraries_can_count(name, train):
    flags = {"window_stride": ["--truncation_strategy", "window"], "focal_gamma": ["--loss", "focal"]}.get(name, [])
    assert_refused([f"--{name} 99999999999", "must be"], checked_flags, [*train, *flags, f"--{name}=99999999999"])
