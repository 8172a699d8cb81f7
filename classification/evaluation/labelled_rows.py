"""The rows of a split that have a label, with what a metric reads of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from classification.data.arrow_columns import arrow_column
from classification.data.corpus import text_columns
from classification.data.labels import LabelSpace
from classification.evaluation.metrics import METRICS
from classification.evaluation.predictions import Predictions
from classification.evaluation.significance import ACCURACY, STATISTICS

# N rows, C classes, M rows that are chosen.


@dataclass(frozen=True)
class LabelledRows:
    """Rows with a label, in the form that `METRICS` reads.

    Args:
        label_ids, decisions: as from `LabelSpace.encode` and `decide`, [N] or [N, C].
        probabilities: [N, C]; None for a task without them.
        units: rows with equal texts have equal numbers, int [N]; they are resampled together.
    """

    task: LabelSpace
    label_ids: np.ndarray
    decisions: np.ndarray
    probabilities: np.ndarray | None
    units: np.ndarray

    @classmethod
    def of(cls, predictions: Predictions, task: LabelSpace) -> tuple[LabelledRows, np.ndarray]:
        """The labelled rows of a split, and their numbers in it, int [M]; logits that are not finite leave none."""
        labels = predictions.label_ids
        places = np.flatnonzero([label is not None for label in labels])
        if not np.isfinite(predictions.logits[places]).all():
            places = places[:0]
        logits, label_ids = predictions.logits[places], np.array([labels[place] for place in places])
        if not len(places):
            label_ids = label_ids.reshape(0, *([task.num_labels] if task.items_per_row > 1 else []))
        units = equal_texts(predictions.rows)[places]
        return cls(task, label_ids, task.decide(logits), task.probabilities(logits), units), places

    def __len__(self) -> int:
        return len(self.label_ids)

    @property
    def num_units(self) -> int:
        """How many texts there are."""
        return len(np.unique(self.units))

    @property
    def num_columns(self) -> int:
        """How many numbers a row of the probabilities has."""
        return 1 if self.probabilities is None else self.probabilities.shape[1]

    def with_units_numbered(self) -> LabelledRows:
        """The same rows with units from 0 on, without a gap."""
        return replace(self, units=np.unique(self.units, return_inverse=True)[1].ravel())

    def take(self, rows: np.ndarray) -> LabelledRows:
        """Some of the rows, by number or by bool [N]."""
        probabilities = None if self.probabilities is None else self.probabilities[rows]
        return LabelledRows(self.task, self.label_ids[rows], self.decisions[rows], probabilities, self.units[rows])

    @property
    def references(self) -> np.ndarray:
        return self.task.in_units(self.label_ids)

    @property
    def predictions(self) -> np.ndarray:
        return self.task.in_units(self.decisions)

    def score(self, metric: str) -> float:
        """One metric of `METRICS`."""
        return float(METRICS[self.task.metrics][metric](self.references, self.predictions, self.probabilities))

    def errors(self) -> np.ndarray:
        """The error of each row, float64 [N]: 1 where a label is wrong, or the squared error in units of the label."""
        statistic = STATISTICS.get(self.task.headline, ACCURACY)
        if statistic.correct is None:
            return statistic.summands(self.decisions, self.label_ids, self.task)[:, 0]
        return (~statistic.correct(self.decisions, self.label_ids)).astype(np.float64)


def equal_texts(rows: Dataset) -> np.ndarray:
    """A number per row, int [N]: equal for equal texts (of a pair, both)."""
    numbers = np.zeros(len(rows), dtype=np.int64)
    for name in text_columns(rows):
        texts = arrow_column(rows, name).cast(pa.large_string()).combine_chunks()
        codes = pc.fill_null(texts.dictionary_encode(null_encoding="encode").indices, -1).to_numpy().astype(np.int64)
        numbers = np.unique(numbers * (int(codes.max(initial=0)) + 2) + codes + 1, return_inverse=True)[1]
    return numbers
