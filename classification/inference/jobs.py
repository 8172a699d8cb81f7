"""A job is one input, one model and the flags that change the output: only parts of one job can be joined."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classification.data.sources.row_batches import PART_CHARACTERS, PART_ROWS

JOB_FILE = "job.json"
# Parts without bad rows are the same for both: a run that ends at a bad row can be resumed to leave it out.
ON_BAD_ROW, ALIKE = "--on_bad_row", ("error", "drop")
SUM_LENGTH = 12  # of a hash in a message


@dataclass(frozen=True)
class Shard:
    """The parts that one process computes.

    Args:
        index: from 1 to `of`.
    """

    index: int = 1
    of: int = 1

    def has(self, number: int) -> bool:
        return number % self.of == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    @property
    def is_whole(self) -> bool:
        return self.of == 1


WHOLE = Shard()


@dataclass(frozen=True)
class Job:
    """What decides an output.

    Args:
        facts: name -> text of all that changes the output, such as `input`, `model` and `--top_k`. Two jobs are one if
            these are equal.
        layout: of the output, as JSON.
        command: the command line without `--shard` and `--resume`, for messages.
        extras: small JSON that is needed when the parts are joined, such as the task of the model.
        has_all_rows: whether a part without some of its rows does not count.
    """

    facts: Mapping[str, str]
    layout: Mapping[str, Any]
    command: str = ""
    extras: Mapping[str, Any] = field(default_factory=dict)
    has_all_rows: bool = False

    @classmethod
    def of(cls, facts: dict[str, str], layout: Mapping[str, Any], **more: Any) -> Job:
        """A job; the layout of the output, and how the input is cut into parts, are facts too."""
        output = {
            "--format": layout["name"],
            "delimiter": repr(layout["delimiter"]),
            "--csv_safe": str(layout["safe"]),
            "columns": ", ".join((*layout["own"], *layout["new"])),
            "rows per part": f"{PART_ROWS}, or {PART_CHARACTERS} characters",
        }
        bad_rows = facts.get(ON_BAD_ROW)
        if bad_rows in ALIKE:
            facts = facts | {ON_BAD_ROW: " or ".join(ALIKE)}
        return cls(facts | output, layout, has_all_rows=bad_rows == ALIKE[0], **more)

    @property
    def digest(self) -> str:
        return hashlib.sha256(json.dumps(dict(self.facts), sort_keys=True).encode()).hexdigest()[:32]

    @property
    def ending(self) -> str:
        """Of the names of parts."""
        return str(self.layout["name"])

    def shard_command(self, shard: Shard) -> str:
        """The command that computes what is missing of a shard."""
        command = self.command or "the same command with"
        return f"{command}{'' if shard.is_whole else f' --shard {shard}'} --resume"

    def to_json(self) -> dict[str, Any]:
        return {"facts": dict(self.facts), "layout": dict(self.layout), "command": self.command,
                "extras": dict(self.extras)}  # fmt: skip


def read_job(folder: Path) -> Job | None:
    """The job of a folder of parts; None where the folder has none."""
    try:
        value = json.loads((folder / JOB_FILE).read_text(encoding="utf-8"))
        return Job(value["facts"], value["layout"], str(value["command"]), value["extras"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def differences(old: Job, new: Job, places: tuple[str, str]) -> str:
    """What differs between two jobs, with both values; empty if nothing does.

    Args:
        places: what the old and the new values are called, such as `there` and `now`.
    """
    names = dict.fromkeys((*old.facts, *new.facts))
    found = []
    for name in names:
        first, second = old.facts.get(name, "not given"), new.facts.get(name, "not given")
        if first != second:
            found.append(f"{name}: {shortened(first)} {places[0]}, {shortened(second)} {places[1]}")
    return "; ".join(found)


def shortened(text: str) -> str:
    """A hash with its first digits only; any other value as it is."""
    is_hash = len(text) >= 32 and all(letter in "0123456789abcdef" for letter in text)
    return f"{text[:SUM_LENGTH]}..." if is_hash else text
