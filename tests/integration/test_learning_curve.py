"""A run with `--learning_curve`: the run is what it is without the flag, and its points are trained once each."""

from __future__ import annotations

import json
import os

import pytest
from helpers import account, assert_refused, file_times, largest_difference

from classification.errors import RunError
from classification.experiments import learning_curve
from run_classification import main

FLAGS = {"num_train_epochs": 8, "per_device_train_batch_size": 4}
QUICK = {"num_train_epochs": 1, "per_device_train_batch_size": 4, "calibrate": False, "neighbours": False}


@pytest.fixture(scope="module")
def curved(finished):
    return finished(**FLAGS, learning_curve="10,25,50")


def read_curve(folder) -> dict:
    return json.loads((folder / "learning_curve.json").read_text(encoding="utf-8"))


def without_seconds(curve: dict) -> dict:
    points = [{name: value for name, value in point.items() if name != "seconds"} for point in curve["points"]]
    return {**curve, "points": points}


def test_the_run_itself_is_what_it_is_without_the_flag(curved, learned):
    assert largest_difference(curved.folder, learned.folder) == 0
    assert (curved.folder / "predictions.csv").read_bytes() == (learned.folder / "predictions.csv").read_bytes()
    for name in ("eval_loss", "eval_accuracy", "test_loss", "test_accuracy", "test_accuracy_low"):
        assert curved.results[name] == learned.results[name]


def test_each_point_is_trained_on_its_rows_and_scored_on_all_of_validation(curved):
    curve = read_curve(curved.folder)
    assert curve == curved.account["learning_curve"]
    assert [(point["percent"], point["rows"]) for point in curve["points"]] == [(10, 6), (25, 16), (50, 32), (100, 64)]
    for point in curve["points"][:-1]:
        data = account(curved.folder / "learning_curve" / f"{point['percent']}-percent")["data"]
        assert data["train"]["rows"] == point["rows"]
        assert data["validation"] == curved.account["data"]["validation"]
    last = curve["points"][-1]
    assert (last["val_loss"], last["accuracy"]) == (curved.results["eval_loss"], curved.results["eval_accuracy"])
    assert last["seconds"] == curved.results["train_runtime"] and all(point["seconds"] > 0 for point in curve["points"])
    assert curve["points"][0]["val_loss"] > last["val_loss"]
    assert curve["gain"]["percent"] == 50 and curve["gain"]["model"] == last["accuracy"]


def test_no_point_reads_test_and_none_leaves_a_model(curved):
    for folder in (curved.folder / "learning_curve").iterdir():
        assert set(account(folder)["data"]) == {"train", "validation"}
        assert not [name for name in account(folder)["results"] if name.startswith("test")]
        left = {name for name in os.listdir(folder) if not name.startswith(".")}
        assert left == {"run.json", "all_results.json", "curves.svg", "confusion_matrix.svg"}


def test_the_plan_is_printed_before_training_and_the_table_at_the_end(curved):
    plan, first = (
        curved.shown.index(words) for words in ("curve        also trains on 10% (6 rows, 16 steps)", "[Epoch 1/8]")
    )
    assert plan < first < curved.shown.index("of train        rows val_loss accuracy")
    assert (curved.folder / "learning_curve.svg").read_text(encoding="utf-8").count("training rows") == 1


def test_a_killed_curve_goes_on_with_the_point_that_is_missing(command, tmp_path, monkeypatch):
    flags = QUICK | {"learning_curve": "25,50"}
    main(command(**flags, output_dir=tmp_path / "whole"))
    trained, run_part = [], learning_curve.run_part

    def killed_at_the_second(part, run):
        trained.append(part.output_dir.name)
        if trained == ["25-percent", "50-percent"]:
            raise KeyboardInterrupt
        return run_part(part, run)

    monkeypatch.setattr(learning_curve, "run_part", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        main(command(**flags))
    first = tmp_path / "out" / "learning_curve" / "25-percent"
    times = file_times(first)
    main(command(**flags, resume="auto"))
    assert trained == ["25-percent", "50-percent"] * 2
    assert {path: time for path, time in times.items() if path.suffix == ".json"} == {
        path: time for path, time in file_times(first).items() if path.suffix == ".json"
    }
    one, other = (without_seconds(read_curve(tmp_path / name)) for name in ("whole", "out"))
    assert one == other
    assert main(command(**flags, resume="auto")) and len(trained) == 4  # finished: nothing to do


def test_a_point_that_fails_costs_the_curve_and_not_the_run(command, tmp_path, monkeypatch):
    flags, run_part = QUICK | {"learning_curve": "50"}, learning_curve.run_part

    def fails(part, run):
        raise RunError("the training diverged.")

    monkeypatch.setattr("classification.errors.FORGIVING", True)
    monkeypatch.setattr(learning_curve, "run_part", fails)
    with pytest.raises(RunError, match=r"without --learning_curve.*--resume auto"):
        main(command(**flags))
    assert {"model.safetensors", "predictions.csv", "report.html"} <= set(os.listdir(tmp_path / "out"))
    monkeypatch.setattr(learning_curve, "run_part", run_part)
    main(command(**flags, resume="auto"))
    assert [point["percent"] for point in read_curve(tmp_path / "out")["points"]] == [50, 100]


def test_percentages_that_give_no_point_are_refused_before_tokenising(command, nothing_slow):
    words = ["--learning_curve 1,2: no point can be trained on 64 rows", "1%: its 1 row cannot hold", "Give larger"]
    assert_refused(words, main, command(learning_curve="1,2"))


def test_run_json_repeats_the_curve(curved, capsys, tmp_path):
    main(["--config", str(curved.folder / "run.json"), "--output_dir", str(tmp_path / "again"), "--dry_run"])
    assert "curve        also trains on 10% (6 rows, 16 steps), 25% (16 rows, 32 steps)" in capsys.readouterr().out


def test_a_dry_run_prints_the_points(command, capsys, tmp_path):
    main(command(learning_curve="10,50", dry_run=True))
    shown = capsys.readouterr().out
    assert "--learning_curve: 10% is left out: its 6 rows are less than one batch of 8" in shown
    assert "curve        also trains on 50% (32 rows, 4 steps)" in shown
    assert not (tmp_path / "out").exists()
