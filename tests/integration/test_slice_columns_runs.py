"""Whole runs with `--slice_columns`: the columns travel to the results, and change nothing that was trained."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from corpus import number_rows, stars, write_csv
from helpers import account, largest_difference, read_predictions

from run_classification import main


def with_kinds(path: str, folder: Path) -> str:
    """A copy of a CSV file with two columns more."""
    with Path(path).open(encoding="utf-8", newline="") as handle:
        rows = [row | {"kind": "=odd" if i % 2 else "even", "part": f"p{i % 3}"} for i, row in
                enumerate(csv.DictReader(handle))]  # fmt: skip
    return write_csv(folder / f"kinds_{Path(path).name}", rows)


@pytest.fixture
def killed(finished, tmp_path) -> Path:
    """The folder of a run of two epochs that was killed after the first."""
    source, folder = finished(num_train_epochs=2).folder, tmp_path / "out"
    shutil.copytree(source, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(folder / "checkpoint-16")
    for name in ("run.json", "all_results.json", "predictions.csv", "model.safetensors"):
        (folder / name).unlink()
    return folder


def test_a_checkpoint_resumes_with_other_slices_to_the_same_model(
    killed, finished, command, shared_files, tmp_path, capsys
):
    whole = finished(num_train_epochs=2)
    flags = {"num_train_epochs": 2, "resume": "auto", "test_file": with_kinds(shared_files["test_file"], tmp_path)}
    results = main(command(**flags, slice_columns="kind", csv_safe=True))
    shown = capsys.readouterr().out
    assert largest_difference(killed, whole.folder) == 0.0
    assert account(killed)["data"] == whole.account["data"]
    lines = read_predictions(killed)
    assert [line["kind"] for line in lines] == ["even", "'=odd"] * (len(lines) // 2)
    plain = [{name: value for name, value in line.items() if name != "kind"} for line in lines]
    assert plain == whole.predictions
    kinds = {each["value"]: each["rows"] for each in results["test_slices"] if each["column"] == "kind"}
    assert kinds == {"even": 12, "=odd": 12}
    assert {each["column"] for each in results["eval_slices"]} == {"length"}
    for split in ("eval", "test"):
        assert results[f"{split}_accuracy_low"] <= results[f"{split}_accuracy"] <= results[f"{split}_accuracy_high"]
    assert "(test_slices)" in shown or all(each["cost"] <= 0 for each in results["test_slices"])
    assert json.loads((killed / "all_results.json").read_text())["test_slices"] == results["test_slices"]

    again = main(command(**flags, slice_columns="part", csv_safe=True))  # of the finished run
    shown = capsys.readouterr().out
    assert "asks for other results" in shown and "--slice_columns: kind then, part now" in shown
    assert "nothing is trained" in shown
    assert {each["column"] for each in again["test_slices"]} == {"part", "length"}
    assert list(read_predictions(killed)[0])[2] == "part"
    assert {name: again[name] for name in whole.results if name.startswith("test_accuracy")} == {
        name: value for name, value in whole.results.items() if name.startswith("test_accuracy")
    }


def test_numbers_in_validation_alone_have_slices(command, tmp_path, capsys):
    rows = [row | {"kind": f"k{i % 2}"} for i, row in enumerate(number_rows(stars)(60, 4))]
    file = write_csv(tmp_path / "numbers.csv", rows)
    results = main(command(train_file=file, validation_file=None, test_file=None, slice_columns="kind"))
    shown = capsys.readouterr().out
    parts = {each["value"]: each for each in results["eval_slices"] if each["column"] == "kind"}
    assert parts.keys() == {"k0", "k1"} and sum(each["rows"] for each in parts.values()) == results["eval_samples"]
    assert results["eval_rmse_low"] < results["eval_rmse"] < results["eval_rmse_high"]
    assert "slices of validation" in shown and "squared error" in shown


def test_a_typo_is_refused_before_tokenising(command, nothing_slow, shared_files, tmp_path):
    from helpers import assert_refused

    file = with_kinds(shared_files["test_file"], tmp_path)
    assert_refused(["--slice_columns knid", "Did you mean 'kind'"], main, command(test_file=file, slice_columns="knid"))
