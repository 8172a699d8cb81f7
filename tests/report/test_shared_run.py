"""What other people read of a run has no text, id, local path or message of an error, whatever its files hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classification.data.single_label import SingleLabel
from classification.report.page.page import draw_page
from classification.report.page.shared_page import SHARED_SECTIONS
from classification.report.prediction_table import PredictionTable
from classification.report.run_files import RunFiles
from classification.report.run_words import describe_run
from classification.report.shared_run import NO_REASON, SHOWN, shared_run

SECRET = "canary"


def table(rows: int = 4) -> PredictionTable:
    labels = [i % 2 for i in range(rows)]
    return PredictionTable(
        ids=[f"{SECRET}-{i}" for i in range(rows)], texts=[(SECRET,)] * rows, label_ids=labels,
        decisions=np.array(labels), probabilities=np.full((rows, 2), 0.5), tokens=np.full(rows, 5),
        truncated=np.zeros(rows, dtype=bool), slices={},
    )  # fmt: skip


def make_run(**record) -> RunFiles:
    """A run whose record has the canary in every place that its page must not show."""
    finding = {"severity": "warning", "split": "train", "count": 3, "ids": [f"{SECRET}-7"], "examples": [SECRET]}
    content = {
        "arguments": {
            "model_name_or_path": f"/home/{SECRET}/model", "train_file": f"{SECRET}.csv",
            "test_file": f"/{SECRET}/t.csv", "costs": f"/{SECRET}.json", "a flag of tomorrow": [SECRET],
            "unlabelled_file": SECRET, "dataset_config_name": SECRET, "trainer": {"output_dir": f"/{SECRET}"},
        },
        "command": ["run_classification.py", SECRET], "working_directory": f"/{SECRET}", "not_repeatable": SECRET,
        "files": {"train": [{"path": f"/{SECRET}", "size": 1, "sha256": SECRET}]}, "a key of tomorrow": SECRET,
        "origins": {}, "labels": ["no", "yes"], "data": {"train": {"rows": 9}, "test": {"rows": 4}},
        "findings": [
            {**finding, "kind": "telltale_word", "what": f"the word '{SECRET}'", "why": SECRET, "remedy": SECRET},
            {**finding, "kind": "a_kind_of_tomorrow", "what": SECRET, "why": SECRET},
            {**finding, "kind": "few_rows", "what": "few rows", "why": "a guess", "remedy": "Give more"},
        ],
        "selections": [{"what": "settings", "split": "validation", "method": "lowest loss",
                        "value": f"--class_weights /{SECRET}.json"}, SECRET],
        "search": {"best": "trial-001", "metric": "loss", "space": {"class_weights": [f"/{SECRET}.json", "balanced"]},
                   "trials": [
            {"number": 1, "value": 0.5, "settings": {"class_weights": f"/{SECRET}.json"}, "seconds": 1.0},
            {"number": 2, "problem": f"{SECRET} failed", "state": "failed", "settings": {"class_weights": "balanced"}},
        ]},
    }  # fmt: skip
    task = SingleLabel(["no", "yes"])
    metrics = {"test_loss": 0.7, "test_accuracy": 0.5, "test_scored": 4}
    neighbours = {"rows": {}, "train": [{"id": SECRET, "labels": []}], "test_rows": 4}
    study = {"runs": {"seed-1": metrics}, "best": "seed-1", "failed": {"seed-2": f"/{SECRET}: no space"}}
    return RunFiles(Path(f"/{SECRET}"), content | record, metrics, task, table(), neighbours, study=study)


def values_of(run: RunFiles) -> str:
    """All that the sections can read, but for the folder."""
    assert run.predictions is not None
    shown = [run.record, run.metrics, run.neighbours, run.study, run.predictions.ids, run.predictions.texts]
    return json.dumps(shown, default=str)


def test_nothing_private_is_left_in_what_the_sections_read():
    run = shared_run(make_run())
    assert SECRET not in values_of(run) and SECRET in values_of(make_run())
    assert set(run.record) <= {*SHOWN, "arguments", "findings", "search", "selections"}
    assert not run.shows_texts and run.is_shared


def test_the_whole_page_shows_nothing_private():
    page = draw_page(shared_run(make_run()), SHARED_SECTIONS)
    assert SECRET not in page and "scripts/report.py" not in page
    assert "local files" in page and "Single words predict a label almost perfectly" in page
    assert page.count(NO_REASON) == 2  # of a trial, and of a run of the study
    assert "those of trial-001 (lowest loss)" in page
    assert "class_weights as given" in page and '<td class="number">balanced</td>' in page
    assert "confusion" in page and "ists its rows" not in page and "List the rows" not in page  # there is no such list
    assert SECRET in draw_page(make_run(), SHARED_SECTIONS)


def test_names_on_the_hub_are_shown():
    origins = {"base_model": "google-bert/bert-base-uncased", "dataset": "stanfordnlp/imdb"}
    run = make_run(origins=origins)
    assert describe_run(shared_run(run)) == f"google-bert/bert-base-uncased on stanfordnlp/imdb {SECRET}"  # its config
    assert describe_run(shared_run(make_run())) == "a local model on local files"


def test_a_model_from_random_weights_keeps_its_name():
    assert describe_run(shared_run(make_run(arguments={"model_name_or_path": "bilstm"}))).startswith("LSTM from random")


def test_rows_are_numbered_from_one():
    run = shared_run(make_run())
    assert run.predictions is not None and run.predictions.ids == ["1", "2", "3", "4"]
    assert shared_run(replace(make_run(), predictions=None)).predictions is None


def test_findings_that_quote_are_counted_and_others_keep_their_remedy():
    found = shared_run(make_run()).record["findings"]
    assert [one["what"] for one in found] == [
        "single words predict a label almost perfectly, so the model may have learned only these words (rows with "
        "them: 3 of train)", "a kind of tomorrow (train): 3", "few rows",
    ]  # fmt: skip
    assert found[2]["remedy"] == "Give more" and not any(one.get("ids") or one.get("examples") for one in found)


@pytest.mark.parametrize("damage", [{"findings": None}, {"findings": ["text"]}, {"search": {"trials": ["text"]}},
                                    {"origins": None}, {"arguments": None}, {"data": None}])  # fmt: skip
def test_a_damaged_record_is_drawn_all_the_same(damage):
    assert "<html" in draw_page(shared_run(make_run(**damage)), SHARED_SECTIONS)
