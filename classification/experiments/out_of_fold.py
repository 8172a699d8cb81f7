"""The rows of train, each predicted by a model that was not trained on it: what the folds of a study give together.

The temperatures of a fold's model are fitted on that fold, so that its own rows would look better than new ones. Here
the rows of a fold get the temperatures of the rows of all other folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, concatenate_datasets

from classification.data.labels import LabelSpace
from classification.data.slice_columns import PREFIX, slice_columns
from classification.evaluation.abstention import abstention_scores
from classification.evaluation.calibration import find_temperatures
from classification.evaluation.intervals import interval_keys
from classification.evaluation.labelled_rows import LabelledRows
from classification.evaluation.predictions import Predictions
from classification.evaluation.probability_quality import answers_of, can_be_scored, labelled, quality
from classification.evaluation.slices import slice_results
from classification.evaluation.split_metrics import score_labelled
from classification.reporting.predictions_file import write_predictions

# N rows of all folds, C labels.

FILE = "oof.csv"
KEY = "out_of_fold_"  # of its metrics in all_results.json
FOLD, OTHER_NAME = "fold", "fold_of_cross_validation"  # the second where the user has a column of the first name


@dataclass(frozen=True)
class OutOfFold:
    """The predictions of all folds in the order of train.

    Args:
        raw: with the logits as the models gave them.
        calibrated: the same rows with logits divided by temperatures of other folds; `raw` without calibration.
        task: decides on the calibrated logits, and has no temperatures of its own.
    """

    raw: Predictions
    calibrated: Predictions
    task: LabelSpace

    @classmethod
    def of(cls, held_out: Mapping[str, Predictions], task: LabelSpace) -> OutOfFold:
        """From the validation predictions of each fold by its name."""
        plain = replace(task, temperatures=(), fitted_on="")
        names = list(held_out)
        raw = [held_out[name] for name in names]
        rows = with_fold([part.rows for part in raw], names)
        whole = in_order_of_train(raw, rows)
        if not task.temperatures or len(raw) < 2:
            return cls(whole, whole, plain)
        logits = [scaled(part, [*raw[:place], *raw[place + 1 :]], plain) for place, part in enumerate(raw)]
        calibrated = [replace(part, logits=values) for part, values in zip(raw, logits, strict=True)]
        return cls(whole, in_order_of_train(calibrated, rows), plain)

    def write(self, folder: Path, *, safe: bool) -> None:
        """oof.csv: the columns of predictions.csv, and the fold that held out each row."""
        write_predictions(folder / FILE, self.calibrated, self.task, safe=safe)

    def metrics(self) -> dict[str, Any]:
        """The metrics of all rows at once as `out_of_fold_<metric>`, with intervals and slices."""
        scores = {"samples": len(self.raw.rows)} | score_labelled(
            self.calibrated.logits, self.calibrated.label_ids, self.task
        )
        if "loss" in scores:
            scores["loss"] = float(self.task.row_losses(*labelled(self.raw)).mean())
            scores |= self.quality_of_probabilities()
            rows, _ = LabelledRows.of(self.calibrated, self.task)
            values = {name: scores[name] for name in self.task.main_metrics if name in scores}
            scores |= interval_keys(values, rows) if len(rows) else {}
            scores["slices"] = slice_results(self.calibrated, self.task)
        return {f"{KEY}{metric}": value for metric, value in scores.items()}

    def quality_of_probabilities(self) -> dict[str, Any]:
        """Calibration error and Brier score before and after calibration, and how often a model that abstains is right.

        Empty for a task without probabilities, or where a model has diverged.
        """
        if not can_be_scored(self.calibrated, self.task):
            return {}
        scores: dict[str, Any] = quality(*labelled(self.raw), self.task)
        if self.calibrated is not self.raw:
            after = quality(*labelled(self.calibrated), self.task)
            scores |= {f"{name}_calibrated": value for name, value in after.items()}
        answers = answers_of(self.calibrated, self.task)
        return scores | {"abstention": abstention_scores(answers, answers)}


def scaled(part: Predictions, others: Sequence[Predictions], task: LabelSpace) -> np.ndarray:
    """The logits of a fold, calibrated by the rows of the other folds: float64 [n, C]."""
    pairs = [labelled(other) for other in others if can_be_scored(other, task)]
    if not pairs:
        return part.logits
    logits, label_ids = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
    temperatures, _ = find_temperatures(task.choices(logits, label_ids))
    return replace(task, temperatures=temperatures).calibrated(part.logits.astype(np.float64))


def with_fold(parts: Sequence[Dataset], names: Sequence[str]) -> Dataset:
    """The rows of all folds, with the number of the fold of each as a slice."""
    taken = {column for part in parts for column in slice_columns(part)}
    column = PREFIX + (OTHER_NAME if PREFIX + FOLD in taken else FOLD)
    numbers = [name.rpartition("-")[2] for name, part in zip(names, parts, strict=True) for _ in range(len(part))]
    return concatenate_datasets(list(parts)).add_column(column, numbers)


def in_order_of_train(parts: Sequence[Predictions], rows: Dataset) -> Predictions:
    """The predictions of all folds, with rows in the order of train.

    Args:
        rows: of all parts, one after the other.
    """
    order = np.argsort(rows["position"][:], kind="stable")
    return Predictions(
        rows.select(order),
        logits=np.concatenate([part.logits for part in parts])[order],
        tokens=np.concatenate([part.tokens for part in parts])[order],
        full_tokens=np.concatenate([part.full_tokens for part in parts])[order],
    )


def mean_over_models(parts: Sequence[Predictions]) -> Predictions:
    """Rows that several models predicted, with the mean of their logits."""
    return replace(parts[0], logits=np.mean([part.logits.astype(np.float64) for part in parts], axis=0))
