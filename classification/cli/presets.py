"""Preset files: YAML that gives defaults to flags."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import Field, fields
from pathlib import Path

import yaml

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments
from classification.cli.flags import BILSTM
from classification.errors import UsageError, join_first

LIBRARY_REPLACES = {"bf16": ("precision", "fp16"), "fp16": ("precision", "bf16")}  # as `replaces` of our own flags
PRETRAINED_SCHEDULE = ("learning_rate", "num_train_epochs")  # of a preset, meant for pretrained weights


def preset_flags(path: Path, list_flags: set[str]) -> list[str]:
    """A YAML file of flags as a command line, so that types and choices are checked as if they were typed.

    Values are read as they are written (`no` is a strategy, not False). Paths of data files are relative to the preset.

    Args:
        list_flags: flags that take several words; for the others a list is comma separated.

    Raises:
        UsageError: no such file, or not a YAML mapping.
    """
    if not path.is_file():
        raise UsageError(f"preset {path}: there is no such file. Presets end in .yaml; see the folder presets/.")
    try:
        text = path.read_text(encoding="utf-8")
        written, content = yaml.load(text, yaml.BaseLoader) or {}, yaml.safe_load(text) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"preset {path}: is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(written, dict):
        raise UsageError(f"preset {path}: must have lines of `flag: value`.")
    flags: list[str] = []
    for (name, value), typed in zip(written.items(), content.values(), strict=True):
        if typed is None:
            continue
        if name.endswith("_file") and not value.startswith(("/", "~")):
            value = os.path.normpath(path.parent / value)
        if isinstance(value, list) and name in list_flags:
            flags += [f"--{name}", *value]
        elif isinstance(value, list):
            flags.append(f"--{name}={','.join(value)}")
        else:
            flags.append(f"--{name}={json.dumps(typed) if isinstance(typed, dict) else value}")
    return flags


def our_flags() -> Iterator[Field]:
    for group in (DataArguments, ModelArguments, ObjectiveArguments, RunArguments):
        yield from fields(group)


def override(preset: dict[str, object], typed: dict[str, object]) -> tuple[dict[str, object], list[str]]:
    """What is left of a preset beside the typed flags, and a note on what they replace.

    A typed flag removes the flags of the preset that it `replaces`. A command line that only evaluates or predicts
    removes those `for_training`.
    """
    replaced: set[str] = set()
    for flag in our_flags():
        if flag.name in typed:
            replaced |= set(flag.metadata["replaces"])
    for name in LIBRARY_REPLACES.keys() & typed.keys():
        replaced |= set(LIBRARY_REPLACES[name])
    if typed.get("model_name_or_path") == BILSTM:
        replaced |= set(PRETRAINED_SCHEDULE)
    if ("do_eval" in typed or "do_predict" in typed) and not typed.get("do_train"):
        replaced |= {flag.name for flag in our_flags() if flag.metadata["for_training"]}
    dropped = sorted(replaced & set(preset) - set(typed))
    notes = [f"flags replace the preset's {join_first(dropped, 9)}"] if dropped else []
    return {name: value for name, value in preset.items() if name not in dropped}, notes
