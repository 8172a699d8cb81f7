"""predictions.csv is valid CSV for any name and any text."""

from __future__ import annotations

import numpy as np
from datasets import Dataset
from helpers import read_predictions

from classification.data.tasks import infer_task
from classification.evaluation.predictions import Predictions
from classification.reporting.predictions_file import write_predictions


def written(tmp_path, *, safe: bool = False, **columns) -> list[dict]:
    """The lines of a file of two rows that have these columns too."""
    task = infer_task(["no", "yes"])
    rows = Dataset.from_dict({"id": ["x", "y"], "text": ["a", "b"], "label": [0, 1]} | columns)
    predictions = Predictions(rows, np.eye(2), np.array([3, 1]), np.array([3, 2]))
    write_predictions(tmp_path / "predictions.csv", predictions, task, safe=safe)
    return read_predictions(tmp_path)


def test_slices_are_behind_the_texts_under_the_names_of_the_user(tmp_path):
    lines = written(tmp_path, **{"text_pair": ["c", ""], "slice.kind": ["=1+1", ""], "slice.meta.year": ["007", "2"]})
    assert list(lines[0]) == ["id", "text", "text_pair", "kind", "meta.year", "label", "prediction", "prob_no",
                              "prob_yes", "tokens", "truncated"]  # fmt: skip
    assert [(line["kind"], line["meta.year"]) for line in lines] == [("=1+1", "007"), ("", "2")]


def test_formulas_in_slices_and_their_names_are_guarded_and_numbers_stay(tmp_path):
    lines = written(tmp_path, safe=True, **{"slice.kind": ["=1+1", "-3"], "slice.@cmd": ["a", "+49 30"]})
    assert [line["kind"] for line in lines] == ["'=1+1", "-3"]
    assert [line["'@cmd"] for line in lines] == ["a", "'+49 30"]


def test_a_split_without_slices_has_no_such_column(tmp_path):
    assert list(written(tmp_path)[0])[:4] == ["id", "text", "label", "prediction"]


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
