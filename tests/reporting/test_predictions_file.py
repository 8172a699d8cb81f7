"""predictions.csv is valid CSV for any name and any text."""

from __future__ import annotations

import numpy as np
from datasets import Dataset
from helpers import read_predictions

from classification.data.tasks import infer_task
from classification.evaluation.predictions import Predictions
from classification.reporting.predictions_file import write_predictions


def test_names_and_texts_with_commas_quotes_and_line_breaks_are_read_back(tmp_path):
    names, texts = ('say "no"', "a, b"), ["one,\ntwo", '"three"']
    task = infer_task(names)
    rows = Dataset.from_dict({"id": ["x", "y"], "text": texts, "label": [task.encode(name) for name in names]})
    logits = np.array([[2.0, 0.0], [0.0, 2.0]])
    write_predictions(tmp_path / "predictions.csv", Predictions(rows, logits, np.array([3, 1]), np.array([3, 2])), task)
    written = read_predictions(tmp_path)
    assert [row["text"] for row in written] == texts and [row["label"] for row in written] == list(names)
    assert [row["prediction"] for row in written] == [task.names[0], task.names[1]]
    assert [(row["tokens"], row["truncated"]) for row in written] == [("3", "False"), ("1", "True")]
    assert [float(row["prob_a, b"]) > 0.5 for row in written] == [task.names[0] == "a, b", task.names[1] == "a, b"]
