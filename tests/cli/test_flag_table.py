"""The table of all flags equals what HfArgumentParser makes of the dataclasses, so that it needs no library."""

from __future__ import annotations

import json
from argparse import ArgumentError
from importlib.metadata import version

import pytest
from helpers import ROOT

from classification.cli import flag_table
from classification.cli.flag_table import TABLE, load_flags
from classification.cli.library_flags import build_flags, library_parser
from classification.cli.parser import make_parser
from classification.errors import UsageError

PINNED = f"transformers=={version('transformers')}" in (ROOT / "requirements.txt").read_text().split()


def describe(action) -> dict[str, object]:
    names = ("option_strings", "dest", "nargs", "const", "default", "help", "metavar", "required")
    return {name: getattr(action, name) for name in names} | {
        "class": type(action).__name__,
        "choices": action.choices and list(action.choices),
        "group": action.container.title,
    }


@pytest.fixture(scope="module")
def library():
    return library_parser()


def test_every_flag_is_the_one_that_the_library_makes_of_the_dataclasses(library):
    table, wanted = ([describe(action) for action in parser._actions[1:]] for parser in (make_parser(), library))
    assert len(table) > 150 and table == wanted


def test_the_committed_table_is_the_one_of_the_pinned_library():
    if not PINNED:
        pytest.skip("another version of transformers is installed")
    assert json.loads(TABLE.read_text(encoding="utf-8"))["written_for"] == flag_table.origin()
    assert load_flags() == build_flags()


@pytest.mark.parametrize(
    "words",
    [
        "--strict", "--strict true", "--strict=Yes", "--strict 0", "--no_lora_merge", "--no-lora-merge",
        "--lora_merge F", "--learning-rate 1e-3", "--max_train_samples 7", "--on_bad_row=drop", "--baselines",
        "--baselines majority", "--label_names a b", "--eval-strategy steps", "--optim adafactor", "--debug",
        "--debug underflow_overflow", "--disable_tqdm true", "--include_num_input_tokens_seen", "--fsdp",
        "--report_to tensorboard", "--lr_scheduler_kwargs {}", "--warmup_steps 0.1 --warmup_steps 10", "--seed -1",
    ],
)  # fmt: skip
def test_words_are_read_as_the_library_reads_them(words, library):
    table, wanted = (vars(parser.parse_known_args(words.split())[0]) for parser in (make_parser(), library))
    assert table == wanted
    assert [type(value) for value in table.values()] == [type(value) for value in wanted.values()]


@pytest.mark.parametrize(
    "words",
    ["--strict maybe", "--seed 1.5", "--learning_rate fast", "--on_bad_row skip", "--eval_strategy yes", "--seed",
     "--optim adam", "--parallelism_config 2", "--liger_kernel_config x", "--no_lora_merge=true", "--label_names"],
)  # fmt: skip
def test_wrong_words_get_the_message_of_the_library(words, library, monkeypatch):
    def fail(message):
        raise UsageError(message)

    monkeypatch.setattr(library, "error", fail)
    messages = []
    for parser in (make_parser(), library):
        with pytest.raises((UsageError, ArgumentError)) as refused:
            parser.parse_known_args(words.split())
        messages.append(str(refused.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("changed", ["transformers", "arguments"])
def test_a_table_for_other_versions_is_not_used(changed, monkeypatch, tmp_path):
    """Its flags are wrong on purpose: the dataclasses are read instead."""
    content = json.loads(TABLE.read_text(encoding="utf-8"))
    content["flags"] = content["flags"][:3]
    for written_for, count in (
        (flag_table.origin(), 3),
        (flag_table.origin() | {changed: "other"}, len(build_flags())),
    ):
        monkeypatch.setattr(flag_table, "TABLE", tmp_path / "table.json")
        flag_table.TABLE.write_text(json.dumps(content | {"written_for": written_for}))
        assert len(load_flags.__wrapped__()) == count
