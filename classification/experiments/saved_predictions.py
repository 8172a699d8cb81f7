"""The predictions of a finished run in a file, for a command that is killed before it has used them.

A study and the LSTM baseline need the predictions of a run after its end. The run writes them before it is marked as
finished, and the command deletes the file once its own results are written.
"""

from __future__ import annotations

import io
import json
import logging
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import DatasetDict

from classification.data.fingerprints import fingerprint
from classification.data.tasks import task_as_dict
from classification.errors import first_line
from classification.evaluation.predictions import Predictions
from classification.experiments.runs import FinishedRun
from classification.system.files import replacing_bytes

logger = logging.getLogger(__name__)

FILE = "kept_predictions.npz"
ARRAYS = ("logits", "tokens", "full_tokens")  # of `Predictions`


@dataclass(frozen=True)
class SavedPredictions:
    """What a run leaves for the command around it.

    Args:
        metrics: the content of all_results.json, with the numbers that JSON lacks (nan, inf).
        predictions: by split. seconds: by phase. lost: what errors after training have cost.
        task: what the task writes to a config: its labels, temperatures and decision rule.
    """

    metrics: dict[str, Any]
    predictions: dict[str, Predictions]
    seconds: dict[str, float]
    lost: list[str]
    task: dict[str, Any]

    @classmethod
    def of(cls, finished: FinishedRun) -> SavedPredictions:
        facts = task_as_dict(finished.task)
        return cls(finished.metrics, finished.predictions, finished.seconds, finished.lost, facts)

    def write(self, folder: Path) -> None:
        """Write the whole file or nothing."""
        facts = {
            "rows": {split: fingerprint(made.rows) for split, made in self.predictions.items()},
            "metrics": self.metrics,
            "seconds": self.seconds,
            "lost": self.lost,
            "task": self.task,
        }
        arrays = {f"{split}.{name}": getattr(made, name) for split, made in self.predictions.items() for name in ARRAYS}
        content = io.BytesIO()
        np.savez(content, facts=np.array(json.dumps(facts, default=np.generic.item)), **arrays)
        with replacing_bytes(folder / FILE) as handle:
            handle.write(content.getbuffer())

    @classmethod
    def read(cls, folder: Path, splits: DatasetDict) -> SavedPredictions | None:
        """What `write` wrote, bit for bit; None where the file is missing, damaged or about other rows.

        Args:
            splits: the rows that were predicted, and others.
        """
        try:
            with np.load(folder / FILE, allow_pickle=False) as content:
                facts = json.loads(str(content["facts"]))
                task = facts["task"]
                saved = {split: [content[f"{split}.{name}"] for name in ARRAYS] for split in facts["rows"]}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            logger.warning("%s: cannot be read: %s", folder / FILE, first_line(error))
            return None
        for split, rows in facts["rows"].items():
            if split not in splits or fingerprint(splits[split]) != rows:
                logger.warning("%s: has predictions for other rows of %s", folder / FILE, split)
                return None
        predictions = {split: Predictions(splits[split], *arrays) for split, arrays in saved.items()}
        return cls(facts["metrics"], predictions, facts["seconds"], facts["lost"], task)
