"""The files of a finished run, read back: all that its report and its model card are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classification.data.labels import LabelSpace

# N rows of the file, C labels.


@dataclass(frozen=True)
class PredictionTable:
    """predictions.csv, column by column.

    Args:
        texts: of each row, one or for pairs two; empty tuples where the report has no texts.
        label_ids: as from `LabelSpace.encode`, None where the row has no label.
        decisions: as from `LabelSpace.decide`, [N] or [N, C].
        probabilities: [N, C]; None for a task without them.
        slices: the columns of `--slice_columns`, by name; "" is a missing value.
    """

    ids: list[str]
    texts: list[tuple[str, ...]]
    label_ids: list[Any]
    decisions: np.ndarray
    probabilities: np.ndarray | None
    tokens: np.ndarray
    truncated: np.ndarray
    slices: dict[str, list[str]]


@dataclass(frozen=True)
class RunFiles:
    """What a run has left in its folder.

    Args:
        record: run.json. metrics: all_results.json.
        predictions: of test; None where nothing was predicted.
        neighbours: neighbours.json; empty where it is missing.
    """

    folder: Path
    record: Mapping[str, Any]
    metrics: Mapping[str, Any]
    task: LabelSpace
    predictions: PredictionTable | None
    neighbours: Mapping[str, Any]

    @property
    def shows_texts(self) -> bool:
        """Whether the report may hold texts (`--report_texts`)."""
        return bool(self.record.get("arguments", {}).get("report_texts", True))
