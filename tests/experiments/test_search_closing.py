"""The best of several trials is partly lucky, and run.json has by how much."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset, DatasetDict

from classification.data.tasks import infer_task, task_as_dict
from classification.evaluation.predictions import Predictions
from classification.experiments.saved_predictions import SavedPredictions
from classification.experiments.search import describe_trial
from classification.experiments.search_closing import cross_fitted, log_trials, selection_of, warnings_of
from classification.experiments.search_record import FAILED, SearchRecord, Trial

ROWS = 400
TASK = infer_task(["a", "b"])


@pytest.fixture
def found(tmp_path):
    """A function that saves the logits of trials; returns their record and the splits."""

    def save(logits: list, metric: str = "val_loss", rows: int = ROWS):
        label_ids = np.arange(rows) % 2
        splits = DatasetDict(validation=Dataset.from_dict({"label": label_ids.tolist()}))
        trials = []
        for number, made in enumerate(logits, start=1):
            folder = tmp_path / "search" / f"trial-{number:03d}"
            folder.mkdir(parents=True)
            ones = np.ones(rows, int)
            predictions = {"validation": Predictions(splits["validation"], made, ones, ones)}
            SavedPredictions({}, predictions, {}, [], task_as_dict(TASK)).write(folder)
            loss = float(TASK.row_losses(made, label_ids).mean())
            value = float((made.argmax(1) == label_ids).mean()) if metric == "accuracy" else loss
            trials.append(Trial(number, {"learning_rate": 0.1 * number, "average": None}, value=value))
        return SearchRecord(metric, metric == "accuracy", 42, {}, trials=tuple(trials)), splits

    return save


def noise(count: int, rows: int = ROWS) -> list[np.ndarray]:
    return list(np.random.default_rng(0).normal(size=(count, rows, 2)))


@pytest.mark.parametrize("metric", ["val_loss", "accuracy"])
def test_a_choice_among_noise_is_worth_the_mean_and_not_the_best(metric, found, tmp_path):
    record, splits = found(noise(12), metric)
    values = [trial.value for trial in record.trials]
    crossed = cross_fitted(tmp_path, record, splits)
    spread = np.std(values)
    assert abs(crossed - np.mean(values)) < spread < abs(record.best.value - np.mean(values))
    assert cross_fitted(tmp_path, record, splits) == crossed


def test_run_json_gets_what_search_json_holds(tmp_path):
    """Lists, not tuples: the plot reads both in the same way."""
    record = SearchRecord("val_loss", False, 42, {}, trials=(Trial(1, {}, value=0.4, evaluations=(0.5, 0.4)),))
    record.write(tmp_path)
    assert record.as_json() == json.loads((tmp_path / "search.json").read_text(encoding="utf-8"))
    assert SearchRecord.read(tmp_path) == record


def test_a_search_of_before_the_decision_rule_was_recorded_is_continued_by_any(tmp_path):
    old = SearchRecord("val_loss", False, 42, {}).as_json()
    del old["asked"]
    (tmp_path / "search.json").write_text(json.dumps(old), encoding="utf-8")
    SearchRecord.read(tmp_path).check_same(SearchRecord("val_loss", False, 42, {}, asked={"calibrate": True}), tmp_path)


def test_a_choice_that_is_clear_costs_nothing(found, tmp_path):
    good = np.where((np.arange(ROWS) % 2)[:, None] == np.arange(2), 2.0, -2.0)
    record, splits = found([*noise(3), good])
    assert cross_fitted(tmp_path, record, splits) == pytest.approx(record.best.value, abs=1e-9)


def test_without_predictions_or_with_few_rows_there_is_no_figure_and_the_warning_stays(found, tmp_path):
    record, splits = found(noise(2, 10), rows=10)
    assert cross_fitted(tmp_path, record, splits) is None
    (sentence,) = warnings_of(record, {"rows": 10, "cross_fitted": None})
    assert "is the best of 2 on the same rows: a little too good" in sentence
    (tmp_path / "search" / "trial-001" / "kept_predictions.npz").unlink()
    assert cross_fitted(tmp_path, record, splits) is None


def test_a_search_by_the_headline_metric_shows_it_once(found, capsys, caplog):
    caplog.set_level("INFO")
    record, _ = found(noise(2), "accuracy")
    record = replace(record, headline="accuracy", trials=tuple(replace(each, headline=0.5) for each in record.trials))
    log_trials(record, {"rows": ROWS, "cross_fitted": None})
    shown = caplog.text + capsys.readouterr().out + describe_trial(record.trials[0], record, 2).text
    assert shown.count("accuracy ") == 3 and "0.5000 " not in shown, shown


def test_the_selection_names_the_rows_the_trials_and_every_setting(found):
    record, _ = found(noise(2))
    record = record.with_trial(Trial(3, {"learning_rate": 9.0, "average": None}, FAILED))
    entry = selection_of(record, {"rows": ROWS})
    assert entry["what"] == "settings" and entry["rows"] == ROWS and entry["method"] == "lowest val_loss of 3 trials"
    assert entry["value"].startswith("--learning_rate 0.") and entry["score"] == record.best.value
