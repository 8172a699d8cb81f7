"""The range of every flag that is a number, one line per flag."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass

from classification.cli.flags import Flags
from classification.errors import UsageError

LARGEST_SEED = 2**32 - 1  # numpy's limit
LARGEST = 2**31 - 1  # of whole numbers: the libraries count with 32 or 64 bits
MOST_WORKERS = max(32, 4 * (os.cpu_count() or 1))  # processes; many more stop the machine
LARGEST_RANK = 8192  # wider than the layers of any encoder


@dataclass(frozen=True)
class Range:
    """What a number may be, and the words for it."""

    allows: Callable[[float], bool]
    words: str


def at_least(lowest: int) -> Range:
    return Range(lambda number: number >= lowest, f"must be at least {lowest}")


def whole(lowest: int, highest: int) -> Range:
    return Range(lambda number: lowest <= number <= highest, f"must be at least {lowest} and at most {highest}")


ABOVE_0 = Range(lambda number: number > 0, "must be greater than 0")
SHARE = Range(lambda number: 0 <= number < 1, "must be from 0 to below 1")
FRACTION = Range(lambda number: 0 <= number <= 1, "must be from 0 to 1")
SEED = Range(lambda number: 0 <= number <= LARGEST_SEED, f"must be a whole number from 0 to {LARGEST_SEED}")
WARMUP = Range(
    lambda number: 0 <= number < 1 or number >= 1 and number == int(number),
    "must be a share of the steps (0 to below 1) or a whole number",
)
EVERY = Range(
    lambda number: 0 < number < 1 or number >= 1 and number == int(number),
    "must be a whole number from 1 on, or a share of all steps between 0 and 1",
)
STEPS = Range(lambda number: number == -1 or number >= 1, "must be at least 1; -1 trains for --num_train_epochs")

RANGES = {
    "max_train_samples": at_least(1),
    "check_rows": at_least(0),
    "max_eval_samples": at_least(1),
    "max_predict_samples": at_least(1),
    "shuffle_seed": SEED,
    "max_seq_length": at_least(4),
    "window_stride": at_least(1),
    "preprocessing_num_workers": whole(1, MOST_WORKERS),
    "attention_dropout": SHARE,
    "freeze_layers": at_least(0),
    "lora_r": whole(1, LARGEST_RANK),
    "focal_gamma": at_least(0),
    "layerwise_lr_decay": Range(lambda number: 0 < number <= 1, "must be greater than 0 and at most 1"),
    "r_drop": at_least(0),
    "early_stopping_patience": at_least(1),
    "teacher_temperature": ABOVE_0,
    "teacher_weight": FRACTION,
    "folds": at_least(2),
    "search": at_least(2),
    "per_device_train_batch_size": at_least(1),
    "per_device_eval_batch_size": at_least(1),
    "gradient_accumulation_steps": at_least(1),
    "num_train_epochs": ABOVE_0,
    "max_steps": STEPS,
    "learning_rate": ABOVE_0,
    "warmup_steps": WARMUP,
    "weight_decay": at_least(0),
    "adam_beta1": SHARE,
    "adam_beta2": SHARE,
    "adam_epsilon": ABOVE_0,
    "max_grad_norm": at_least(0),
    "label_smoothing_factor": SHARE,
    "neftune_noise_alpha": ABOVE_0,
    "torch_empty_cache_steps": at_least(1),
    "logging_steps": EVERY,
    "eval_steps": EVERY,
    "eval_delay": at_least(0),
    "eval_accumulation_steps": at_least(1),
    "save_steps": EVERY,
    "save_total_limit": at_least(0),  # 0 keeps all
    "seed": SEED,
    "data_seed": SEED,
    "dataloader_num_workers": whole(0, MOST_WORKERS),
    "dataloader_prefetch_factor": at_least(1),
    "ddp_bucket_cap_mb": at_least(1),
    "ddp_timeout": at_least(1),
    "local_rank": at_least(-1),
}
REMEDIES = {
    "num_train_epochs": "To evaluate without training, pass --do_eval or --do_predict.",
    "max_steps": "To evaluate without training, pass --do_eval or --do_predict.",
    "dataloader_prefetch_factor": "Leave it out for 2.",
}


def check_numbers(flags: Flags) -> None:
    """Every number inside its range; nan and infinity are in none."""
    values = {**flags.as_typed(), **flags.trainer}
    for name, allowed in RANGES.items():
        value = values.get(name)
        if isinstance(value, int | float) and not (math.isfinite(value) and allowed.allows(value)):
            shown = f"{value:g}" if isinstance(value, float) else value
            remedy = f" {REMEDIES[name]}" if name in REMEDIES else ""
            raise UsageError(f"--{name} {shown}: {allowed.words}.{remedy}")
        if isinstance(value, int) and allowed is not SEED and value > LARGEST:
            raise UsageError(f"--{name} {value}: must be at most {LARGEST}.")
