"""Rows that cannot be used: without a text, or without the label, group or time that they need."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import NamedTuple

from datasets import Dataset

from classification.data.findings import ERROR, NOTE, Finding, agree, quantity
from classification.errors import UsageError, join_first

logger = logging.getLogger(__name__)


class Problem(NamedTuple):
    """What a row lacks: the kind of its finding, and the words of the message."""

    kind: str
    text: str


BLANK_TEXT = Problem("blank_text", "null or blank text")
NO_LABEL = Problem("no_label", "no label")
MINUS_ONE = Problem("no_label", "no label (-1)")
NO_GROUP = Problem("no_group", "no group")
NO_TIME = Problem("no_time", "no time")


@dataclass(frozen=True)
class BadRows:
    """What happens to bad rows.

    Args:
        policy: `error` refuses them, `drop` removes them, `report` only records them (for `--check_data`).
        findings: gets one finding per problem and split; shared by all stages that drop rows.
    """

    policy: str = "error"
    findings: list[Finding] = field(default_factory=list)

    def handle(self, ids: list[str], problem: Problem, split: str) -> None:
        """Refuse or record the rows of `split` that have `problem`; the caller removes them.

        Raises:
            UsageError: there are such rows, and the policy is `error`.
        """
        if not ids:
            return
        rows = f"{quantity(len(ids), 'row')} of {split}"
        what = f"{rows} {agree(len(ids), 'have')} {problem.text}"
        if self.policy == "error":
            raise UsageError(f"{what}: ids {join_first(ids)}. Fix the file, or pass --on_bad_row drop.")
        is_dropped = self.policy == "drop"
        if is_dropped:
            logger.warning("dropped %s with %s (--on_bad_row drop)", rows, problem.text)
        self.findings.append(
            Finding(
                kind=problem.kind,
                severity=NOTE if is_dropped else ERROR,
                split=split,
                count=len(ids),
                what=what,
                why="such rows cannot be used",
                remedy="Removed by --on_bad_row drop" if is_dropped else "Fix the file, or pass --on_bad_row drop",
                ids=tuple(ids),
            )
        )


def is_blank(text: str | None) -> bool:
    """Whether nothing of a text is visible: null, spaces, or characters without width."""
    return text is None or not any(character.isprintable() and not character.isspace() for character in text)


def drop_bad_rows(content: dict[str, list], split: str, bad_rows: BadRows) -> Dataset:
    """The rows that have a text and, in train and validation, a label; also a group and a time where `content` has
    these columns.

    Args:
        content: the columns `id, text, text_pair?, label?, group?, time?`, None where a value is missing.

    Raises:
        UsageError: bad rows under the policy `error`, or no row is left.
    """
    ids = content["id"]
    bad = find_bad_rows(content, split)
    for problem, rows in bad.items():
        bad_rows.handle([ids[row] for row in rows], problem, split)
    dropped = {row for rows in bad.values() for row in rows}
    kept = [row for row in range(len(ids)) if row not in dropped]
    if not kept:
        raise UsageError(f"No rows of {split} are left: every row has a blank text or no label.")
    content = {name: [values[row] for row in kept] for name, values in content.items()}
    if "label" in content and len({type(value) for value in content["label"]} - {type(None)}) > 1:
        content["label"] = [value if value is None else str(value) for value in content["label"]]
    return Dataset.from_dict(content)


def find_bad_rows(content: dict[str, list], split: str) -> dict[Problem, list[int]]:
    """The numbers of the rows with each problem."""
    pairs = content.get("text_pair", [""] * len(content["id"]))
    texts = zip(content["text"], pairs, strict=True)
    bad = {BLANK_TEXT: [row for row, (text, pair) in enumerate(texts) if is_blank(text) or pair is None]}
    for column, problem in (("label", NO_LABEL), ("group", NO_GROUP), ("time", NO_TIME)):
        if column in content and not (column == "label" and split == "test"):
            bad[problem] = [row for row, value in enumerate(content[column]) if value is None]
    return bad
