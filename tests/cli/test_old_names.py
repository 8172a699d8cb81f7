"""Names that the library has dropped are translated, with a note."""

from __future__ import annotations

import re

import pytest
from helpers import assert_refused

from classification.cli.flag_table import load_flags
from classification.cli.old_names import GONE
from classification.cli.parser import checked_flags, parse_arguments


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--warmup_ratio", "0.06"], "warmup_steps", 0.06),
        (["--warmup-ratio=0.06"], "warmup_steps", 0.06),
        (["--evaluation_strategy", "steps"], "eval_strategy", "steps"),
        (["--group_by_length"], "train_sampling_strategy", "group_by_length"),
        (["--group_by_length", "false"], "train_sampling_strategy", "random"),
        (["--no_cuda"], "use_cpu", True),
        (["--per_gpu_train_batch_size", "4"], "per_device_train_batch_size", 4),
    ],
)
def test_old_names_are_translated_with_a_note(train, flags, name, value):
    options = parse_arguments([*train, *flags])
    assert options.trainer[name] == value
    assert any(flags[0].partition("=")[0].replace("-", "_").strip("_") in note for note in options.notes)


def test_an_old_warmup_above_one_is_refused(train):
    assert_refused(["--warmup_ratio 10", "such as 0.1"], parse_arguments, [*train, "--warmup_ratio", "10"])


@pytest.mark.parametrize("name", GONE)
def test_a_name_without_a_successor_says_what_to_do(name, train):
    assert_refused([f"--{name} is a flag that TrainingArguments has dropped. {GONE[name]}"], checked_flags,
                   [*train, f"--{name}", "true"])  # fmt: skip


def test_no_dropped_name_is_a_flag_and_every_advice_is():
    known = {flag.dest for flag in load_flags()}
    advised = re.findall(r"--(\w+)", " ".join(GONE.values()))
    assert not known & GONE.keys() and known >= set(advised)


@pytest.mark.parametrize(
    ("typed", "resume"), [("true", "auto"), ("True", "auto"), ("false", None), ("out/checkpoint-5", "out/checkpoint-5")]
)
def test_resume_from_checkpoint_is_resume(typed, resume, train):
    """The library's examples pass true for the last one."""
    assert checked_flags([*train, "--resume_from_checkpoint", typed]).run.resume == resume
