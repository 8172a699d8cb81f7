"""What the experiments need from one run of the recipe. They get the function that runs it, and never import it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from classification.cli.options import Options
from classification.data.corpus import Corpus
from classification.data.labels import LabelSpace
from classification.evaluation.predictions import Predictions


class FinishedRun(Protocol):
    """The result of one run.

    `metrics` is the content of all_results.json, `predictions` has those of each split, `seconds` those of the phases
    `train`, `eval` and `predict`, and `task` is the task with the thresholds of the trained model. `lost` is what
    errors after training have cost. `throughput` is what `measure_throughput` returns, if the run got that far. A run
    that was finished before has no predictions and no seconds.
    """

    @property
    def metrics(self) -> dict[str, Any]: ...
    @property
    def predictions(self) -> dict[str, Predictions]: ...
    @property
    def seconds(self) -> dict[str, float]: ...
    @property
    def task(self) -> LabelSpace: ...
    @property
    def output_dir(self) -> Path: ...
    @property
    def lost(self) -> list[str]: ...
    @property
    def corpus(self) -> Corpus: ...
    @property
    def throughput(self) -> dict[str, Any]: ...
    @property
    def is_finished_before(self) -> bool: ...


class Run(Protocol):
    """The function that runs the recipe once: `run_classification.run`."""

    def __call__(self, options: Options, fold: tuple[int, int] | None = None) -> FinishedRun:
        """`fold` is a number from 0 and the count of folds: that fold becomes the validation split."""
        ...
