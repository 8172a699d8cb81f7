"""Flags as words: parsing without exits, preset files, and names that every tutorial still uses."""

from __future__ import annotations

import json
import os
from argparse import ArgumentError
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

import yaml
from transformers import HfArgumentParser, TrainingArguments

from classification.errors import UsageError, did_you_mean

UNSET = object()
OLD_NAMES = {
    "evaluation_strategy": "eval_strategy",
    "warmup_ratio": "warmup_steps",
    "no_cuda": "use_cpu",
}
# One thing with two names: transformers 5.23 warns of the old one, 5.17 does not know the new one.
CHECKPOINTING = {"gradient_checkpointing": "activation_checkpointing"}
CHECKPOINTING |= {f"{old}_kwargs": f"{new}_kwargs" for old, new in CHECKPOINTING.items()}
if not hasattr(TrainingArguments, "activation_checkpointing"):
    CHECKPOINTING = {new: old for old, new in CHECKPOINTING.items()}
OLD_NAMES |= CHECKPOINTING


class Parser(HfArgumentParser):
    """Raises instead of exiting, so that an error reads the same from Python and from the shell."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def given_values(parser: Parser, flags: list[str], where: str = "") -> dict:
    """The values that `flags` give, by name and without defaults; `where` begins the message of an error."""
    known = {f.name for group in parser.dataclass_types for f in fields(group) if f.init}
    parser.set_defaults(**dict.fromkeys(known, UNSET))
    try:
        namespace, rest = parser.parse_known_args(flags)
    except (UsageError, ArgumentError) as error:
        raise UsageError(f"{where}{str(error).removeprefix('argument ')}") from error
    unknown = next((word for word in rest if word.startswith("-")), None)
    if unknown:
        name = unknown.partition("=")[0]
        hint = did_you_mean(name.lstrip("-").replace("-", "_"), known)
        raise UsageError(f"{where}{name}: there is no such flag.{hint} --help lists them all.")
    if rest:
        raise UsageError(f"{where}{rest[0]!r}: belongs to no flag. A preset file must come first.")
    return {name: value for name, value in vars(namespace).items() if value is not UNSET}


def preset_flags(path: Path, parser: Parser) -> list[str]:
    """A YAML file of flags as a command line, so that types and choices are checked as if they were typed.

    Values are taken as they are written (`no` is a strategy, not False). Paths of data files are relative to the
    preset; a list is one value a word where the flag takes several, else comma separated.
    """
    if not path.is_file():
        raise UsageError(f"preset {path}: there is no such file. Presets end in .yaml; see the folder presets/.")
    try:
        text = path.read_text(encoding="utf-8")
        written, content = yaml.load(text, yaml.BaseLoader) or {}, yaml.safe_load(text) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"preset {path}: is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(written, dict):
        raise UsageError(f"preset {path}: must hold lines of `flag: value`.")
    several = {action.dest for action in parser._actions if action.nargs in ("+", "*")}
    flags: list[str] = []
    for (name, value), typed in zip(written.items(), content.values(), strict=True):
        if typed is None:
            continue
        if name.endswith("_file") and not value.startswith(("/", "~")):
            value = os.path.normpath(path.parent / value)
        if isinstance(value, list) and name in several:
            flags += [f"--{name}", *value]
        elif isinstance(value, list):
            flags.append(f"--{name}={','.join(value)}")
        else:
            flags.append(f"--{name}={json.dumps(typed) if isinstance(typed, dict) else value}")
    return flags


def translate(flags: list[str], notes: list[str]) -> list[str]:
    """Rewrite names that TrainingArguments has dropped and every tutorial still uses; one note each."""
    translated: list[str] = []
    words = list(flags)
    while words:
        name, equals, value = words.pop(0).partition("=")
        old = name[2:].replace("-", "_") if name.startswith("--") else ""
        if old == "group_by_length":
            if not equals and words and words[0].lower() in ("true", "false"):
                value = words.pop(0)
            strategy = "random" if value.lower() == "false" else "group_by_length"
            notes.append(f"--group_by_length is now --train_sampling_strategy {strategy}: translated")
            translated += ["--train_sampling_strategy", strategy]
            continue
        if old == "warmup_ratio":
            _check_ratio(value if equals else words[0] if words else "")
        if old in OLD_NAMES:
            notes.append(f"--{old} is now --{OLD_NAMES[old]}: translated")
            name = f"--{OLD_NAMES[old]}"
        if old == "logging_dir":
            notes.append("--logging_dir is now the variable TENSORBOARD_LOGGING_DIR: set for this run")
        translated.append(name + equals + value)
    return translated


def _check_ratio(text: str) -> None:
    try:
        valid = 0 <= float(text) < 1
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(f"--warmup_ratio {text}: must be a share of the steps, from 0 to below 1, such as 0.1.")
