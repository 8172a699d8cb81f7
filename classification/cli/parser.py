"""From a command line to `Options`: parse, fill in, check. Needs no data."""

from __future__ import annotations

import sys
from argparse import ArgumentError, ArgumentParser
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

from arguments import TRAINER_DEFAULTS, DataArguments, ModelArguments, ObjectiveArguments, RunArguments
from classification.cli.checks import check_flags
from classification.cli.flag_table import load_flags, trainer_flags
from classification.cli.flags import Flags, TrainerFlags
from classification.cli.help_text import help_text, wants_help
from classification.cli.old_names import translate
from classification.cli.presets import override, preset_flags
from classification.cli.resolve import merge_precision_flags, resolve
from classification.errors import UsageError, did_you_mean
from classification.streams import write_line

if TYPE_CHECKING:
    from classification.cli.options import Options

OLDEST_TRANSFORMERS = (5, 17)
UNSET = object()
Group = TypeVar("Group")


class Parser(ArgumentParser):
    """Raises instead of exiting, so that an error is the same from Python and from the shell."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def make_parser() -> Parser:
    """The parser of every flag, without defaults of its own: `given_values` needs to see what was typed."""
    parser = Parser(prog="run_classification.py", allow_abbrev=False)
    groups = {flag.group: parser.add_argument_group(flag.group) for flag in load_flags()}
    for flag in load_flags():
        flag.add_to(groups[flag.group])
    return parser


def parse_arguments(argv: list[str]) -> Options:
    """Turn a command line into checked options.

    Raises:
        UsageError, SystemExit: as `checked_flags`.
    """
    flags = checked_flags(argv)
    from classification.cli.build_options import build_options  # imports torch, which takes seconds

    return build_options(flags)


def checked_flags(argv: list[str]) -> Flags:
    """The flags of a command line and its preset; imports no library that takes long.

    Raises:
        UsageError: anything that can be known without reading data; names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    flags = read_flags(argv)
    check_flags(flags)
    return flags


def read_flags(argv: list[str]) -> Flags:
    """The flags of a command line and its preset, with defaults, unchecked."""
    try:
        installed = version("transformers")
    except PackageNotFoundError as error:
        raise UsageError("transformers is not installed: pip install -r requirements.txt") from error
    if tuple(map(int, installed.split(".")[:2])) < OLDEST_TRANSFORMERS:
        raise UsageError(f"transformers {installed} is too old: pip install -r requirements.txt")
    if wants_help(argv):
        write_line(help_text(argv).rstrip("\n"), sys.stdout)
        raise SystemExit(0)
    parser = make_parser()
    first = argv[0] if argv and not argv[0].startswith("-") else None
    known = {flag.dest for flag in load_flags()}
    words, notes = translate(argv[1:] if first else argv, known)
    typed = given_values(parser, words)
    path = typed.pop("config", first)
    if first and path != first:
        raise UsageError(f"{first} and --config {path}: two presets. Give one.")
    preset: dict[str, object] = {}
    if path:
        list_flags = {flag.dest for flag in load_flags() if flag.nargs in ("+", "*")}
        words, more_notes = translate(preset_flags(Path(str(path)), list_flags), known)
        preset, replaced = override(given_values(parser, words, f"preset {path}: "), typed)
        notes += more_notes + replaced
    given = merge_precision_flags(preset | typed | {"config": path})
    phases = dict.fromkeys(("do_train", "do_eval", "do_predict"), False)
    trainer = phases | TRAINER_DEFAULTS | {name: value for name, value in given.items() if name in trainer_flags()}
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
    known = {flag.dest for flag in load_flags()}
    parser.set_defaults(**dict.fromkeys(known, UNSET))
    try:
        namespace, rest = parser.parse_known_args(words)
    except (UsageError, ArgumentError) as error:
        raise UsageError(f"{where}{str(error).removeprefix('argument ')}") from error
    unknown = next((word for word in rest if word.startswith("-")), None)
    if unknown:
        name = unknown.partition("=")[0]
        hint = did_you_mean(name.lstrip("-").replace("-", "_"), known)
        raise UsageError(f"{where}{name}: there is no such flag.{hint} --help all lists all flags.")
    if rest:
        raise UsageError(f"{where}{rest[0]!r}: belongs to no flag. A preset file must come first.")
    return {name: value for name, value in vars(namespace).items() if value is not UNSET}
