"""The rows per second of a trained model include tokenising."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset

from classification.evaluation.predictions import Predictions
from classification.experiments import labelling_speed
from classification.experiments.labelling_speed import MAX_ROWS, speed_of_run
from classification.models.choice import ModelChoice


def finished(folder, throughput, splits=("validation", "test"), rows=20):
    data = Dataset.from_dict({"id": [str(row) for row in range(rows)], "text": ["good film"] * rows})
    predictions = {split: Predictions(data, np.zeros((rows, 2)), *[np.ones(rows)] * 2) for split in splits}
    return SimpleNamespace(output_dir=folder, throughput=throughput, predictions=predictions)


MEASURED = {"evaluation": {"rows_per_second": 100.0}}


@pytest.mark.parametrize("rows", [20, 3 * MAX_ROWS])
def test_the_time_of_the_tokenizer_is_added_to_that_of_the_model(tiny_model, monkeypatch, rows):
    """It tokenises in 1 s, at most `MAX_ROWS` rows; the model evaluates 100 rows per second."""
    read, clock = [], iter([5.0, 6.0])
    monkeypatch.setattr(labelling_speed, "encode_batch", lambda texts, **settings: read.extend(texts["text"]))
    monkeypatch.setattr(labelling_speed.time, "perf_counter", lambda: next(clock))
    speed = speed_of_run(finished(tiny_model, MEASURED, rows=rows), ModelChoice(tiny_model))
    assert len(read) == min(rows, MAX_ROWS)
    assert speed == pytest.approx(1 / (1 / 100 + 1 / len(read)))


def test_without_an_evaluation_or_a_tokenizer_the_speed_is_unknown(tiny_model, tmp_path):
    choice = ModelChoice(tiny_model)
    assert speed_of_run(finished(tiny_model, {}), choice) is None
    assert speed_of_run(finished(tiny_model, MEASURED, splits=()), choice) is None
    assert speed_of_run(finished(tmp_path, MEASURED), choice) is None
