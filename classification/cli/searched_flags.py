"""The values that `--search` tries, from the file of `--search_space` or by default; each is checked as if typed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path

from classification.cli.flag_table import load_flags
from classification.cli.flags import Flags
from classification.cli.preset_values import Word, read_preset
from classification.cli.presets import flag_words
from classification.cli.search_space import Choices, Range, Space, Value, as_flags, default_space, shown, value_of
from classification.cli.typed_values import given_values, make_parser
from classification.errors import UsageError, did_you_mean, join_first

SEARCHED = (  # flags that change how a model learns and what it reads, and neither the rows nor the measure
    "learning_rate", "num_train_epochs", "max_steps", "per_device_train_batch_size", "gradient_accumulation_steps",
    "warmup_steps", "lr_scheduler_type", "optim", "weight_decay", "adam_beta1", "adam_beta2", "adam_epsilon",
    "max_grad_norm", "label_smoothing_factor", "neftune_noise_alpha", "train_sampling_strategy", "max_seq_length",
    "truncation_strategy", "window_stride", "pooling", "head_init", "attention_dropout", "freeze", "freeze_layers",
    "lora_r", "class_weights", "loss", "focal_gamma", "sampler", "early_stopping_patience", "layerwise_lr_decay",
    "r_drop", "average", "teacher_temperature", "teacher_weight",
)  # fmt: skip
RANGE_KEYS = ("low", "high", "log")


def space_of(flags: Flags) -> Space:
    """The space of a command with `--search`.

    Raises:
        UsageError: the file of `--search_space` has a line that cannot be used, or every flag of the space was typed.
    """
    if flags.run.search_space is not None:
        return read_space(Path(flags.run.search_space).expanduser(), flags)
    space = default_space(flags)
    left = {name: each for name, each in space.items() if name not in flags.typed}
    if not left:
        raise UsageError(
            f"--search {flags.run.search}: all flags that it tries were typed ({join_first(space, 9)}). Leave out "
            "those that it should choose, or name others in a file with --search_space."
        )
    return Space(left)


def read_space(path: Path, flags: Flags) -> Space:
    """A file of `--search_space`: lines of `flag: [a, b]`, or of `flag: {low: 1e-5, high: 1e-4, log: true}`.

    Raises:
        UsageError: there is no such file, or a line cannot be used.
    """
    place = f"--search_space {path}"
    if not path.is_file():
        raise UsageError(f"{place}: there is no such file. Name a YAML file with lines of `flag: [a, b]`.")
    try:
        lines = read_preset(path)
    except UsageError as error:
        raise UsageError(str(error).replace(f"preset {path}", place, 1)) from error
    dimensions: dict[str, Choices | Range] = {}
    for written, value in lines.items():
        name = written.replace("-", "_")
        check_name(name, place, flags)
        if name in dimensions:
            raise UsageError(f"{place}: {name} is there twice. Keep one of the lines.")
        dimensions[name] = read_dimension(path, f"{place}: {name}", name, value)
    return Space(dimensions, str(path))


def check_name(name: str, place: str, flags: Flags) -> None:
    """Refuse what is no flag, what is typed, and what changes the rows or the measure.

    Raises:
        UsageError: with the remedy.
    """
    known = {flag.dest for flag in load_flags()}
    if name not in known:
        raise UsageError(f"{place}: {name}: there is no such flag.{did_you_mean(name, SEARCHED)} Correct the line.")
    if name not in SEARCHED:
        raise UsageError(
            f"{place}: {name}: cannot be searched: the trials would not be measured alike. Delete the line. These can: "
            f"{', '.join(SEARCHED)}."
        )
    if name in flags.typed:
        raise UsageError(
            f"{place}: {name}: --{name} {shown(value_of(flags, name))} was typed too. Delete the line, or leave the "
            "flag out."
        )


def read_dimension(path: Path, place: str, name: str, value: object) -> Choices | Range:
    """One line of the file.

    Raises:
        UsageError: fewer than two values, a value of another type, or an incomplete range.
    """
    if isinstance(value, list):
        found = [None if word is None else typed(path, place, name, word) for word in value]
        values = tuple(dict.fromkeys(found))
        if len(values) < 2:
            raise UsageError(f"{place}: has one value only. Write two or more, or pass it as a flag: --{name}.")
        return Choices(values)
    if not isinstance(value, dict):
        given = "" if value is None else f" {value}"
        raise UsageError(f"{place}:{given or ' is empty'}: write a list, such as [a, b], or {{low: 1, high: 5}}.")
    for key in value:
        if key not in RANGE_KEYS:
            raise UsageError(f"{place}: {key}: a range has low, high and log.{did_you_mean(key, RANGE_KEYS)}")
    if value.get("low") is None or value.get("high") is None:
        raise UsageError(f"{place}: a range needs low and high. Write {{low: 1e-5, high: 1e-4, log: true}}.")
    return read_range(path, place, name, value)


def read_range(path: Path, place: str, name: str, value: Mapping[str, object]) -> Range:
    words, is_log = [value["low"], value["high"]], str(value.get("log", "false")).lower()
    low, high = (typed(path, place, name, word) for word in words)
    numbers = [each for each in (low, high) if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(numbers) < 2 or not all(map(math.isfinite, numbers)):
        raise UsageError(f"{place}: a range needs numbers. Write a list of the values, such as [a, b].")
    if is_log not in ("true", "false"):
        raise UsageError(f"{place}: log: {value['log']}: write true or false.")
    if all(str(word).lstrip("+-").isdigit() for word in words):
        numbers = [int(number) for number in numbers]
    if numbers[0] >= numbers[1]:
        raise UsageError(f"{place}: low must be below high: {shown(numbers[0])} and {shown(numbers[1])}. Change one.")
    if is_log == "true" and numbers[0] <= 0:
        raise UsageError(f"{place}: low must be greater than 0 with log: true. Write log: false, or another low.")
    return Range(numbers[0], numbers[1], is_log == "true")


def typed(path: Path, place: str, name: str, word: object) -> Value:
    """A word of the file as the flag reads it.

    Raises:
        UsageError: the flag refuses it.
    """
    if not isinstance(word, Word):
        raise UsageError(f"{place}: write single values, such as [a, b].")
    words = flag_words(path, name, word, is_list=False)
    return given_values(make_parser(), words, f"{place}: ")[name]  # type: ignore[return-value]


def check_space(flags: Flags, check: Callable[[dict[str, Value]], object]) -> None:
    """Check every value of the space as if it were typed, before the first trial.

    Args:
        check: raises a UsageError where a flag refuses its value.

    Raises:
        UsageError: a value cannot be used, by itself or beside the flags of the command.
    """
    space = space_of(flags)
    for name, dimension in space.dimensions.items():
        for value in dimension.ends:
            try:
                check(as_flags({name: value}))
            except UsageError as error:
                place = f"--search_space {space.source}" if space.source else f"--search {flags.run.search}"
                raise UsageError(f"{place}: {name} {shown(value)} cannot be tried. {error}") from error
