"""The one place that chooses the test rows of the error browser, for the page and for the neighbours of its rows.

It reads predictions.csv alone, so that a run and a page that is drawn later choose the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from classification.data.labels import LabelSpace
from classification.report.run_files import PredictionTable

# N rows of the file, C labels.

LIMIT = 2000  # rows
LARGEST_ERRORS = 1000  # of a number's rows, where not all are shown
KEPT_PER_CELL, KEPT_IN_CELLS = 3, 200  # rows that every cell of the confusion matrix keeps, and all cells together
SEED = 0

MISTAKE, RIGHT, UNSCORED = "mistake", "right", "unscored"  # a number is never right or wrong: all are MISTAKE


@dataclass(frozen=True)
class Judgement:
    """How right and how sure the model was in each row.

    Args:
        kinds: of each row `MISTAKE`, `RIGHT` or `UNSCORED`, [N].
        confidence: [N], or None for a task without probabilities. With one class per row, the probability of the
            predicted class. With several labels, of a mistake the probability of the wrong decision that the model was
            surest of, and of other rows that of the decision that it was least sure of.
        errors: absolute error of each number in the label's own units, [N], nan without a label; None for classes.
    """

    kinds: np.ndarray
    confidence: np.ndarray | None
    errors: np.ndarray | None


@dataclass(frozen=True)
class ShownRows:
    """The rows of the error browser.

    Args:
        rows: their numbers in predictions.csv, in the order in which they are shown.
        shown, total: how many rows of each kind are shown, and how many there are.
    """

    judgement: Judgement
    rows: tuple[int, ...]
    shown: dict[str, int]
    total: dict[str, int]

    @property
    def left_out(self) -> int:
        return sum(self.total.values()) - len(self.rows)


def judge(table: PredictionTable, task: LabelSpace) -> Judgement:
    """Compare each prediction with its label."""
    scored = np.array([label is not None for label in table.label_ids], dtype=bool)
    if table.probabilities is None:
        errors = np.full(len(scored), np.nan)
        given = np.array([label for label in table.label_ids if label is not None], dtype=np.float64)
        errors[scored] = np.abs(task.in_units(np.asarray(table.decisions)[scored]) - task.in_units(given))
        return Judgement(np.where(scored, MISTAKE, UNSCORED), None, errors)
    decided = task.indicators(table.decisions) > 0  # [N, C]
    given = np.zeros_like(decided)
    if scored.any():
        labels = [label for label in table.label_ids if label is not None]
        given[scored] = task.indicators(np.array(labels)) > 0
    differs = decided != given
    wrong = differs.any(axis=1) & scored
    kinds = np.where(wrong, MISTAKE, np.where(scored, RIGHT, UNSCORED))
    return Judgement(kinds, sureness(table, decided, differs, wrong), None)


def sureness(table: PredictionTable, decided: np.ndarray, differs: np.ndarray, wrong: np.ndarray) -> np.ndarray:
    """`Judgement.confidence`; all arguments [N] or [N, C]."""
    probabilities = np.asarray(table.probabilities)
    if np.ndim(table.decisions) == 1:
        return probabilities[np.arange(len(probabilities)), np.asarray(table.decisions, dtype=np.int64)]
    sure = np.where(decided, probabilities, 1 - probabilities)
    surest_mistake = np.where(differs, sure, 0.0).max(axis=1, initial=0.0)
    return np.where(wrong, surest_mistake, sure.min(axis=1, initial=1.0))


def choose_rows(table: PredictionTable, task: LabelSpace, limit: int = LIMIT) -> ShownRows:
    """At most `limit` rows, in the order in which the page shows them.

    Mistakes come first, the most confident ones first (of numbers: the largest errors). A seeded sample of the right
    rows follows, the least sure first, then rows without a label, the least sure first. Where not all fit, a few rows
    of every cell of the confusion matrix are kept, so that each cell can list some of its rows.
    """
    judgement = judge(table, task)
    total = {kind: int((judgement.kinds == kind).sum()) for kind in (MISTAKE, RIGHT, UNSCORED)}
    pools = {kind: visiting_order(judgement, kind) for kind in total}
    if sum(total.values()) > limit:
        kept = spread_over_cells([*pools[MISTAKE], *pools[RIGHT]], table, limit) if judgement.errors is None else []
        free = {kind: pool[~np.isin(pool, kept)] for kind, pool in pools.items()}
        room = share_room({kind: len(pool) for kind, pool in free.items()}, limit - len(kept))
        pools = {
            kind: np.concatenate([[row for row in kept if judgement.kinds[row] == kind], pool[: room[kind]]]).astype(
                int
            )
            for kind, pool in free.items()
        }
    ordered = {kind: in_shown_order(judgement, kind, pool) for kind, pool in pools.items()}
    return ShownRows(
        judgement,
        tuple(int(row) for rows in ordered.values() for row in rows),
        {kind: len(rows) for kind, rows in ordered.items()},
        total,
    )


def visiting_order(judgement: Judgement, kind: str) -> np.ndarray:
    """The rows of a kind, in the order in which they are chosen to be shown."""
    rows = np.flatnonzero(judgement.kinds == kind)
    if kind == RIGHT:
        return np.random.default_rng(SEED).permutation(rows)
    if judgement.errors is not None:
        if kind == UNSCORED or len(rows) <= LARGEST_ERRORS:
            return np.random.default_rng(SEED).permutation(rows) if kind == UNSCORED else rows
        by_error = rows[np.argsort(-judgement.errors[rows], kind="stable")]
        rest = np.random.default_rng(SEED).permutation(np.sort(by_error[LARGEST_ERRORS:]))
        return np.concatenate([by_error[:LARGEST_ERRORS], rest])
    return in_shown_order(judgement, kind, rows)


def in_shown_order(judgement: Judgement, kind: str, rows: np.ndarray) -> np.ndarray:
    """The rows of one kind, sorted as `choose_rows` describes; ties by row number."""
    rows = np.sort(rows)
    if judgement.errors is not None:
        return rows[np.argsort(-judgement.errors[rows], kind="stable")] if kind == MISTAKE else rows
    assert judgement.confidence is not None
    sure = judgement.confidence[rows]
    return rows[np.argsort(-sure if kind == MISTAKE else sure, kind="stable")]


def share_room(sizes: dict[str, int], limit: int) -> dict[str, int]:
    """How many rows of each kind are shown: mistakes first; right and unscored rows share what is left."""
    first = min(sizes[MISTAKE], limit)
    left, others = limit - first, sizes[RIGHT] + sizes[UNSCORED]
    right = -(-left * sizes[RIGHT] // others) if others > left else sizes[RIGHT]
    return {MISTAKE: first, RIGHT: right, UNSCORED: min(left - right, sizes[UNSCORED])}


def spread_over_cells(order: Iterable[int], table: PredictionTable, limit: int) -> list[int]:
    """A few rows of every cell of the confusion matrix, in the order of `order`; at most a tenth of the limit."""
    counts: Counter = Counter()
    kept: list[int] = []
    for row in order:
        cells = cells_of(table.label_ids[row], table.decisions[row])
        if any(counts[cell] < KEPT_PER_CELL for cell in cells):
            counts.update(cells)
            kept.append(row)
            if len(kept) == min(KEPT_IN_CELLS, limit // 10):
                break
    return kept


def cells_of(label_id: object, decision: object) -> Sequence[tuple[int, ...]]:
    """The cells of the confusion matrices that count a row.

    With one class per row it is (true class, predicted class). With several labels there is one per label that the row
    has or gets: (label, has it, gets it).
    """
    if np.ndim(decision) == 0:  # type: ignore[arg-type]
        return [(int(label_id), int(decision))]  # type: ignore[call-overload]
    pairs = zip(np.asarray(label_id) > 0, np.asarray(decision) > 0, strict=True)
    return [(label, int(has), int(gets)) for label, (has, gets) in enumerate(pairs) if has or gets]
