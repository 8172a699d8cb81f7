"""The predictions of two runs for the same rows, side by side: rows are matched by id, text and label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classification.data.labels import LabelSpace
from classification.errors import UsageError, join_first
from classification.evaluation.intervals import interval_keys
from classification.evaluation.labelled_rows import LabelledRows
from classification.report.json_fields import mapping_in
from classification.report.prediction_table import PredictionTable, read_columns, table_of
from classification.report.run_files import RunFiles
from classification.report.scored_rows import labelled_rows
from classification.report.study_files import FILES as OUT_OF_FOLD_FILES
from classification.report.study_files import read_folder

# N rows that both runs predicted, C labels.

SHOWN_IDS = 3


@dataclass(frozen=True)
class Side:
    """One of two runs.

    Args:
        task: with its names in the order of the first run's. table: its rows in the order of the first run's.
    """

    run: RunFiles
    task: LabelSpace
    table: PredictionTable

    @property
    def name(self) -> str:
        return str(self.run.folder)

    def labelled(self) -> tuple[LabelledRows, np.ndarray]:
        """The rows with a label, and their numbers, int [M]."""
        labels = self.table.label_ids
        places = np.array([row for row, label in enumerate(labels) if label is not None], dtype=np.int64)
        return labelled_rows(self.table, self.task, places), places


def read_sides(first: Path, second: Path) -> tuple[Side, Side]:
    """Both runs, with the same rows and labels in one order.

    Raises:
        UsageError: a folder holds no run or no predictions, or the rows or labels of the runs differ.
    """
    runs = [read_folder(folder) for folder in (first, second)]
    for run in runs:
        if run.predictions is None:
            raise UsageError(
                f"{run.folder}: has no predictions of test rows. Predict the same test file with both models "
                "(--do_predict --test_file)."
            )
    refuse_other_task(*runs)
    one, other = (side_of(run, names=runs[0].task.names) for run in runs)
    order = matched_order(one, other)
    return one, replace(other, table=in_order(other.table, order))


def refuse_other_task(one: RunFiles, other: RunFiles) -> None:
    """Refuse runs whose labels have another meaning."""
    if type(one.task) is not type(other.task):
        kinds = " and ".join(f"{run.folder}: {run.task.problem_type.replace('_', ' ')}" for run in (one, other))
        raise UsageError(f"The runs have different tasks and cannot be compared ({kinds}).")
    here, there = set(one.task.names), set(other.task.names)
    if here != there:
        found = [f"only {run.folder} has {join_first(sorted(names))}"
                 for run, names in ((one, here - there), (other, there - here)) if names]  # fmt: skip
        raise UsageError(
            f"The label names of the runs differ: {'; '.join(found)}. Rename them in the data of one run, and run it "
            "again."
        )


def side_of(run: RunFiles, names: tuple[str, ...]) -> Side:
    """A run with its labels in the order of `names`, and its texts whatever its report shows."""
    task = replace(run.task, names=names)
    path = next(path for name in ("predictions.csv", *OUT_OF_FOLD_FILES) if (path := run.folder / name).is_file())
    header, columns = read_columns(path)
    header, columns = list(header), list(columns)
    places = [header.index(name) for name in (f"prob_{name}" for name in names) if name in header]
    start = min(places, default=0)
    if places:
        header[start : start + len(places)] = [f"prob_{name}" for name in names]
        columns[start : start + len(places)] = [columns[place] for place in places]
    table = table_of(
        header, columns, task, scored=run.metrics.get("test_scored"),
        safe=bool(mapping_in(run.record, "arguments").get("csv_safe")), with_texts=True,
    )  # fmt: skip
    return Side(run, task, table)


def matched_order(one: Side, other: Side) -> list[int]:
    """For each row of the first run, its number in the second.

    Raises:
        UsageError: ids, texts or labels differ; says how, and how many rows match.
    """
    place = {row_id: row for row, row_id in enumerate(other.table.ids)}
    for side in (one, other):
        repeated = [row_id for row_id, count in Counter(side.table.ids).items() if count > 1]
        if repeated:
            raise UsageError(f"{side.name}: ids occur more than once ({join_first(repeated, SHOWN_IDS)}).")
    known = set(one.table.ids)
    shared = [(row, place[row_id]) for row, row_id in enumerate(one.table.ids) if row_id in place]
    labels = [canonical_labels(side) for side in (one, other)]
    texts = [one.table.ids[a] for a, b in shared if one.table.texts[a] != other.table.texts[b]]
    changed = set(texts)
    relabelled = [
        one.table.ids[a] for a, b in shared if one.table.ids[a] not in changed and labels[0][a] != labels[1][b]
    ]
    differences = {
        f"only in {one.name}": [row_id for row_id in one.table.ids if row_id not in place],
        f"only in {other.name}": [row_id for row_id in other.table.ids if row_id not in known],
        "with another text": texts,
        "with another label": relabelled,
    }
    found = [f"{len(ids)} {what} (ids {join_first(ids, SHOWN_IDS)})" for what, ids in differences.items() if ids]
    if found:
        same = len(shared) - len(texts) - len(relabelled)
        raise UsageError(
            f"The rows of the runs differ: {'; '.join(found)}. {same} of {len(one.table.ids)} and "
            f"{len(other.table.ids)} rows match. Predict the same test file with both models (--do_predict)."
        )
    return [there for _, there in shared]


def canonical_labels(side: Side) -> list[object]:
    """Labels as values that are equal in both runs where they mean the same; numbers count to 9 digits."""
    given = side.table.label_ids
    rows = [row for row, label in enumerate(given) if label is not None]
    values: list[object] = [None] * len(given)
    for row, units in zip(
        rows, side.task.in_units(np.array([given[row] for row in rows])) if rows else (), strict=True
    ):
        values[row] = tuple(units.tolist()) if np.ndim(units) else f"{units:.9g}"
    return values


def in_order(table: PredictionTable, order: Sequence[int]) -> PredictionTable:
    """Some rows of a table, in this order."""
    rows = np.array(order, dtype=np.int64)
    return PredictionTable(
        ids=[table.ids[row] for row in order],
        texts=[table.texts[row] for row in order],
        label_ids=[table.label_ids[row] for row in order],
        decisions=table.decisions[rows],
        probabilities=None if table.probabilities is None else table.probabilities[rows],
        tokens=table.tokens[rows],
        truncated=table.truncated[rows],
        slices={name: [cells[row] for row in order] for name, cells in table.slices.items()},
    )


def figures_of(side: Side, rows: LabelledRows) -> dict[str, Any]:
    """The metrics that the run reported for its test rows, with limits; those that it did not report are computed."""
    reported: Mapping[str, Any] = side.run.metrics
    known = {name: reported.get(f"test_{name}") for name in side.task.main_metrics}
    values: dict[str, float] = {
        name: rows.score(name) if value is None else float(value) for name, value in known.items()
    }
    limits = {key: reported[f"test_{key}"] for name in values for key in (f"{name}_low", f"{name}_high")
              if reported.get(f"test_{key}") is not None}  # fmt: skip
    missing = {name: value for name, value in values.items() if f"{name}_low" not in limits}
    return values | limits | (interval_keys(missing, rows) if missing else {})
