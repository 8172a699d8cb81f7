"""Preset files: YAML that gives defaults to flags."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from pathlib import Path

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments
from classification.cli.flags import BILSTM
from classification.cli.preset_values import Word, as_json, read_preset
from classification.errors import UsageError, join_first

MAPPINGS = (
    "class_weights", "thresholds", "target_precision", "target_recall", "costs", "accelerator_config", "fsdp_config",
    "deepspeed", "liger_kernel_config",
)  # fmt: skip
LIBRARY_REPLACES = {"bf16": ("precision", "fp16"), "fp16": ("precision", "bf16")}  # as `replaces` of our own flags
PRETRAINED_SCHEDULE = ("learning_rate", "num_train_epochs")  # of a preset, meant for pretrained weights


def preset_flags(path: Path, list_flags: set[str]) -> list[str]:
    """A preset as a command line, so that types and choices are checked as if they were typed.

    Values are read as they are written (`no` is a strategy, not False). Paths of data files are relative to the preset.

    Args:
        list_flags: flags that take several words; for the others a list is comma separated.

    Raises:
        UsageError: no such file, not a YAML mapping, or a value that its flag cannot take.
    """
    path = path.expanduser()
    if not os.path.isfile(path):
        raise UsageError(f"preset {path}: there is no such file. Presets end in .yaml; see the folder presets/.")
    flags: list[str] = []
    seen: dict[str, str] = {}  # name of the flag -> name in the preset
    for written, value in read_preset(path).items():
        name = written.replace("-", "_")
        if name in seen:
            raise UsageError(f"preset {path}: {seen[name]} and {written} are one flag. Keep one of the lines.")
        seen[name] = written
        if name == "config":
            raise UsageError(f"preset {path}: config: a preset cannot name another one. Copy its lines.")
        if value is not None:
            flags += flag_words(path, name, value, is_list=name in list_flags)
    return flags


def flag_words(path: Path, name: str, value: Word | list | dict, *, is_list: bool) -> list[str]:
    """One line of a preset as words of a command line."""
    if isinstance(value, dict):
        if not (name in MAPPINGS or name.endswith("_kwargs")):
            raise UsageError(f"preset {path}: {name}: the flag takes a single value, not names with values.")
        return [f"--{name}={json.dumps(as_json(value), ensure_ascii=False)}"]
    if isinstance(value, list):
        if not all(isinstance(word, Word) for word in value):
            raise UsageError(f"preset {path}: {name}: write a list of words, such as [a, b].")
        if name.endswith("_file"):
            raise UsageError(f"preset {path}: {name}: the flag takes a single file. Join the files into one.")
        return [f"--{name}", *value] if is_list else [f"--{name}={','.join(value)}"]
    is_path = name.endswith("_file") or name in ("costs", "search_space")
    if is_path and value and not value.startswith(("/", "~", "{")):
        return [f"--{name}={os.path.normpath(path.parent / value)}"]
    return [f"--{name}={value}"]


def our_flags() -> Iterator[Field]:
    for group in (DataArguments, ModelArguments, ObjectiveArguments, RunArguments):
        yield from fields(group)


def override(
    preset: Mapping[str, object], typed: Mapping[str, object], source: str = "the preset's "
) -> tuple[dict[str, object], list[str]]:
    """What is left of a preset beside the typed flags, and a note on what they replace.

    A typed flag removes the flags of the preset that it `replaces`. A command line that only evaluates or predicts
    removes those `for_training`. The note names the preset as `source`.
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
    notes = [f"flags replace {source}{join_first(dropped, 9)}"] if dropped else []
    return {name: value for name, value in preset.items() if name not in dropped}, notes


def values_for_record(values: Mapping[str, object], precision: str) -> dict[str, object]:
    """What the command line and its preset gave, as a preset that `--config` can read again.

    Args:
        precision: what `--precision`, `--bf16` and `--fp16` mean together.
    """
    recorded = {name: value for name, value in values.items() if name not in ("config", *LIBRARY_REPLACES)}
    if precision != "auto":
        recorded["precision"] = precision
    is_odd = {name: isinstance(value, float) and not math.isfinite(value) for name, value in recorded.items()}
    return {name: str(value) if is_odd[name] else value for name, value in recorded.items()}
