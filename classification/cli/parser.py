"""From a command line to `Options`: parse, fill in, check. Needs no data."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments
from classification.cli.checks import check_flags
from classification.cli.flag_table import load_flags, trainer_flags
from classification.cli.flags import Flags, TrainerFlags
from classification.cli.help_text import help_text, wants_help
from classification.cli.old_names import translate
from classification.cli.presets import override, preset_flags, values_for_record
from classification.cli.recorded_run import RecordedRun, read_recorded_run
from classification.cli.resolve import merge_precision_flags, resolve
from classification.cli.searched_flags import check_space
from classification.cli.trainer_defaults import TRAINER_DEFAULTS
from classification.cli.typed_values import given_values, make_parser
from classification.errors import UsageError
from classification.messages.streams import write_line

if TYPE_CHECKING:
    from classification.cli.options import Options

OLDEST_TRANSFORMERS = (5, 17)
WITHOUT_SEARCH = {"search": None, "search_space": None}
Group = TypeVar("Group")


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
    if flags.run.search is not None:
        check_space(flags, lambda settings: check_flags(with_values(flags, {**WITHOUT_SEARCH, **settings})))
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
    preset, recorded = preset_of(Path(str(path)), typed, notes) if path else ({}, None)
    fixed = frozenset(typed) | (recorded.flags.keys() - recorded.searched if recorded else frozenset())
    start = Flags(
        DataArguments(), ModelArguments(), ObjectiveArguments(), RunArguments(), TrainerFlags({}), frozenset(),
        argv=tuple(argv), notes=tuple(notes), repeats=recorded, typed=fixed,
    )  # fmt: skip
    return filled_in(start, preset | typed | {"config": path})


def filled_in(start: Flags, values: Mapping[str, object]) -> Flags:
    """Flags with these values, the defaults of all others, and what follows from them; the rest is that of `start`."""
    given = merge_precision_flags(values)
    phases = dict.fromkeys(("do_train", "do_eval", "do_predict"), False)
    trainer = phases | TRAINER_DEFAULTS | {name: value for name, value in given.items() if name in trainer_flags()}
    flags = resolve(
        replace(
            start,
            data=group_of(DataArguments, given),
            model=group_of(ModelArguments, given),
            objective=group_of(ObjectiveArguments, given),
            run=group_of(RunArguments, given),
            trainer=TrainerFlags(trainer),
            given=frozenset(given),
        )
    )
    return replace(flags, values=values_for_record(values, flags.run.precision))


def with_values(flags: Flags, changes: Mapping[str, object]) -> Flags:
    """The flags of a command with other values, unchecked; None leaves a flag out, also one of a preset."""
    values = {name: value for name, value in {**flags.values, **changes}.items() if value is not None}
    return filled_in(replace(flags, notes=()), values | {"config": flags.run.config})


def preset_of(
    path: Path, typed: Mapping[str, object], notes: list[str]
) -> tuple[dict[str, object], RecordedRun | None]:
    """The values that a preset or the run.json of an earlier run gives beside the `typed` ones; adds to `notes`."""
    known = {flag.dest for flag in load_flags()}
    list_flags = {flag.dest for flag in load_flags() if flag.nargs in ("+", "*")}
    recorded = read_recorded_run(path, known)
    if recorded:
        flags, more = recorded.repeated(typed)
        words, place, source = recorded.words(flags, list_flags), f"--config {path}: ", "those of then: "
        notes += more
    else:
        words, place, source = preset_flags(path, list_flags), f"preset {path}: ", "the preset's "
    words, more = translate(words, known)
    values = given_values(make_parser(), words, place)
    left, replaced = override(values, typed, source)
    notes += more + replaced
    return left, recorded and recorded.compared(values, {**left, **typed})


def group_of(group: type[Group], given: Mapping[str, object]) -> Group:
    """A group of flags: given values, defaults for the others."""
    constructor: Callable[..., Group] = group
    names = {f.name for f in fields(group)}  # type: ignore[arg-type]
    return constructor(**{name: value for name, value in given.items() if name in names})
