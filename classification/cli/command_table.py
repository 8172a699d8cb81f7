"""A command line as a table of flags: read, checked and explained without a library that takes long.

For predict.py and the scripts that do not train; the flags of training are in `parser`.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from classification.cli.flag_table import FALSE, TRUE
from classification.cli.help_text import NAME_COLUMN, wants_help
from classification.cli.prediction_values import Reader
from classification.errors import UsageError, did_you_mean
from classification.messages.streams import write_line


@dataclass(frozen=True)
class TableFlag:
    """One flag: how its value is read, and what `--help` says.

    Args:
        reader: turns the word into a value; None for a switch that is on or off.
        word: what stands for the value in `--help`.
        repeats: each use adds a value; else the last one counts.
    """

    name: str
    group: str
    help: str
    reader: Reader | None = None
    word: str | None = None
    repeats: bool = False
    short: str = ""


@dataclass(frozen=True)
class CommandTable:
    """All flags of a command.

    Args:
        usage, description: for `--help`.
    """

    usage: str
    description: str
    flags: tuple[TableFlag, ...]

    @cached_property
    def by_name(self) -> dict[str, TableFlag]:
        return {flag.name: flag for flag in self.flags}

    @cached_property
    def by_short(self) -> dict[str, TableFlag]:
        return {flag.short: flag for flag in self.flags if flag.short}

    def read(self, argv: Sequence[str]) -> tuple[dict, list[str]]:
        """The values of the flags that are given, by name, and the words that belong to no flag.

        Raises:
            UsageError: an unknown flag, or a flag without a value or with a wrong one.
            SystemExit: after `--help`.
        """
        rest = list(argv)
        if wants_help(rest):
            write_line(self.help_text().rstrip("\n"), sys.stdout)
            raise SystemExit(0)
        values: dict = {}
        places: list[str] = []
        while rest:
            word = rest.pop(0)
            if word == "--":
                places += rest
                break
            flag, given = self.find(word)
            if flag is None:
                places.append(word)
            elif flag.reader is None:
                if given is None and rest and rest[0].lower() in ("true", "false"):
                    given = rest.pop(0)
                values[flag.name] = read_switch(flag.name, given)
            else:
                if given is None and (not rest or self.find(rest[0], strict=False)[0]):
                    raise UsageError(f"--{flag.name}: needs a value. Give one: --{flag.name} {flag.word or 'VALUE'}")
                value = flag.reader(flag.name, rest.pop(0) if given is None else given)
                values[flag.name] = [*values.get(flag.name, []), value] if flag.repeats else value
        return values, places

    def find(self, word: str, *, strict: bool = True) -> tuple[TableFlag | None, str | None]:
        """The flag that a word names, and the value behind its `=`; None for a word that is no flag.

        Args:
            strict: whether an unknown flag is an error.
        """
        if word == "-" or not word.startswith("-"):
            return None, None
        name, equals, value = word.partition("=")
        flag = self.by_short.get(name)
        if name.startswith("--"):
            flag = self.by_name.get(name[2:].replace("-", "_"))
        elif flag is None and (short := self.by_short.get(word[:2])):  # -oOUT
            return short, word[2:]
        if flag is None and strict:
            hint = did_you_mean(name.lstrip("-").replace("-", "_"), self.by_name)
            raise UsageError(f"{name}: there is no such flag.{hint} --help lists all flags.")
        return flag, value if equals else None

    def help_text(self) -> str:
        """The answer to `--help`."""
        parser = ArgumentParser(
            usage=self.usage, description=self.description, add_help=False,
            formatter_class=lambda prog: RawDescriptionHelpFormatter(prog, max_help_position=NAME_COLUMN),
        )  # fmt: skip
        groups = {flag.group: parser.add_argument_group(flag.group) for flag in self.flags}
        for flag in self.flags:
            names = ([flag.short] if flag.short else []) + [f"--{flag.name}"]
            if flag.reader is None:
                groups[flag.group].add_argument(*names, action="store_true", help=flag.help)
            else:
                word = flag.word or f"{{{','.join(flag.reader.choices)}}}"
                groups[flag.group].add_argument(*names, metavar=word, help=flag.help)
        return parser.format_help()


def read_switch(name: str, word: str | None) -> bool:
    if word is not None and word.lower() not in (*TRUE, *FALSE):
        raise UsageError(f"--{name} {word}: must be true or false. --{name} alone means true.")
    return word is None or word.lower() in TRUE
