"""The predictions of a finished run come back bit for bit, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from classification.data.tasks import infer_task
from classification.evaluation.predictions import Predictions
from classification.experiments.run_parts import part_of
from classification.experiments.saved_predictions import FILE, SavedPredictions

TASK = replace(
    infer_task([["a"], ["b"]]).with_thresholds({"a": 0.1 + 0.2, "b": 1 / 3}),
    temperatures=(1 / 3, 2.5),
    fitted_on="2 rows (0)",
)
ROWS = Dataset.from_dict({"id": ["x", "y"], "text": ["good", "bad"], "label": [[1.0, 0.0], [0.0, 1.0]]})
LOGITS = np.array([[0.1, np.nan], [-np.inf, 1 / 3]], np.float32)


@pytest.fixture
def saved(tmp_path) -> SimpleNamespace:
    """A finished run whose predictions are saved."""
    predictions = {"validation": Predictions(ROWS, LOGITS, np.array([3, 4]), np.array([3, 9]))}
    finished = SimpleNamespace(
        metrics={"eval_loss": np.float64(1 / 3), "eval_mcc": float("nan"), "eval_samples": np.int64(2)}, task=TASK,
        predictions=predictions, seconds={"train": 0.1}, lost=["metrics of test"], output_dir=tmp_path,
        corpus=SimpleNamespace(task=infer_task([["a"], ["b"]]), splits=DatasetDict(validation=ROWS)),
    )  # fmt: skip
    SavedPredictions.of(finished).write(tmp_path)
    return finished


def test_predictions_metrics_and_decisions_come_back_bit_for_bit(saved, tmp_path):
    read = SavedPredictions.read(tmp_path, saved.corpus.splits)
    made, before = read.predictions["validation"], saved.predictions["validation"]
    assert made.logits.tobytes() == before.logits.tobytes() and made.logits.dtype == np.float32
    assert made.tokens.tolist() == [3, 4] and made.full_tokens.tolist() == [3, 9] and made.rows["id"] == ["x", "y"]
    assert (
        read.metrics["eval_loss"] == 1 / 3 and np.isnan(read.metrics["eval_mcc"]) and read.metrics["eval_samples"] == 2
    )
    assert read.seconds == {"train": 0.1} and read.lost == ["metrics of test"]
    assert part_of(read, saved).task == TASK and part_of(read, saved).task.fitted_on == TASK.fitted_on
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize("position", range(0, 1500, 100))
def test_a_byte_that_has_changed_is_never_read_as_another_number(position, saved, tmp_path):
    content = bytearray((tmp_path / FILE).read_bytes())
    content[position % len(content)] ^= 0xFF
    (tmp_path / FILE).write_bytes(content)
    read = SavedPredictions.read(tmp_path, saved.corpus.splits)
    assert read is None or read.predictions["validation"].logits.tobytes() == LOGITS.tobytes()


@pytest.mark.parametrize("size", [0, 1, 100, -1])
def test_a_file_that_is_cut_is_not_read(size, saved, tmp_path, caplog):
    (tmp_path / FILE).write_bytes((tmp_path / FILE).read_bytes()[:size])
    assert SavedPredictions.read(tmp_path, saved.corpus.splits) is None
    assert f"{FILE}: cannot be read: " in caplog.text


def test_predictions_of_other_rows_are_not_read(saved, tmp_path, caplog):
    rows = Dataset.from_dict({"id": ["x", "y"], "text": ["good", "bad!"], "label": [[1.0, 0.0], [0.0, 1.0]]})
    for splits in (DatasetDict(validation=rows), DatasetDict(test=ROWS)):
        assert SavedPredictions.read(tmp_path, splits) is None
    assert "has predictions for other rows of validation" in caplog.text


def test_costs_and_the_temperature_of_one_class_per_row_come_back(saved, tmp_path):
    plain = infer_task(["a", "b"])
    saved.task = replace(plain, costs=((0.0, 1.0), (1 / 3, 0.0)), temperatures=(1.7,))
    saved.corpus.task = plain
    SavedPredictions.of(saved).write(tmp_path)
    assert part_of(SavedPredictions.read(tmp_path, saved.corpus.splits), saved).task == saved.task


def test_a_file_without_the_task_is_not_read(saved, tmp_path, caplog):
    """As a run wrote it before its task was saved."""
    with np.load(tmp_path / FILE) as content:
        arrays = dict(content)
    facts = json.loads(str(arrays["facts"]))
    del facts["task"]
    np.savez(tmp_path / FILE, **arrays | {"facts": np.array(json.dumps(facts))})
    assert SavedPredictions.read(tmp_path, saved.corpus.splits) is None and "cannot be read" in caplog.text
