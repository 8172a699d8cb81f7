"""Every flag as `argparse` needs it, known without importing the libraries that declare it.

scripts/write_docs.py writes `flag_table.json` from the dataclasses of arguments.py and `TrainingArguments`. It is used
as long as it fits the installed transformers and the present arguments.py. Otherwise the flags come from the
dataclasses themselves: the same flags, some seconds later.
"""

from __future__ import annotations

import hashlib
import json
from argparse import Action, ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import arguments

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

TABLE = Path(__file__).with_name("flag_table.json")
OFF = "store_false"  # the action of `--no_x`
TRUE, FALSE = ("yes", "true", "t", "y", "1"), ("no", "false", "f", "n", "0")


@dataclass(frozen=True)
class Flag:
    """What `add_argument` gets for one flag.

    Args:
        names: option strings; dest: the field that the flag sets.
        type: name of the function that reads a word; of a flag with `choices`, "choice".
        action: None, or `store_false` for a `--no_x` beside `--x`.
    """

    names: tuple[str, ...]
    dest: str
    group: str
    help: str
    type: str | None = None
    choices: tuple[object, ...] | None = None
    nargs: str | None = None
    const: object = None
    default: object = None
    action: str | None = None

    @classmethod
    def from_action(cls, action: Action, group: str) -> Flag:
        """The flag that an action of `argparse` was made from."""
        names, text = tuple(action.option_strings), action.help or ""
        if action.nargs == 0:
            return cls(names, action.dest, group, text, default=action.default, action=OFF)
        kind = "choice" if action.choices else getattr(action.type, "__name__", "str")
        return cls(
            names, action.dest, group, text, type={"string_to_bool": "bool"}.get(kind, kind),
            choices=tuple(action.choices) if action.choices else None, const=action.const,
            nargs=str(action.nargs) if action.nargs else None, default=getattr(action.default, "value", action.default),
        )  # fmt: skip

    @property
    def reader(self) -> Callable[[str], object]:
        """The function that turns a word of the command line into a value."""
        if self.choices:
            by_name = {str(choice): choice for choice in self.choices}
            return lambda word: by_name.get(word, word)
        return READERS.get(str(self.type)) or _refuse_all(str(self.type))

    def add_to(self, parser: ArgumentParser | _ArgumentGroup) -> None:
        if self.action == OFF:
            parser.add_argument(*self.names, dest=self.dest, action=OFF, default=self.default, help=self.help)
            return
        parser.add_argument(
            *self.names, dest=self.dest, type=self.reader, choices=self.choices, nargs=self.nargs, const=self.const,
            default=list(self.default) if isinstance(self.default, tuple | list) else self.default, help=self.help,
        )  # fmt: skip


def read_bool(word: str) -> bool:
    if word.lower() in (*TRUE, *FALSE):
        return word.lower() in TRUE
    raise ArgumentTypeError(
        f"Truthy value expected: got {word} but expected one of yes/no, true/false, t/f, y/n, 1/0 (case insensitive)."
    )


def _refuse_all(kind: str) -> Callable[[str], object]:
    """For values that no word can spell; `argparse` names the function in its error."""

    def refuse(word: str) -> object:
        raise ValueError(word)

    refuse.__name__ = kind
    return refuse


READERS: dict[str, Callable[..., object]] = {"str": str, "int": int, "float": float, "bool": read_bool, "dict": dict}


@cache
def load_flags() -> tuple[Flag, ...]:
    """Every flag in the order of --help."""
    content = json.loads(TABLE.read_text(encoding="utf-8"))
    if content["written_for"] == origin():
        return tuple(_flag_of(entry) for entry in content["flags"])
    from classification.cli.library_flags import build_flags  # imports transformers

    return build_flags()


def origin() -> dict[str, str]:
    """What the table depends on: the version of transformers, and a digest of arguments.py."""
    source = Path(arguments.__file__).read_text(encoding="utf-8")
    return {"transformers": version("transformers"), "arguments": hashlib.sha256(source.encode()).hexdigest()}


def table_text(flags: tuple[Flag, ...]) -> str:
    """The content of flag_table.json: one flag per line, without the values that are None."""
    entries = [{name: value for name, value in asdict(flag).items() if value is not None} for flag in flags]
    lines = ",\n".join(f"  {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
    return f'{{\n "written_for": {json.dumps(origin())},\n "flags": [\n{lines}\n ]\n}}\n'


def _flag_of(entry: dict) -> Flag:
    lists = {name: tuple(entry[name]) for name in ("names", "choices") if name in entry}
    assert entry.keys() <= {field.name for field in fields(Flag)}
    return Flag(**entry | lists)


def trainer_flags() -> frozenset[str]:
    """The names of the arguments of `TrainingArguments`."""
    group = arguments.TrainerAdditions._argument_group_name
    return frozenset(flag.dest for flag in load_flags() if flag.group == group)
