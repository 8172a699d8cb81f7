"""The confusion matrix: how often each class is taken for each other one. Its cells list their rows in the browser."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.scored_rows import ScoredRows, scored_rows, split_note

# C classes.

MOST_CLASSES = 40  # of a matrix; more classes are listed as pairs
MOST_PAIRS = 50
SHADES = (0.0, 0.05, 0.15, 0.35, 0.65)  # a share above each has the next shade
FOLDED = 40  # labels of several per row that are not folded
WIDE_NAME = 12  # characters of a name from which the heads of many columns are written vertically
FEW_COLUMNS = 6


@dataclass(frozen=True)
class Counted:
    """A number of rows and the share that it is of others; `is_right` tells whether the rows are right."""

    count: int
    share: float
    is_right: bool

    @property
    def shade(self) -> str:
        """The style of the cell: right or wrong, from 1 (a small share) to 5 (nearly all)."""
        if not self.count:
            return "nothing"
        return f"{'right' if self.is_right else 'wrong'}-{sum(self.share > bound for bound in SHADES)}"


@dataclass(frozen=True)
class Cell(Counted):
    """Rows of one true class that got one prediction, and their share of the true class."""

    truth: int
    prediction: int


@dataclass(frozen=True)
class LabelCounts:
    """Of several labels one: in how many rows it is found, missed, or predicted wrongly."""

    label: int
    total: int
    found: Counted
    missed: Counted
    false: Counted

    @classmethod
    def of(cls, label: int, found: int, missed: int, false: int) -> LabelCounts:
        total, predicted = found + missed, found + false
        return cls(
            label,
            total,
            Counted(found, found / max(total, 1), True),
            Counted(missed, missed / max(total, 1), False),
            Counted(false, false / max(predicted, 1), False),
        )

    @property
    def mistakes(self) -> int:
        return self.missed.count + self.false.count


def confusion_section(run: RunFiles) -> Section | None:
    """The matrix of test, of validation where test has no labels; None for a task without classes."""
    rows = scored_rows(run)
    if rows is not None and len(rows) and rows.probabilities is not None:
        note = split_note(rows)
        return (
            labels_section(run, rows, note)
            if rows.has_label_columns
            else matrix_section(run, cells_of_rows(rows), note)
        )
    for split in ("test", "eval"):
        matrix = run.metrics.get(f"{split}_confusion_matrix")
        if matrix:
            where = "validation" if split == "eval" else "test"
            note = f"These are the rows of {where}. Its predictions are not saved, so no rows can be listed."
            return matrix_section(run, cells_of_matrix(matrix), note, can_list=False)
    return None


def cells_of_rows(rows: ScoredRows) -> list[Cell]:
    """The cells that count a row, by true class, then by prediction."""
    pairs, counts = np.unique(np.stack([rows.truth, rows.decisions]), axis=1, return_counts=True)
    return make_cells(zip(*pairs.tolist(), counts.tolist(), strict=True))


def cells_of_matrix(matrix: Sequence[Sequence[int]]) -> list[Cell]:
    return make_cells((i, j, count) for i, row in enumerate(matrix) for j, count in enumerate(row) if count)


def make_cells(counts: Iterable[tuple[int, int, int]]) -> list[Cell]:
    """Cells of (true class, prediction, count)."""
    listed = list(counts)
    totals: dict[int, int] = {}
    for truth, _, count in listed:
        totals[truth] = totals.get(truth, 0) + count
    return [Cell(count, count / totals[truth], truth == other, truth, other) for truth, other, count in listed]


def matrix_section(run: RunFiles, cells: Sequence[Cell], note: str, *, can_list: bool = True) -> Section:
    names = run.task.names
    mistakes = sorted(
        (cell for cell in cells if cell.truth != cell.prediction), key=lambda cell: (-cell.count, -cell.share)
    )
    is_matrix = len(names) <= MOST_CLASSES
    longest = max(map(len, names))
    return Section(
        anchor="confusion",
        title="Which classes are confused",
        template="confusion.html.j2",
        values={
            "kind": "matrix" if is_matrix else "pairs",
            "names": names,
            "table": matrix_rows(cells, len(names)) if is_matrix else [],
            "pairs": mistakes[:MOST_PAIRS],
            "more_pairs": len(mistakes[MOST_PAIRS:]),
            "more_rows": sum(cell.count for cell in mistakes[MOST_PAIRS:]),
            "worst": mistakes[:3],
            "is_vertical": len(names) > FEW_COLUMNS and (longest > WIDE_NAME or len(names) > 2 * FEW_COLUMNS),
            "can_list": can_list and not run.is_shared,  # a shared page has no list of rows
        },
        left_out=note,
    )


def matrix_rows(cells: Sequence[Cell], num_labels: int) -> list[tuple[int, list[Cell]]]:
    """Of each true class how many rows it has, and all its cells."""
    known = {(cell.truth, cell.prediction): cell for cell in cells}
    ids = range(num_labels)
    table = [
        [known.get((truth, other)) or Cell(0, 0.0, truth == other, truth, other) for other in ids] for truth in ids
    ]
    return [(sum(cell.count for cell in row), row) for row in table]


def labels_section(run: RunFiles, rows: ScoredRows, note: str) -> Section:
    """One line per label, those with the most mistakes first."""
    truth, decisions = rows.truth > 0, rows.decisions > 0
    found, missed, false = (
        part.sum(axis=0).tolist() for part in (truth & decisions, truth & ~decisions, ~truth & decisions)
    )
    counts = [LabelCounts.of(i, *values) for i, values in enumerate(zip(found, missed, false, strict=True))]
    counts.sort(key=lambda one: (-one.mistakes, one.label))
    values = {
        "kind": "labels",
        "names": run.task.names,
        "groups": [counts[:FOLDED], counts[FOLDED:]],
        "worst": [one for one in counts if one.mistakes][:1],
        "can_list": not run.is_shared,
    }
    return Section("confusion", "Which labels are missed or wrong", "confusion.html.j2", values, note)
