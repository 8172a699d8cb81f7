"""Whole runs with `--search`: the model is that of a plain run with the best settings, also after kills."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from helpers import ROOT, account, largest_difference, read_predictions, run_in_two_processes

from run_classification import main

pytest.importorskip("optuna")
SPACE = "learning_rate: {low: 1e-3, high: 1e-2, log: true}\nnum_train_epochs: {low: 1, high: 2}\n"
FREE = {"learning_rate": None, "num_train_epochs": None}  # typed flags are not searched


@pytest.fixture
def searching(command, tmp_path):
    """A function that builds a command line with a search."""
    (tmp_path / "space.yaml").write_text(SPACE)
    return lambda **flags: command(**{**FREE, "search": 2, "search_space": tmp_path / "space.yaml", **flags})


def trials_in(folder) -> list[dict]:
    content = json.loads((folder / "search.json").read_text())
    return [{**trial, "seconds": None} for trial in content["trials"]]


def test_the_model_is_that_of_a_plain_run_with_the_best_settings(searching, command, tmp_path, capsys):
    found, plain = tmp_path / "out", tmp_path / "plain"
    result = main(searching())
    shown = capsys.readouterr().out
    trials, best = trials_in(found), account(found)["search"]["best"]
    settings = next(trial["settings"] for trial in trials if f"trial-{trial['number']:03d}" == best)
    assert main(command(**settings, output_dir=plain))["test_loss"] == result["test_loss"]
    assert largest_difference(found, plain) == 0 and read_predictions(found) == read_predictions(plain)
    assert result["eval_loss"] == min(trial["value"] for trial in trials)
    for folder in (found / "search").iterdir():
        names = {path.name for path in folder.iterdir()}
        assert "run.json" in names and not {"predictions.csv", "model.safetensors"} & names
        assert not any(name.startswith("test_") for name in json.loads((folder / "all_results.json").read_text()))
    selection = account(found)["selections"][0]
    assert selection["what"] == "settings" and selection["rows"] == 24 and selection["score"] == result["eval_loss"]
    assert "trial        1 of 2: val_loss" in shown and "is the best of 2 on the same 24 rows" in shown
    assert (found / "search.svg").is_file() and shown.count("[Test]") == 1


def test_a_search_killed_in_a_training_goes_on_with_the_same_trials_and_model(searching, tmp_path):
    """The kill is real: it ends the process in the second epoch of a trial."""
    main(searching(output_dir=tmp_path / "whole", search=3, seed=3))
    words = searching(search=3, seed=3)
    line = [sys.executable, "run_classification.py", *words, "--inject_fault=kill@step=12"]
    killed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -9, killed.stdout + killed.stderr
    assert not (tmp_path / "out" / "model.safetensors").exists()
    main([*words, "--resume=auto"])
    assert trials_in(tmp_path / "out") == trials_in(tmp_path / "whole")
    assert largest_difference(tmp_path / "out", tmp_path / "whole") == 0


def test_more_trials_go_on_and_the_run_names_all_of_them(searching, tmp_path):
    main(searching())
    assert len(account(tmp_path / "out")["search"]["trials"]) == 2
    result = main(searching(search=3, resume="auto"))
    written = account(tmp_path / "out")
    assert len(written["search"]["trials"]) == 3 and written["finished"]
    assert result["eval_loss"] == min(trial["value"] for trial in written["search"]["trials"])
    assert [entry["what"] for entry in written["selections"]].count("settings") == 1
    repeated = main([f"--config={tmp_path / 'out' / 'run.json'}", f"--output_dir={tmp_path / 'again'}"])
    assert trials_in(tmp_path / "again") == trials_in(tmp_path / "out") and repeated["test_loss"] == result["test_loss"]


@pytest.mark.slow
def test_two_processes_search_together(searching, tmp_path):
    run_in_two_processes(searching(), searching(search=3, resume="auto"))
    results = [json.loads((tmp_path / f"out.result-{rank}.json").read_text()) for rank in (0, 1)]
    trials = trials_in(tmp_path / "out")
    assert len(trials) == 3 and {trial["state"] for trial in trials} == {"complete"}
    assert results[0]["eval_loss"] == pytest.approx(min(trial["value"] for trial in trials))


def test_a_hopeless_trial_ends_in_its_first_epoch_and_is_not_tried_again(searching, tmp_path, monkeypatch):
    monkeypatch.setattr("classification.experiments.search.is_hopeless", lambda values, record: bool(record.trials))
    main(searching(search_space=None, per_device_train_batch_size=None, num_train_epochs=3, learning_rate=None))
    trials = trials_in(tmp_path / "out")
    assert [trial["state"] for trial in trials] == ["complete", "pruned"] and len(trials[1]["evaluations"]) == 1
    left = {path.name for path in (tmp_path / "out" / "search" / "trial-002").iterdir()}
    assert not any("checkpoint" in name for name in left)
    monkeypatch.setattr("classification.experiments.search.run_trial", None)  # nothing is tried
    assert main(searching(
        search_space=None, per_device_train_batch_size=None, num_train_epochs=3, learning_rate=None, resume="auto"
    ))["eval_loss"] == trials[0]["value"]  # fmt: skip
