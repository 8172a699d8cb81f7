"""Rows that cannot be used: without a text, or without the label, group or time that they need."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from classification.data.arrow_columns import filter_rows
from classification.data.findings import ERROR, NOTE, Finding, agree, quantity
from classification.data.unreadable_texts import is_blank
from classification.errors import UsageError, join_first

logger = logging.getLogger(__name__)

REMEDY = "Fix the file, or pass --on_bad_row drop"
REMEDY_OF_ALL = "Name another column, or fill this one"
BATCH = 10_000  # texts that are Python strings at once


class Problem(NamedTuple):
    """What a row lacks: the kind of its finding, the words of the message, and the flag that names the column."""

    kind: str
    text: str
    flag: str


BLANK_TEXT = Problem("blank_text", "null or blank text", "--text_column_names")
NO_LABEL = Problem("no_label", "no label", "--label_column_name")
MINUS_ONE = Problem("no_label", "no label (-1)", "--label_column_name")
NO_GROUP = Problem("no_group", "no group", "--validation_group_column")
NO_TIME = Problem("no_time", "no time", "--time_column")


@dataclass(frozen=True)
class BadRows:
    """What happens to bad rows.

    Args:
        policy: `error` refuses them, `drop` removes them, `report` only records them (for `--check_data`).
        findings: gets one finding per problem and split; shared by all stages that drop rows.
    """

    policy: str = "error"
    findings: list[Finding] = field(default_factory=list)

    def handle(self, ids: list[str], problem: Problem, split: str, *, is_all: bool = False) -> None:
        """Refuse or record the rows of `split` that have `problem`; the caller removes them.

        Args:
            is_all: whether no good row of the split is left.

        Raises:
            UsageError: there are such rows, and the policy is `error`; or they are all, and the policy is not `drop`.
        """
        if not ids:
            return
        rows = f"{quantity(len(ids), 'row')} of {split}"
        what = f"{rows} {agree(len(ids), 'have')} {problem.text}"
        if is_all and self.policy != "drop":
            raise UsageError(f"{problem.flag}: {what}, and no other row is left. {REMEDY_OF_ALL}.")
        if self.policy == "error":
            raise UsageError(f"{what}: ids {join_first(ids)}. {REMEDY}.")
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
                remedy="Removed by --on_bad_row drop" if is_dropped else REMEDY,
                ids=tuple(ids),
            )
        )


def drop_bad_rows(data: Dataset, split: str, bad_rows: BadRows) -> Dataset:
    """The rows that have a text and, in train and validation, a label; also a group and a time where `data` has
    these columns.

    Args:
        data: the columns `id, text, text_pair?, label?, group?, time?`, null where a value is missing.

    Raises:
        UsageError: bad rows under the policy `error`, or no row is left.
    """
    table = data.with_format("arrow")[:]
    is_bad = np.zeros(len(data), dtype=bool)
    problems = find_bad_rows(table, split)
    for mask in problems.values():
        is_bad |= mask
    for problem, mask in problems.items():
        ids = table.column("id").filter(pa.array(mask)).to_pylist()
        bad_rows.handle(ids, problem, split, is_all=bool(is_bad.all()))
    if is_bad.all():
        lacks = join_first(problem.text for problem, mask in problems.items() if mask.any())
        raise UsageError(f"--on_bad_row drop: No rows of {split} are left: all have {lacks}. Fix the file.")
    return filter_rows(data, ~is_bad) if is_bad.any() else data


def find_bad_rows(table: pa.Table, split: str) -> dict[Problem, np.ndarray]:
    """Which rows have each problem, bool [N]."""
    is_bad_text = blank_texts(table.column("text"))
    if "text_pair" in table.column_names:
        is_bad_text |= null_values(table.column("text_pair"))
    bad = {BLANK_TEXT: is_bad_text}
    for column, problem in (("label", NO_LABEL), ("group", NO_GROUP), ("time", NO_TIME)):
        if column in table.column_names and not (column == "label" and split == "test"):
            bad[problem] = null_values(table.column(column))
    return bad


def blank_texts(texts: pa.ChunkedArray) -> np.ndarray:
    """Which texts are blank, bool [N]. Nearly all texts have an ASCII character, which Arrow finds."""
    is_blank_text = ~pc.match_substring_regex(texts, "[!-~]").fill_null(False).to_numpy()
    rows = np.flatnonzero(is_blank_text)
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        is_blank_text[some] = [is_blank(text) for text in texts.take(pa.array(some)).to_pylist()]
    return is_blank_text


def null_values(column: pa.ChunkedArray) -> np.ndarray:
    return column.is_null().to_numpy().copy()
