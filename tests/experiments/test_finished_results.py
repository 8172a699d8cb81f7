"""A finished run whose results were removed gets them again; what was changed stays, with a warning."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from corpus import write_csv
from helpers import account, assert_refused, read_predictions

from classification.experiments.finished_results import compare_results
from classification.experiments.resuming import UNRECORDED
from classification.reporting.run_lock import LOCK_FILE
from run_classification import main

FLAGS = {"num_train_epochs": 1, "resume": "auto"}


@pytest.fixture
def done(finished, tmp_path) -> Path:
    """A finished run in this test's own output folder."""
    shutil.copytree(finished(num_train_epochs=1).folder, tmp_path / "out")
    for path in (tmp_path / "out", *(tmp_path / "out").rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path / "out"


def test_what_is_missing_and_what_has_changed_are_told_apart(done):
    assert compare_results(account(done), done) == ([], [])
    (done / "predictions.csv").write_text("mine", encoding="utf-8")
    (done / "config.json").unlink()
    assert compare_results(account(done), done) == (["config.json"], ["predictions.csv"])
    assert compare_results({}, done) == ([], [])  # of a version that recorded no sums


@pytest.mark.parametrize("name", ["model.safetensors", "predictions.csv"])
def test_what_was_removed_is_made_again_without_training(name, done, command, capsys):
    before = (done / name).read_bytes()
    (done / name).unlink()
    main(command(**FLAGS))
    shown = capsys.readouterr().out
    assert f"{name} is missing: made again, not trained" in shown and "[Epoch" not in shown
    assert (done / name).read_bytes() == before and account(done)["finished"] is True


def test_a_changed_file_stays_and_is_named(done, command, capsys):
    (done / "predictions.csv").write_text("mine", encoding="utf-8")
    main(command(**FLAGS))
    shown = capsys.readouterr()
    assert "predictions.csv" in shown.out + shown.err and "differs from what the run has saved" in shown.out + shown.err
    assert (done / "predictions.csv").read_text(encoding="utf-8") == "mine"


def test_without_a_checkpoint_nothing_is_made_again(done, command):
    (done / "model.safetensors").unlink()
    for checkpoint in done.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    assert_refused(["model.safetensors is missing", "no checkpoint"], main, command(**FLAGS))


# ------------------------------------------------------------------------------------------------- ids, slices, branch


@pytest.fixture
def renamed(shared_files, tmp_path) -> str:
    """The test rows with other ids and one column more."""
    rows = list(csv.DictReader(Path(shared_files["test_file"]).open(encoding="utf-8")))
    return write_csv(
        tmp_path / "renamed.csv",
        [{**row, "id": f"new-{row['id']}", "kind": f"k{place % 2}"} for place, row in enumerate(rows)],
    )


def test_other_ids_of_the_same_texts_are_other_results(done, command, renamed, capsys):
    main(command(**FLAGS, test_file=renamed))
    shown = capsys.readouterr().out
    assert "ids and slices of test: " in shown and "nothing is trained" in shown
    assert [row["id"] for row in read_predictions(done)][0].startswith("new-") and account(done)["finished"] is True


def test_other_cells_of_a_slice_column_are_other_results(done, command, renamed, tmp_path, capsys):
    flags = {**FLAGS, "slice_columns": "kind"}
    main(command(**flags, test_file=renamed))
    text = Path(renamed).read_text(encoding="utf-8")
    other = tmp_path / "other.csv"
    other.write_text(text.replace("k1", "k2"), encoding="utf-8")
    capsys.readouterr()
    main(command(**flags, test_file=renamed))
    assert "nothing to do" in capsys.readouterr().out
    main(command(**flags, test_file=other))
    assert "ids and slices of test: " in capsys.readouterr().out
    assert {"k0", "k2"} == {row["kind"] for row in read_predictions(done)}


def test_a_finished_run_that_recorded_no_ids_stays_finished(done, command, capsys):
    record = account(done)
    for name in UNRECORDED:
        del record["asked"][name]
    (done / "run.json").write_text(json.dumps(record), encoding="utf-8")
    main(command(**FLAGS))
    assert "this run is finished: nothing to do" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------ after a kill


def test_what_a_kill_after_the_end_has_left_of_a_curve_is_removed(command, tmp_path):
    flags = {"num_train_epochs": 1, "learning_curve": "50", "per_device_train_batch_size": 4}
    main(command(**flags))
    left = [tmp_path / "out" / "learning_curve" / "50-percent" / name for name in (LOCK_FILE, "kept_predictions.npz")]
    for file in left:
        file.write_text("", encoding="utf-8")
    main(command(**flags, resume="auto"))
    assert not any(file.exists() for file in left) and account(tmp_path / "out")["finished"] is True
