"""The parts of the test set as the report shows them: by column, with the overall figure and what each part costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from classification.evaluation.metrics import LOWER_IS_BETTER
from classification.evaluation.slices import IN_TRAIN, LENGTH, TRUNCATED, groups_of, results_of
from classification.report.run_files import RunFiles
from classification.report.scored_rows import labelled_rows, scored_rows

# N scored rows.

OURS = {
    LENGTH: "Length of the text in tokens (pieces of words)",
    TRUNCATED: "Cut to the length limit",
    IN_TRAIN: "The same text is in train",
}
MOST_ROWS_COMPUTED = 500_000  # scored rows whose slices are computed for an old run


@dataclass(frozen=True)
class Slice:
    """One part of the rows.

    Args:
        figure, low, high: the headline metric and its 95% interval; None where unknown.
        cost: rows that would be right if the model were as good there as elsewhere; for numbers the share of all
            squared error that would be saved.
    """

    column: str
    value: str
    rows: int
    figure: float | None
    low: float | None
    high: float | None
    cost: float

    def is_better(self, overall: float | None, metric: str) -> bool:
        """Whether its figure is better than the overall one; its cost can be positive, because that counts rows."""
        if overall is None or self.figure is None:
            return False
        return self.figure < overall if metric in LOWER_IS_BETTER else self.figure > overall

    def is_worse(self, overall: float | None, metric: str) -> bool:
        """Whether its whole interval is on the worse side of the overall figure."""
        if overall is None or self.low is None or self.high is None:
            return False
        return self.low > overall if metric in LOWER_IS_BETTER else self.high < overall


def slices_of(run: RunFiles, split: str) -> list[Slice]:
    """The parts of a split (`test` or `validation`), the costliest first; of old runs they are computed for test."""
    results = run.metric("slices", split)
    if results is None and split == "test":
        results = computed_slices(run)
    metric = run.task.headline
    unit = cost_unit(results or (), metric)
    return [
        Slice(
            column=str(result["column"]),
            value=str(result["value"]),
            rows=int(result["rows"]),
            figure=result.get(metric),
            low=result.get(f"{metric}_low"),
            high=result.get(f"{metric}_high"),
            cost=float(result.get("cost") or 0.0) / unit,
        )
        for result in results or ()
    ]


def cost_unit(results: Sequence[Mapping[str, Any]], metric: str) -> float:
    """What a cost is divided by: 1 where it counts rows; the squared error of all rows where it is an error."""
    if metric not in LOWER_IS_BETTER:
        return 1.0
    parts = [result for result in results if result["column"] == results[0]["column"]]
    return sum(result["rows"] * (result.get(metric) or 0.0) ** 2 for result in parts) or 1.0


def computed_slices(run: RunFiles) -> Sequence[Mapping[str, Any]]:
    """The slices of a run that did not measure them; lengths are those that the model read."""
    rows, table = scored_rows(run), run.predictions
    if rows is None or table is None or not 0 < len(rows) <= MOST_ROWS_COMPUTED:
        return []
    labelled = labelled_rows(table, run.task, rows.places)
    cells = {name: [values[place] for place in rows.places] for name, values in table.slices.items()}
    return results_of(labelled, groups_of(cells, table.tokens[rows.places], table.truncated[rows.places]))


def by_column(slices: Sequence[Slice]) -> dict[str, list[Slice]]:
    """Slices by column in the order of their costliest one; within a column the costliest first."""
    columns: dict[str, list[Slice]] = {}
    for one in sorted(slices, key=lambda one: -one.cost):
        columns.setdefault(one.column, []).append(one)
    return columns
