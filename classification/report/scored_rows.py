"""The rows of predictions.csv that have a label, as arrays that the figures of the report are computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from classification.data.labels import LabelSpace
from classification.evaluation.labelled_rows import LabelledRows
from classification.report.number_format import plural
from classification.report.prediction_table import PredictionTable
from classification.report.run_files import RunFiles

# N scored rows, C labels.

DIGITS = 10  # of a number; predictions.csv has 12


@dataclass(frozen=True)
class ScoredRows:
    """Rows with a label and finite predictions.

    Args:
        places: where each row is in the prediction table, [N].
        truth, decisions: class ids [N], 0 and 1 per label [N, C], or numbers in the units of the labels [N].
        probabilities: [N, C]; None for a task without them.
        kind: `RunFiles.rows_are`.
        unlabelled, unreadable: how many rows are left out, because they lack a label or a finite prediction.
    """

    places: np.ndarray
    truth: np.ndarray
    decisions: np.ndarray
    probabilities: np.ndarray | None
    unlabelled: int
    unreadable: int
    kind: str = "test"

    @cached_property
    def errors(self) -> np.ndarray:
        """Predicted minus true numbers, [N], without the rounding of the last digits."""
        errors, scale = self.decisions - self.truth, np.abs([self.decisions, self.truth]).max(initial=0.0)
        return errors if scale == 0 else np.round(errors, DIGITS - int(np.ceil(np.log10(scale))))

    @property
    def has_label_columns(self) -> bool:
        """Whether a row has an answer per label, instead of one answer."""
        return self.truth.ndim == 2

    def __len__(self) -> int:
        return len(self.places)


def scored_rows(run: RunFiles) -> ScoredRows | None:
    """The scored test rows of a run; None where nothing was predicted. It can have no rows."""
    table = run.predictions
    if table is None:
        return None
    labelled = np.array([label is not None for label in table.label_ids], dtype=bool)
    usable = labelled & finite_rows(table.decisions, table.probabilities)
    places = np.flatnonzero(usable)
    decisions = table.decisions[places]
    label_ids = as_array([table.label_ids[place] for place in places]).reshape(decisions.shape)
    return ScoredRows(
        places=places,
        truth=run.task.in_units(label_ids),
        decisions=run.task.in_units(np.asarray(decisions)),
        probabilities=None if table.probabilities is None else table.probabilities[places],
        unlabelled=int((~labelled).sum()),
        unreadable=int((labelled & ~usable).sum()),
        kind=run.rows_are,
    )


def labelled_rows(table: PredictionTable, task: LabelSpace, places: np.ndarray) -> LabelledRows:
    """Rows of the table that have a label, int [M], as metrics and intervals read them."""
    texts = [table.texts[place] or (table.ids[place],) for place in places]
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    units = np.array([numbers[text] for text in texts], dtype=np.int64)
    label_ids = np.array([table.label_ids[place] for place in places])
    probabilities = None if table.probabilities is None else table.probabilities[places]
    return LabelledRows(task, label_ids, table.decisions[places], probabilities, units)


def as_array(label_ids: Sequence[Any]) -> np.ndarray:
    """Label ids as float64 [N] or [N, C]. Equal cells share one list, which is read once."""
    distinct = {id(label): label for label in label_ids}
    numbers = {key: number for number, key in enumerate(distinct)}
    values = np.array(list(distinct.values()), dtype=np.float64)
    return values[[numbers[id(label)] for label in label_ids]] if label_ids else values


def finite_rows(decisions: np.ndarray, probabilities: np.ndarray | None) -> np.ndarray:
    """Whether every number that was predicted for a row is finite, bool [N]."""
    columns = [np.asarray(values, dtype=np.float64) for values in (decisions, probabilities) if values is not None]
    checks = [np.isfinite(values.reshape(len(values), -1)).all(axis=1) for values in columns]
    return np.logical_and.reduce(checks)


def split_note(rows: ScoredRows) -> str:
    """Which rows of the test set the figures leave out, as a sentence; "" where they are all in."""
    notes = []
    if rows.unlabelled:
        verbs = ("has", "is") if rows.unlabelled == 1 else ("have", "are")
        count = plural(rows.unlabelled, f"{rows.kind} row")
        notes.append(f"{count} {verbs[0]} no label and {verbs[1]} not in these figures.")
    if rows.unreadable:
        they = "it is" if rows.unreadable == 1 else "they are"
        count = plural(rows.unreadable, f"{rows.kind} row")
        notes.append(f"For {count} the model gave no finite number; {they} left out.")
    return " ".join(notes)
