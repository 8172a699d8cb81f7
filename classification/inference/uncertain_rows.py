"""The rows most worth labelling (`--most_uncertain`): those whose decision was the closest, without near copies.

The margin of a row is that of its task: the difference of the two highest logits (Scheffer et al. 2001, Active hidden
Markov models for information extraction), with costs or thresholds the distance from the nearest other decision.

Each part of the input leaves its best rows as JSON, and the parts are joined at the end. So memory stays constant, and
the rows are the same however the input is divided.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from classification.data.distinct_texts import choose_distinct
from classification.data.labels import LabelSpace
from classification.data.sources.row_batches import RowBatch
from classification.data.words import normalised
from classification.errors import UsageError
from classification.inference.data_statistics import DataStatistics
from classification.inference.row_texts import column_values
from classification.inference.text_formats import write_cells
from classification.inference.value_texts import csv_text, json_text
from classification.messages.log import Line
from classification.system.files import replacing

# n rows of a batch, C labels.

CANDIDATES = 20  # that are kept per row that is wanted: near copies among them are left out at the end
LABEL = "label"  # the label column where the model does not tell its name


@dataclass(frozen=True)
class UncertainPlan:
    """What is written.

    Args:
        count: of rows.
        columns: of the input, in the order of the file; the label column is the last, "" where there is none.
        names: of these columns in the file: the text columns and the label column have their names of the training.
        text_places: which columns have the texts that are predicted.
    """

    count: int
    columns: tuple[str, ...]
    names: tuple[str, ...]
    text_places: tuple[int, ...]

    @classmethod
    def make(
        cls, count: int, columns: Sequence[str], text_columns: Sequence[str], label_column: str | None,
        statistics: DataStatistics | None,
    ) -> UncertainPlan:  # fmt: skip
        """
        Args:
            columns: of the input. text_columns: those of them that are predicted; label_column: that with labels.
            statistics: of the model's training data, None where they are not known.
        """
        trained = statistics.text_columns if statistics else ()
        label_name = (statistics and statistics.label_column) or label_column or LABEL
        names = dict(zip(text_columns, trained if len(trained) == len(text_columns) else text_columns, strict=True))
        own = label_column or (label_name if label_name in columns and label_name not in text_columns else None)
        order = [*dict.fromkeys((*columns, *text_columns))]  # a text may be a field inside a column
        order = [*(name for name in order if name != own), own or ""]
        taken = {*names.values(), label_name}
        for name in order[:-1]:
            if name not in names:
                names[name] = free_name(name, taken)
                taken.add(names[name])
        places = tuple(order.index(name) for name in text_columns)
        return cls(count, tuple(order), (*(names[name] for name in order[:-1]), label_name), places)


def free_name(name: str, taken: set[str]) -> str:
    """The name, with a number where another column has it."""
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def check_uncertain(task: LabelSpace, count: int) -> None:
    """Refuse a task whose answers have no second best."""
    if task.output_scale is not None:
        raise UsageError(
            f"--most_uncertain {count}: the model predicts a number, which has no second best answer. "
            "Leave the flag out."
        )


@dataclass(order=True)
class Candidate:
    """A row that may be chosen; those with a smaller margin first, then those that are earlier in the input.

    Args:
        number: of the row in the input, from 0.
        cells: of `UncertainPlan.columns`, as text.
        copies: rows with the same texts that it stands for.
    """

    margin: float
    number: int
    cells: list[str]
    copies: int = 0


class Pool:
    """The best candidates with different texts, at most `CANDIDATES` per row that is wanted."""

    def __init__(self, plan: UncertainPlan):
        self.plan = plan
        self.by_text: dict[tuple[str, ...], Candidate] = {}
        self.limit = plan.count * CANDIDATES
        self.worst: list[tuple[float, int, tuple[str, ...]]] = []  # a heap; may have candidates that were replaced

    def add(self, candidate: Candidate) -> None:
        key = tuple(normalised(candidate.cells[place]) for place in self.plan.text_places)
        known = self.by_text.get(key)
        if known is not None:
            better, other = sorted((known, candidate))
            better.copies += other.copies + 1
            candidate = better
        self.by_text[key] = candidate
        if candidate is not known:
            heapq.heappush(self.worst, (-candidate.margin, -candidate.number, key))
        while len(self.by_text) > self.limit:
            margin, number, key = heapq.heappop(self.worst)
            found = self.by_text.get(key)
            if found is not None and (found.margin, found.number) == (-margin, -number):
                del self.by_text[key]

    def best(self) -> list[Candidate]:
        return sorted(self.by_text.values())


def find_candidates(
    plan: UncertainPlan, batch: RowBatch, logits: np.ndarray, positions: Sequence[int] | np.ndarray, task: LabelSpace,
    own: Sequence[str],
) -> bytes:  # fmt: skip
    """The candidates of a batch: for `AnswerColumns.uncertain`.

    Args:
        logits: [m, C] of the rows at `positions` [m] of the batch: those that were predicted.
        own: the columns of the input.
    """
    margins = np.nan_to_num(task.margin(logits).astype(np.float64), nan=np.nan)  # JSON has no infinity
    texts = {place: column_values(batch, plan.columns[place], own) for place in plan.text_places}
    wanted: dict[int, float] = {}  # position -> margin
    keys: set[tuple[str, ...]] = set()
    for place in np.argsort(margins, kind="stable"):
        position = int(positions[place])
        key = tuple(normalised(csv_text(values[position])) for values in texts.values())
        if len(keys) == plan.count * CANDIDATES and key not in keys:
            break  # all that follow have larger margins
        if not np.isnan(margins[place]):
            keys.add(key)
            wanted[position] = float(margins[place])
    pool = Pool(plan)
    for position, record in enumerate(batch.records()):  # they have numbers as they are written
        if position in wanted:
            cells = [csv_text(record.get(name)) for name in plan.columns]
            for place, values in texts.items():
                cells[place] = csv_text(values[position])
            pool.add(Candidate(wanted[position], batch.first + position, cells))
    rows = [[one.margin, one.number, one.copies, one.cells] for one in pool.best()]
    return json.dumps({"plan": asdict(plan), "rows": rows}).encode()


def choose_rows(parts: Iterable[bytes]) -> tuple[UncertainPlan, list[Candidate], int] | None:
    """The plan, the rows that are written, the most uncertain first, and how many copies of rows were left out.

    Args:
        parts: what `find_candidates` gave for every part, in order. None without parts.
    """
    pool: Pool | None = None
    for part in parts:
        content = json.loads(part)
        own = plan_of(content["plan"]).columns
        if pool is None:
            pool = Pool(plan_of(content["plan"]))
        # A machine without the libraries of labels may not have known which column has the label.
        order = [own.index(name) if name in own else None for name in pool.plan.columns]
        for margin, number, copies, cells in content["rows"]:
            ordered = ["" if place is None else cells[place] for place in order]
            pool.add(Candidate(margin, number, ordered, copies))
    if pool is None:
        return None
    candidates = pool.best()
    columns = [[one.cells[place] for one in candidates] for place in pool.plan.text_places]
    places, left_out = choose_distinct(columns, pool.plan.count)
    chosen = [candidates[place] for place in places]
    return pool.plan, chosen, left_out + sum(one.copies for one in chosen)


def plan_of(values: Mapping[str, Any]) -> UncertainPlan:
    return UncertainPlan(
        values["count"], tuple(values["columns"]), tuple(values["names"]), tuple(values["text_places"])
    )


def write_uncertain(path: Path, parts: Iterable[bytes]) -> Line | None:
    """Write the rows most worth labelling, completely or not at all, and describe them; None without parts.

    Args:
        parts: as for `choose_rows`; they are read one by one.

    Raises:
        OSError: the disk refuses the file.
    """
    write = next(writer for ending, writer in WRITERS.items() if path.name.lower().endswith(ending))
    found = choose_rows(parts)
    if found is None:
        return None
    plan, chosen, left_out = found
    with replacing(path) as handle:
        write(handle, plan.names, (one.cells for one in chosen))
    few = f" of {plan.count}" if len(chosen) < plan.count else ""
    copies = f"{left_out} {'copy' if left_out == 1 else 'copies'} of such rows left out"
    is_labelled = all(one.cells[-1] for one in chosen)
    task = "" if is_labelled else f"; fill in {plan.names[-1]!r}, and append them to the training data"
    return Line("uncertain", f"{len(chosen)}{few} rows most worth labelling in {path} ({copies}){task}")


Writer = Callable[[TextIO, Sequence[str], Iterable[Sequence[str]]], None]


def write_objects(handle: TextIO, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """JSON lines; a label that is not known yet is null."""
    for cells in rows:
        row = dict(zip(names, cells, strict=True))
        handle.write(json_text(row | {names[-1]: cells[-1] or None}) + "\n")


WRITERS: dict[str, Writer] = {
    ".csv": lambda handle, names, rows: write_cells(handle, (names, *rows), ","),
    ".tsv": lambda handle, names, rows: write_cells(handle, (names, *rows), "\t"),
    ".jsonl": write_objects,
}
