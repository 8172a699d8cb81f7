"""The metrics of a task as one metric of the `evaluate` library, for code that expects one.

The recipe itself calls the functions in `metrics`: an `evaluate.Metric` writes references and predictions to an Arrow
table and reads them back, 11% of the time of a small run.
"""

from __future__ import annotations

import evaluate
import numpy as np
from datasets import Features

from classification.data.labels import LabelSpace
from classification.evaluation.metrics import FROM_PROBABILITIES, METRICS


class TaskMetric(evaluate.Metric):
    """`TaskMetric(task).compute(references=label_ids, predictions=task.decide(logits))`: the metrics of decisions."""

    def __init__(self, task: LabelSpace):
        self.task = task
        super().__init__(keep_in_memory=True)

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=f"{', '.join(METRICS[self.task.metrics])} ({self.task.describe()})",
            citation="Pedregosa et al. 2011, Scikit-learn; Virtanen et al. 2020, SciPy 1.0",
            inputs_description="references and predictions: label ids, one per row",
            features=Features(dict.fromkeys(("references", "predictions"), self.task.label_feature)),
        )

    def _compute(self, references: list, predictions: list) -> dict[str, float]:
        given, decided = (self.task.in_units(np.array(values)) for values in (references, predictions))
        functions = METRICS[self.task.metrics].items()
        return {
            name: float(metric(given, decided, None)) for name, metric in functions if name not in FROM_PROBABILITIES
        }
