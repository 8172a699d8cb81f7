"""A run beside the baselines, and the baselines alone."""

from __future__ import annotations

import contextlib
import csv
import json
import shutil
import types
from pathlib import Path

import baselines
import numpy as np
import pytest
from corpus import BAD, GOOD, make_rows, write_csv
from helpers import account, read_predictions

from classification.cli.flag_values import BASELINES
from classification.cli.flags import BILSTM
from classification.errors import UsageError
from run_classification import main

NAMES = ["majority", "nb_svm", "logistic_regression", "static_embeddings", "frozen_encoder"]


@pytest.fixture(scope="module")
def compared(finished, data):
    """A model that hardly learns beside five baselines, on 100 rows of test; row 4 of train has a wrong label."""
    rows = make_rows(120, seed=1)
    rows[4] |= {"label": "positive", "text": f"{rows[4]['text']}, {BAD[0]} {BAD[1]}"}
    assert not set(rows[4]["text"].split()) & set(GOOD)
    files = {
        "train_file": write_csv(data / "wrong.csv", rows),
        "test_file": write_csv(data / "more.csv", make_rows(100, seed=5)),
    }
    return finished(**files, baselines=",".join(NAMES), suspect_labels=True, learning_rate=1e-9)


def test_a_training_run_compares_its_model_with_the_best_baseline(compared):
    account = compared.account
    methods, results = account["baselines"], account["results"]
    assert list(methods) == [*NAMES, "model"]
    assert methods["model"]["test_accuracy"] == results["test_accuracy"]
    assert methods["majority"]["test_accuracy"] == 0.5
    assert methods["nb_svm"]["test_loss"] is None and methods["logistic_regression"]["test_loss"] < 0.69
    assert all(entry["train_seconds"] > 0 and entry["rows_per_second"] > 0 for entry in methods.values())
    best = account["comparison"]
    assert best["baseline"] == max(NAMES, key=lambda name: methods[name]["validation_accuracy"])
    assert best["split"] == "test" and best["figures"]["rows"] == 100
    assert best["figures"]["model"] == results["test_accuracy"]
    assert best["figures"]["baseline"] == methods[best["baseline"]]["test_accuracy"]
    assert json.loads((compared.folder / "baselines.json").read_text())["comparison"] == best


def test_a_model_that_has_not_learned_loses_and_the_run_says_so(compared):
    assert "versus       the baseline wins: accuracy" in compared.shown
    assert all(name in compared.shown for name in ("NB-SVM", "static embeddings", "frozen encoder", "this model"))


def check_list(folder) -> None:
    """The wrong label is the first one of the list."""
    with (folder / "suspect_labels.csv").open(encoding="utf-8", newline="") as handle:
        first = next(csv.DictReader(handle))
    assert list(first) == ["rank", "split", "id", "text", "label", "likely_label", "score"]
    assert (first["rank"], first["split"], first["id"]) == ("1", "train", "r1-4")
    assert (first["label"], first["likely_label"]) == ("positive", "negative") and BAD[0] in first["text"]


def test_wrong_labels_are_listed_with_or_without_training(command, compared, data, tmp_path, capsys):
    check_list(compared.folder)
    assert "ranked in" in compared.shown
    main(command(train_file=data / "wrong.csv", suspect_labels=True, check_data=True))
    check_list(tmp_path / "out")
    assert "ranked in" in capsys.readouterr().out and not (tmp_path / "out" / "run.json").exists()


def test_a_run_whose_baselines_fail_names_the_reason(command, tmp_path, capsys):
    """No text has a word: the model reads the signs, the classical methods have nothing to count."""
    rows = [{"id": str(i), "text": "!?" * (1 + i % 7), "label": ("no", "yes")[i % 2]} for i in range(40)]
    files = {"train_file": write_csv(tmp_path / "signs.csv", rows), "validation_file": None, "test_file": None}
    main(command(**files, baselines="majority,nb_svm", suspect_labels=True))
    methods = account(tmp_path / "out")["baselines"]
    assert (
        methods["majority"]["validation_accuracy"] == 0.5
        and "no text of train has a word" in methods["nb_svm"]["absent"]
    )
    assert (
        "labels       not searched for errors: --text_column_names: no text of train has a" in capsys.readouterr().out
    )


