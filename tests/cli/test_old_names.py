"""Names that the library has dropped are translated, with a note."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--warmup_ratio", "0.06"], "warmup_steps", 0.06),
        (["--warmup-ratio=0.06"], "warmup_steps", 0.06),
        (["--evaluation_strategy", "steps"], "eval_strategy", "steps"),
        (["--group_by_length"], "train_sampling_strategy", "group_by_length"),
        (["--group_by_length", "false"], "train_sampling_strategy", "random"),
        (["--no_cuda"], "use_cpu", True),
    ],
)
def test_old_names_are_translated_with_a_note(train, flags, name, value):
    options = parse_arguments([*train, *flags])
    assert options.trainer[name] == value
    assert any(flags[0].partition("=")[0].replace("-", "_").strip("_") in note for note in options.notes)


def test_an_old_warmup_above_one_is_refused(train):
    assert_refused(["--warmup_ratio 10", "such as 0.1"], parse_arguments, [*train, "--warmup_ratio", "10"])
