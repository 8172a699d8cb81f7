"""Whole searches that go on: by the decision rule of their beginning, after a lack of memory, and with more trials."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from helpers import ROOT, account, assert_refused

from classification.errors import RunError
from run_classification import main

pytestmark = pytest.mark.slow

pytest.importorskip("optuna")


@pytest.fixture
def searching(command, tmp_path):
    """A function that builds a command line with a search of the learning rate, of one epoch a trial."""
    (tmp_path / "space.yaml").write_text("learning_rate: [1e-8, 5e-3, 1e-2]\n")
    flags = {"learning_rate": None, "num_train_epochs": 1, "search": 2, "search_space": tmp_path / "space.yaml"}
    return lambda **more: command(**{**flags, **more})


def states(folder) -> list[str]:
    return [trial["state"] for trial in json.loads((folder / "search.json").read_text())["trials"]]


def test_a_killed_search_is_not_continued_with_another_decision_rule(searching, tmp_path):
    words = searching(metric_for_best_model="f1_macro")
    line = [sys.executable, "run_classification.py", *words, "--inject_fault=kill@save=2:rename"]
    killed = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert killed.returncode == -9 and states(tmp_path / "out") == ["complete"], killed.stdout + killed.stderr
    again = [*words, "--resume=auto"]
    problem = "--tune_thresholds: nothing then, per_label now"
    assert_refused([problem, "another --output_dir"], main, [*again, "--tune_thresholds=per_label"])
    assert_refused(["--calibrate: true then, false now"], main, [*again, "--calibrate=false"])
    main(again)
    assert states(tmp_path / "out") == ["complete", "complete"]


def test_a_row_that_does_not_fit_stops_the_search_which_goes_on_with_more_memory(searching, tmp_path):
    faults = ",".join(f"oom@train={number}" for number in range(12, 16))  # of 8, 4, 2 and 1 rows, in the second trial
    with pytest.raises(RunError, match="one row of .* does not fit"):
        main(searching(inject_fault=faults))
    assert states(tmp_path / "out") == ["complete"] and not (tmp_path / "out" / "run.json").exists()
    result = main(searching(resume="auto"))
    assert states(tmp_path / "out") == ["complete", "complete"] and account(tmp_path / "out")["finished"]
    assert main(searching(output_dir=tmp_path / "whole"))["test_loss"] == result["test_loss"]


def test_more_trials_with_the_same_best_one_are_in_the_flags_too(searching, tmp_path):
    main(searching(seed=2))
    best = account(tmp_path / "out")["search"]["best"]
    main(searching(seed=2, search=3, resume="auto"))
    written = account(tmp_path / "out")
    assert written["search"]["best"] == best and len(written["search"]["trials"]) == 3
    assert written["flags"]["search"] == written["arguments"]["search"] == 3 and "--search=3" in written["command"]