# -------------------------------------------------------------------------------------------------------------- alone


def alone(files: dict, folder, **more) -> dict:
    """The results of the script."""
    return baselines.main([f"--{name}={value}" for name, value in (files | {"output_dir": folder} | more).items()])


def test_every_method_is_fitted_without_training_the_model(shared_files, tiny_model, tmp_path, capsys):
    """Among them the LSTM, trained by the recipe: the table has the metrics of the predictions in its folder."""
    flags = {"model_name_or_path": tiny_model, "precision": "fp32", "disable_tqdm": True}
    results = alone(shared_files, tmp_path / "out", **flags)
    assert list(results) == list(BASELINES)
    for metrics in results.values():
        assert metrics["train_seconds"] > 0 and metrics["rows_per_second"] > 0
        assert metrics["size_bytes"] > 0 and 0 <= metrics["test_accuracy"] <= 1
    assert results["nb_svm"]["test_accuracy"] > 0.9
    assert "bidirectional LSTM" in capsys.readouterr().out
    folder = tmp_path / "out" / "baselines" / BILSTM
    predicted = read_predictions(folder)
    assert np.mean([row["label"] == row["prediction"] for row in predicted]) == results[BILSTM]["test_accuracy"]
    assert not any(path.name.startswith("checkpoint") for path in folder.iterdir())
    main(["--model_name_or_path", str(folder), "--test_file", shared_files["test_file"], "--do_predict",
          "--precision=fp32", "--output_dir", str(tmp_path / "again"), "--disable_tqdm=true"])  # fmt: skip
    for one, other in zip(predicted, read_predictions(tmp_path / "again"), strict=True):
        assert float(one["prob_positive"]) == pytest.approx(float(other["prob_positive"]), abs=2e-6)


def test_a_table_is_not_overwritten(shared_files, tmp_path):
    alone(shared_files, tmp_path / "out", baselines="majority")
    with pytest.raises(UsageError, match="holds another run"):
        alone(shared_files, tmp_path / "out", baselines="naive_bayes")


def test_another_run_is_not_touched_and_moves_only_if_asked(shared_files, compared, tmp_path):
    shutil.copytree(compared.folder, tmp_path / "out", copy_function=shutil.copyfile)
    (tmp_path / "out").chmod(0o755)
    before = (compared.folder / "baselines.json").read_text()
    with pytest.raises(UsageError, match="holds another run"):
        alone(shared_files, tmp_path / "out", baselines="majority")
    assert (tmp_path / "out" / "baselines.json").read_text() == before
    alone(shared_files, tmp_path / "out", baselines="majority", overwrite_output_dir=True)
    assert (tmp_path / "out.bak-1" / "baselines.json").read_text() == before
    assert list(json.loads((tmp_path / "out" / "baselines.json").read_text())["methods"]) == ["majority"]


def test_every_process_makes_room(monkeypatch):
    """`room` waits for all processes: one that skipped it would leave the others waiting for ever."""
    corpus, calls = types.SimpleNamespace(summary=list, findings=(), task=None, splits={}), []
    folder = types.SimpleNamespace(room=lambda is_begun: contextlib.nullcontext(calls.append("room")))
    options = types.SimpleNamespace(run=types.SimpleNamespace(strict=False), output_dir=Path("out"))
    monkeypatch.setattr(baselines, "load_corpus", lambda options: corpus)
    monkeypatch.setattr(baselines, "run_baselines", lambda *arguments, lost: {})
    monkeypatch.setattr(baselines, "PartialState", lambda: types.SimpleNamespace(is_main_process=False))
    assert baselines.fit_and_report(options, folder) == {} and calls == ["room"]
