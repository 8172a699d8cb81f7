"""--help fits the terminal, begins with our flags, and names every default."""

from __future__ import annotations

import re

import pytest

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments
from classification.cli.flag_table import load_flags
from classification.cli.help_text import MOST_USED, help_text, wants_help
from classification.cli.trainer_defaults import TRAINER_DEFAULTS

OURS = [name for group in (DataArguments, ModelArguments, ObjectiveArguments, RunArguments)
        for name in group.__dataclass_fields__]  # fmt: skip


def shown(*argv: str, columns: int = 80) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(columns))
        return help_text(list(argv))


def flags_in(text: str) -> list[str]:
    return re.findall(r"^  --(\w+)", text, re.MULTILINE)


def entry(text: str, name: str) -> str:
    """What help says about one flag, in one line."""
    found = re.search(rf"^  (--{name}\b.*?)(?=^  --|^\w|\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, name
    return " ".join(found[1].split())


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("argv", [["--help"], ["--help", "all"]])
def test_help_fits_the_terminal(argv, columns):
    """A word of the library's own text that is longer than a line cannot be broken."""
    long = [line for line in shown(*argv, columns=columns).splitlines() if len(line) > columns and " " in line.strip()]
    assert not long


def test_help_shows_our_flags_and_the_most_used_ones_of_the_trainer():
    text = shown("--help")
    known = {flag.dest for flag in load_flags()}
    assert flags_in(text) == [*OURS, *(name for name in MOST_USED if name in known)]
    rest = len(known - set(flags_in(text)))
    assert text.splitlines()[-1].startswith(f"{rest} more flags of transformers.TrainingArguments")
    assert "--help all" in text.splitlines()[-1]


@pytest.mark.parametrize("argv", [["--help", "all"], ["--help=all"], ["presets/imdb.yaml", "--help", "all"]])
def test_help_all_lists_every_flag_once(argv):
    listed = flags_in(shown(*argv))
    assert len(listed) == len(set(listed)) and set(listed) == {flag.dest for flag in load_flags()}


def test_an_entry_names_the_value_and_the_default():
    text = shown("--help")
    assert entry(text, "on_bad_row").startswith("--on_bad_row {error,drop} What to do")
    assert entry(text, "on_bad_row").endswith("(default: error)")
    assert entry(text, "lora_merge").startswith("--lora_merge [true|false]")
    assert entry(text, "lora_merge").endswith("(default: true)")
    assert entry(text, "shuffle_seed").startswith("--shuffle_seed INTEGER") and "(default: 42)" in text
    assert "default: None" not in text and "5%, but at least min(200 rows, 20%)" in entry(text, "validation_fraction")


def test_the_trainers_defaults_are_those_of_this_recipe():
    text = shown("--help", "all")
    for name in ("learning_rate", "per_device_train_batch_size", "warmup_steps", "save_total_limit"):
        assert entry(text, name).endswith(f"(default: {TRAINER_DEFAULTS[name]})"), name


@pytest.mark.parametrize(
    ("argv", "wanted"),
    [(["-h"], True), (["--train_file", "a.csv", "--help"], True), (["--help=all"], True), (["--helpful"], False),
     ([], False)],
)  # fmt: skip
def test_help_is_asked_for_anywhere_on_the_command_line(argv, wanted):
    assert wants_help(argv) == wanted
