"""The space of `--search`: which flags are tried, and which values each of them may have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from classification.cli.flag_table import load_flags
from classification.cli.flags import Flags

Value = str | int | float | bool | None  # None leaves the flag out

RATES = {"pretrained": (1e-5, 2e-4), "lora": (5e-5, 2e-3), "scratch": (5e-4, 1e-2)}


@dataclass(frozen=True)
class Choices:
    """The values of a flag that are tried, at least two."""

    values: tuple[Value, ...]

    @property
    def ends(self) -> tuple[Value, ...]:
        """The values that show whether all can be used."""
        return self.values

    @property
    def size(self) -> float:
        """How many values there are."""
        return len(self.values)

    def own(self, value: object) -> list[Value]:
        """A flag's present value as one of these, in a list; an empty list where it is none of them."""
        return [each for each in self.values if each == value and isinstance(each, bool) == isinstance(value, bool)][:1]

    def as_json(self) -> object:
        return list(self.values)

    def __str__(self) -> str:
        return ", ".join(map(shown, self.values))


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; only whole ones where both are whole."""

    low: float
    high: float
    is_log: bool = False

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @property
    def ends(self) -> tuple[Value, ...]:
        return self.low, self.high

    @property
    def size(self) -> float:
        return self.high - self.low + 1 if self.is_whole else math.inf

    def own(self, value: object) -> list[Value]:
        """As for `Choices`."""
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return []
        if not self.is_whole:
            return [float(value)]
        return [int(value)] if value == int(value) else []

    def as_json(self) -> object:
        return {"low": self.low, "high": self.high, "log": self.is_log}

    def __str__(self) -> str:
        return f"{shown(self.low)} to {shown(self.high)}{' (log)' if self.is_log else ''}"


@dataclass(frozen=True)
class Space:
    """The flags that are tried, by name, and where they come from: a file, or "" for `default_space`."""

    dimensions: Mapping[str, Choices | Range]
    source: str = ""

    @property
    def size(self) -> float:
        """How many different settings there are."""
        return math.prod(each.size for each in self.dimensions.values())

    def own_settings(self, flags: Flags) -> dict[str, Value]:
        """The command's own values, of the flags whose value is in the space."""
        found = {name: each.own(value_of(flags, name)) for name, each in self.dimensions.items()}
        return {name: values[0] for name, values in found.items() if values}

    def as_json(self) -> dict[str, object]:
        return {name: each.as_json() for name, each in self.dimensions.items()}


def shown(value: object) -> str:
    """A value as it is typed.

    >>> shown(8.1e-05), shown(True), shown(None), shown(16)
    ('8.1e-05', 'true', 'left out', '16')
    """
    if value is None:
        return "left out"
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def describe_settings(settings: Mapping[str, object]) -> str:
    """Settings as flags, those that are left out excepted."""
    return " ".join(f"--{name} {shown(value)}" for name, value in settings.items() if value is not None)


def value_of(flags: Flags, name: str) -> object:
    """The value that a flag has in a command."""
    values = {**flags.as_typed(), **flags.trainer}
    return values[name] if name in values else next(flag.default for flag in load_flags() if flag.dest == name)


def as_flags(settings: Mapping[str, Value]) -> dict[str, Value]:
    """Settings with the types of their flags: a whole number of epochs becomes 3.0."""
    readers = {flag.dest: flag.reader for flag in load_flags() if flag.dest in settings and flag.action is None}
    return {
        name: None if value is None else readers[name](str(value))  # type: ignore[misc]
        for name, value in settings.items()
    }


def default_space(flags: Flags) -> dict[str, Choices | Range]:
    """Few flags, because each needs more trials: those that decide most, around the command's own values.

    - learning_rate: the first thing to tune. Small encoders want 1e-4, base and large ones 2e-5 (Devlin et al. 2019
      try 2e-5 to 5e-5); LoRA and new weights more. It always contains the value of the preset.
    - num_train_epochs: few rows need more (Mosbach et al. 2021). Not with `--max_steps`, which replaces it.
    - per_device_train_batch_size: half and twice as many rows.
    - warmup_steps, as a share: it decides whether a high rate diverges.
    - layerwise_lr_decay: off, or 0.9 (Sun et al. 2019 choose 0.95). Not where there are no pretrained layers to keep.

    Not weight_decay: it changes little in so few steps. Not label_smoothing_factor: val_loss has no smoothing, so that
    it would mostly lose, and some tasks refuse it.
    """
    rate, batch = float(flags.trainer.number("learning_rate")), int(flags.trainer.number("per_device_train_batch_size"))
    low, high = RATES["scratch" if flags.from_scratch else "lora" if flags.model.lora_r else "pretrained"]
    space: dict[str, Choices | Range] = {"learning_rate": Range(min(low, rate), max(high, rate), is_log=True)}
    if flags.trainer.number("max_steps", -1) <= 0:
        epochs = round(flags.trainer.number("num_train_epochs"))
        space["num_train_epochs"] = Range(max(1, epochs - 1), max(1, epochs) + 2)
    space["per_device_train_batch_size"] = Choices(tuple(sorted({max(1, batch // 2), batch, 2 * batch})))
    if flags.trainer.number("warmup_steps") < 1:
        space["warmup_steps"] = Choices((0.0, 0.06, 0.1, 0.2))
    if not (flags.from_scratch or flags.model.lora_r or flags.model.freeze == "encoder"):
        space["layerwise_lr_decay"] = Choices((None, 0.9))
    return space
