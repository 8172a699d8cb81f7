"""From a command line to `Options`: parse, fill in, check. Needs no data."""

from __future__ import annotations

import copy
from argparse import ArgumentError, ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, TypeVar

from transformers import HfArgumentParser, TrainingArguments

from arguments import (
    TRAINER_DEFAULTS,
    DataArguments,
    ModelArguments,
    ObjectiveArguments,
    RunArguments,
    TrainerArguments,
)
from classification.cli.build_options import build_options
from classification.cli.checks import check_flags
from classification.cli.flags import Flags, TrainerFlags
from classification.cli.old_names import translate
from classification.cli.options import Options
from classification.cli.presets import override, preset_flags
from classification.cli.resolve import merge_precision_flags, resolve
from classification.errors import UsageError, did_you_mean

OLDEST_TRANSFORMERS = (5, 17)
UNSET = object()
Group = TypeVar("Group")
RELATIONS = ("replaces", "for_training")  # metadata of a flag that argparse does not know


class Parser(HfArgumentParser):
    """Raises instead of exiting, so that an error is the same from Python and from the shell."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    @staticmethod
    def _parse_dataclass_field(parser: ArgumentParser, field: Field) -> None:
        """Hands to argparse only the metadata that it knows."""
        field = copy.copy(field)
        known = {name: value for name, value in field.metadata.items() if name not in RELATIONS}
        field.metadata = MappingProxyType(known)
        HfArgumentParser._parse_dataclass_field(parser, field)


def make_parser() -> Parser:
    groups = (DataArguments, ModelArguments, ObjectiveArguments, RunArguments, TrainerArguments)
    parser = Parser(
        groups,  # type: ignore[arg-type]
        prog="run_classification.py",
        usage="run_classification.py [preset.yaml] [--flag value ...]",
        description="Fine-tune a Hugging Face encoder on labelled text. Only the data must be given.",
        allow_abbrev=False,
    )
    parser.set_defaults(**TRAINER_DEFAULTS)  # for --help; given_values replaces them
    return parser


def parse_arguments(argv: list[str]) -> Options:
    """Turn a command line into checked options.

    Raises:
        UsageError: anything that can be known without reading data; names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    flags = read_flags(argv)
    check_flags(flags)
    return build_options(flags)


def read_flags(argv: list[str]) -> Flags:
    """The flags of a command line and its preset, with defaults, unchecked."""
    installed = version("transformers")
    if tuple(map(int, installed.split(".")[:2])) < OLDEST_TRANSFORMERS:
        raise UsageError(f"transformers {installed} is too old: pip install -r requirements.txt")
    if {"-h", "--help"} & set(argv):
        make_parser().print_help()
        raise SystemExit(0)
    parser = make_parser()
    first = argv[0] if argv and not argv[0].startswith("-") else None
    words, notes = translate(argv[1:] if first else argv)
    typed = given_values(parser, words)
    path = typed.pop("config", first)
    if first and path != first:
        raise UsageError(f"{first} and --config {path}: two presets. Give one.")
    preset: dict[str, object] = {}
    if path:
        list_flags = {action.dest for action in parser._actions if action.nargs in ("+", "*")}
        words, more_notes = translate(preset_flags(Path(str(path)), list_flags))
        preset, replaced = override(given_values(parser, words, f"preset {path}: "), typed)
        notes += more_notes + replaced
    given = merge_precision_flags(preset | typed | {"config": path})
    known = {f.name for f in fields(TrainingArguments) if f.init}
    phases = dict.fromkeys(("do_train", "do_eval", "do_predict"), False)
    trainer = phases | TRAINER_DEFAULTS | {name: value for name, value in given.items() if name in known}
    flags = Flags(
        data=group_of(DataArguments, given),
        model=group_of(ModelArguments, given),
        objective=group_of(ObjectiveArguments, given),
        run=group_of(RunArguments, given),
        trainer=TrainerFlags(trainer),
        given=frozenset(given),
        argv=tuple(argv),
        notes=tuple(notes),
    )
    return resolve(flags)


def group_of(group: type[Group], given: Mapping[str, object]) -> Group:
    """A group of flags: given values, defaults for the others."""
    constructor: Callable[..., Group] = group
    names = {f.name for f in fields(group)}  # type: ignore[arg-type]
    return constructor(**{name: value for name, value in given.items() if name in names})


def given_values(parser: Parser, words: list[str], where: str = "") -> dict[str, object]:
    """The values that a command line gives, by name and without defaults; `where` begins the message of an error."""
    known = {f.name for group in parser.dataclass_types for f in fields(group) if f.init}
    parser.set_defaults(**dict.fromkeys(known, UNSET))
    try:
        namespace, rest = parser.parse_known_args(words)
    except (UsageError, ArgumentError) as error:
        raise UsageError(f"{where}{str(error).removeprefix('argument ')}") from error
    unknown = next((word for word in rest if word.startswith("-")), None)
    if unknown:
        name = unknown.partition("=")[0]
        hint = did_you_mean(name.lstrip("-").replace("-", "_"), known)
        raise UsageError(f"{where}{name}: there is no such flag.{hint} --help lists all flags.")
    if rest:
        raise UsageError(f"{where}{rest[0]!r}: belongs to no flag. A preset file must come first.")
    return {name: value for name, value in vars(namespace).items() if value is not UNSET}
