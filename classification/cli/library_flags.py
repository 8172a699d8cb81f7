"""The flags as `HfArgumentParser` makes them from the dataclasses; imports transformers, which takes seconds."""

from __future__ import annotations

import copy
from argparse import ArgumentParser
from dataclasses import Field, dataclass
from types import MappingProxyType

from transformers import HfArgumentParser, TrainingArguments

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments, TrainerAdditions
from classification.cli.flag_table import Flag

RELATIONS = ("replaces", "for_training")  # metadata of a flag that argparse does not know


@dataclass
class TrainerArguments(TrainerAdditions, TrainingArguments):
    """`TrainingArguments` with our meanings, as a group of its own in --help."""


class LibraryParser(HfArgumentParser):
    """Hands to argparse only the metadata that it knows."""

    @staticmethod
    def _parse_dataclass_field(parser: ArgumentParser, field: Field) -> None:
        field = copy.copy(field)
        known = {name: value for name, value in field.metadata.items() if name not in RELATIONS}
        field.metadata = MappingProxyType(known)
        HfArgumentParser._parse_dataclass_field(parser, field)


def library_parser() -> LibraryParser:
    groups = (DataArguments, ModelArguments, ObjectiveArguments, RunArguments, TrainerArguments)
    return LibraryParser(groups, allow_abbrev=False)  # type: ignore[arg-type]


def build_flags() -> tuple[Flag, ...]:
    """Every flag, group by group."""
    groups = library_parser()._action_groups
    return tuple(
        Flag.from_action(action, str(group.title))
        for group in groups
        for action in group._group_actions
        if action.dest != "help"
    )
