"""Average precision under row weights."""

from __future__ import annotations

import numpy as np
import pytest

from classification.data.tasks import infer_task
from classification.evaluation import resampled_ranks
from classification.evaluation.labelled_rows import LabelledRows
from classification.evaluation.resampled_ranks import weighted_average_precision


def test_only_classes_that_occur_are_ranked(monkeypatch):
    """With thousands of classes and few rows, the others would take most of the time."""
    task, draw = infer_task([f"{number:03}" for number in range(300)]), np.random.default_rng(0)
    logits, label_ids = draw.normal(size=(20, 300)), np.arange(20) % 3
    rows = LabelledRows(task, label_ids, task.decide(logits), task.probabilities(logits), np.arange(20))
    rank, ranked = resampled_ranks.RankedClass.of, []

    def counted(truth, probabilities):
        ranked.append(truth.sum())
        return rank(truth, probabilities)

    monkeypatch.setattr(resampled_ranks.RankedClass, "of", counted)
    metric = weighted_average_precision(rows)
    assert ranked == [7, 7, 6]
    assert metric(np.ones(20, dtype=np.int64)) == pytest.approx(rows.score("average_precision"))
