"""The words of a command line -> values by name, without defaults: what was typed stays known."""

from __future__ import annotations

from argparse import ArgumentError, ArgumentParser
from typing import NoReturn

from classification.cli.flag_table import load_flags
from classification.errors import UsageError, did_you_mean

UNSET = object()
TWO_DASHES = "\ue000--"  # in place of the value `--`, which argparse before Python 3.13 takes away


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


def given_values(parser: Parser, words: list[str], where: str = "") -> dict[str, object]:
    """The values that a command line gives, by name and without defaults; `where` begins the message of an error."""
    known = {flag.dest for flag in load_flags()}
    parser.set_defaults(**dict.fromkeys(known, UNSET))
    words = [word[:-2] + TWO_DASHES if word.startswith("--") and word.endswith("=--") else word for word in words]
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
    values = {name: value for name, value in vars(namespace).items() if value is not UNSET}
    return {name: "--" if value == TWO_DASHES else value for name, value in values.items()}
