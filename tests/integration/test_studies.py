"""One command, several trainings: over seeds and over folds."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import pytest
from corpus import make_rows, several_rows, write_csv
from helpers import AGAIN, RUN_FILES, TRAINED_FILES, account, file_times, largest_difference, read_predictions

from classification.data.folds import fold_splits
from classification.errors import Stopped, UsageError
from classification.reporting.run_record import plain
from run_classification import main

# -------------------------------------------------------------------------------------------------------------- seeds


@pytest.fixture(scope="module")
def seeds(finished):
    return finished(seeds="1,2", num_train_epochs=2, learning_rate=0.001)


def test_a_study_of_seeds_keeps_the_best_model_and_every_result(seeds):
    result, runs = seeds.results, seeds.results["runs"]
    assert list(runs) == ["seed-1", "seed-2"]
    losses = [run["eval_loss"] for run in runs.values()]
    assert len(set(losses)) == 2
    assert result["eval_loss_mean"] == pytest.approx(mean(losses))
    assert result["eval_loss_sd"] == pytest.approx(stdev(losses))
    best = min(runs, key=lambda name: runs[name]["eval_loss"])
    assert result["best"] == best and f"{best} has the lowest val_loss" in seeds.shown
    expected = TRAINED_FILES | {"all_results.json", "run.json", "predictions.csv", "seed-1", "seed-2"}
    expected |= {"report.html", "neighbours.json"}
    assert {path.name for path in seeds.folder.iterdir()} == expected
    for name in runs:
        assert {path.name for path in (seeds.folder / name).iterdir()} == RUN_FILES - {"report.html", "neighbours.json"}


def test_a_run_of_a_study_is_the_run_alone(finished, seeds):
    best = seeds.results["best"]
    alone = finished(seed=best[-1], num_train_epochs=2, learning_rate=0.001)
    assert largest_difference(seeds.folder, alone.folder) == 0
    assert seeds.results["runs"][best]["test_accuracy"] == alone.results["test_accuracy"]


def test_the_kept_model_made_the_kept_predictions(command, seeds, tmp_path):
    main(command(**AGAIN, model_name_or_path=seeds.folder))
    for kept, again in zip(seeds.predictions, read_predictions(tmp_path / "out"), strict=True):
        assert float(kept["prob_positive"]) == pytest.approx(float(again["prob_positive"]), abs=2e-6)


def test_a_study_never_overwrites_a_run_and_bad_data_moves_nothing(command, seeds, tmp_path):
    flags = {"seeds": "1,2", "max_train_samples": 16}
    for arguments in (command(**flags, output_dir=seeds.folder), command(output_dir=seeds.folder)):
        with pytest.raises(UsageError, match="--output_dir .*out: holds another run"):
            main(arguments)
    assert file_times(seeds.folder) == seeds.times
    shutil.copytree(seeds.folder, tmp_path / "out", copy_function=shutil.copyfile)
    for path in [tmp_path / "out", *(tmp_path / "out").iterdir()]:
        path.chmod(0o755)
    with pytest.raises(UsageError, match="--label_column_name"):
        main(command(**flags, overwrite_output_dir=True, label_column_name="lable"))
    assert not (tmp_path / "out.bak-1").exists()
    main(command(**flags, overwrite_output_dir=True))
    assert (tmp_path / "out.bak-1" / "model.safetensors").exists() and (tmp_path / "out" / "seed-2").is_dir()


def test_the_dry_run_of_a_study_leaves_nothing(command, tmp_path):
    assert "dry_run_loss" in main([*command(seeds="1,2"), "--dry_run"])
    assert not (tmp_path / "out").exists()


# -------------------------------------------------------------------------------------------------------------- folds


@pytest.fixture(scope="module")
def folds(finished):
    return finished(folds=2, validation_file=None, num_train_epochs=3)


def test_folds_predict_every_row_once_in_the_order_of_train(folds):
    rows, result = make_rows(64, seed=1), folds.results
    predictions = read_predictions(folds.folder, "oof.csv")
    assert [row["id"] for row in predictions] == [row["id"] for row in rows]
    assert [row["label"] for row in predictions] == [row["label"] for row in rows]
    assert [*predictions[0]] == [
        "id", "text", "fold", "label", "prediction", "prob_negative", "prob_positive", "tokens", "truncated",
    ]  # fmt: skip
    assert {row["fold"] for row in predictions} == {"1", "2"}
    accuracy = mean(row["label"] == row["prediction"] for row in predictions)
    assert result["out_of_fold_accuracy"] == pytest.approx(accuracy)
    assert result["eval_accuracy_mean"] == pytest.approx(accuracy)  # folds of equal size
    assert [run["eval_samples"] for run in result["runs"].values()] == [32] * 2
    assert all(run["test_samples"] == 24 for run in result["runs"].values())


def test_a_row_is_predicted_by_a_model_that_was_not_trained_on_it(command, folds, tmp_path):
    """Fold 2 alone, from files of its rows, gives the same loss."""
    rows = make_rows(64, seed=1)
    ids = np.array([row["label"] == "positive" for row in rows], dtype=int)
    outside, inside = fold_splits([row["text"] for row in rows], ids, 2, 42)[1]
    parts = {"train_file": sorted(outside), "validation_file": sorted(inside)}
    files = {name: write_csv(tmp_path / f"{name}.csv", [rows[i] for i in part]) for name, part in parts.items()}
    alone = main(command(**files, num_train_epochs=3, load_best_model_at_end=False))
    assert alone["eval_loss"] == pytest.approx(folds.results["runs"]["fold-2"]["eval_loss"], abs=1e-6)


def test_a_fold_is_scored_with_its_last_weights(command, tmp_path, capsys):
    """Scores of the best epoch by the same rows would be optimistic."""
    coin = random.Random(0)
    rows = [row | {"label": coin.choice(("heads", "tails"))} for row in make_rows(64)]
    flags = {"train_file": write_csv(tmp_path / "coin.csv", rows), "validation_file": None, "test_file": None}
    result = main(command(**flags, folds=2, num_train_epochs=14, per_device_train_batch_size=4))
    assert "last weights of each run" in capsys.readouterr().out
    for name, run in result["runs"].items():
        losses = [epoch["eval_loss"] for epoch in account(tmp_path / "out" / name)["epochs"]]
        assert run["eval_loss"] == pytest.approx(losses[-1], abs=1e-6)
        assert losses[-1] > min(losses) + 0.01


def test_folds_keep_groups_together_with_several_labels_per_row(command, tmp_path):
    rows = [row | {"user": f"u{i // 8}"} for i, row in enumerate(several_rows(64, 1))]
    flags = {"train_file": write_csv(tmp_path / "users.csv", rows), "validation_file": None, "test_file": None}
    result = main(command(**flags, label_delimiter="|", validation_group_column="user", folds=2))
    predictions = read_predictions(tmp_path / "out", "oof.csv")
    assert [row["id"] for row in predictions] == [row["id"] for row in rows]
    assert sum(run["eval_samples"] for run in result["runs"].values()) == 64
    assert all(run["eval_samples"] % 8 == 0 for run in result["runs"].values())


def test_label_errors_come_from_the_models_of_the_folds(command, tmp_path, capsys):
    main(command(folds=2, validation_file=None, suspect_labels=True))
    assert "contradicted by the models of the folds, which were not trained on them: " in capsys.readouterr().out
    listed = read_predictions(tmp_path / "out", "suspect_labels.csv")
    rows = read_predictions(tmp_path / "out", "oof.csv")
    contradicted = {row["id"]: row["prediction"] for row in rows if row["label"] != row["prediction"]}
    assert {row["id"]: row["likely_label"] for row in listed if row["split"] == "train"} == contradicted
    assert {row["split"] for row in listed} <= {"train", "test"} and not list(tmp_path.glob("out/*/suspect_labels.csv"))


def test_the_page_of_a_study_killed_before_it_is_drawn_when_the_study_continues(command, tmp_path, monkeypatch):
    flags = {"seeds": "1,2", "max_train_samples": 16}

    def killed(folder, lost):
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr("classification.experiments.seeds_and_folds.write_study_pages", killed)
        main(command(**flags))
    assert not (tmp_path / "out" / "report.html").exists()
    main(command(**flags, resume="auto"))
    assert (tmp_path / "out" / "report.html").exists() and (tmp_path / "out" / "README.md").exists()


# ------------------------------------------------------------------------------------------------------------- resume


def stopped(arguments: list[str], at: str) -> None:
    """Run a command that stops politely at a place, as a cluster does it."""
    with pytest.raises(Stopped, match="--resume auto"):
        main([*arguments, f"--inject_fault=stop@{at}"])


def results_without_times(results: dict) -> str:
    """Results as JSON, without what a clock measured."""
    kept = {key: value for key, value in results.items() if not any(word in key for word in ("runtime", "per_second"))}
    if "runs" in kept:
        kept["runs"] = {name: results_without_times(run) for name, run in kept["runs"].items()}
    return json.dumps(plain(kept))


def test_a_study_of_seeds_that_stops_in_its_second_run_ends_as_if_it_had_not(command, seeds, tmp_path, capsys):
    flags = {"seeds": "1,2", "num_train_epochs": 2, "learning_rate": 0.001}
    stopped(command(**flags), at="save=4:begin")  # the last checkpoint of seed-2
    capsys.readouterr()
    result = main(command(**flags, resume="auto"))
    shown = capsys.readouterr().out
    assert f"this run is finished: nothing to do; its results are in {tmp_path / 'out' / 'seed-1'}" in shown
    assert results_without_times(result) == results_without_times(seeds.results)
    assert_same_files(tmp_path / "out", seeds.folder)


def assert_same_files(folder: Path, expected: Path) -> None:
    """Both folders have the same files, and weights and CSV files of the same bytes."""
    files = {path.relative_to(expected) for path in expected.rglob("*")}
    assert {path.relative_to(folder) for path in folder.rglob("*")} == files
    for file in files:
        if file.suffix in (".csv", ".safetensors"):
            assert (folder / file).read_bytes() == (expected / file).read_bytes(), file


def test_a_fold_continues_from_its_last_checkpoint_with_the_same_predictions(command, folds, tmp_path, capsys):
    flags = {"folds": 2, "validation_file": None, "num_train_epochs": 3}
    stopped(command(**flags), at="save=5:rotate")  # the second checkpoint of fold-2
    capsys.readouterr()
    result = main(command(**flags, resume="auto"))
    assert f"resume       {tmp_path / 'out' / 'fold-2' / 'checkpoint-8'}" in capsys.readouterr().out
    assert results_without_times(result) == results_without_times(folds.results)
    assert_same_files(tmp_path / "out", folds.folder)


def test_a_study_is_not_continued_with_another_flag(command, tmp_path):
    flags = {"seeds": "1,2", "max_train_samples": 16}
    stopped(command(**flags), at="save=2:begin")
    with pytest.raises(UsageError, match="--learning_rate: the checkpoint was trained with 0.005, this run has 0.001"):
        main(command(**flags, resume="auto", learning_rate=0.001))
    assert main(command(**flags, resume="auto"))["best"]
    with pytest.raises(UsageError, match="--learning_rate.* choose another --output_dir and leave out --resume.$"):
        main(command(**flags, resume="auto", learning_rate=0.001))


def test_a_single_run_does_not_take_a_study_for_itself(command, seeds):
    with pytest.raises(UsageError, match="holds another run. .* with the flags of its study and --resume auto"):
        main(command(output_dir=seeds.folder, resume="auto"))
    assert file_times(seeds.folder) == seeds.times


def test_resuming_a_finished_study_of_real_runs_touches_no_file(command, seeds, tmp_path, capsys):
    shutil.copytree(seeds.folder, tmp_path / "out", copy_function=shutil.copyfile)
    for path in (tmp_path / "out").rglob("*"):
        path.chmod(0o755)
    before = times_of_files(tmp_path / "out")
    capsys.readouterr()
    result = main(command(seeds="1,2", num_train_epochs=2, learning_rate=0.001, resume="auto"))
    assert "this study is finished: nothing to do" in capsys.readouterr().out
    assert json.dumps(plain(result)) == json.dumps(plain(seeds.results))
    assert times_of_files(tmp_path / "out") == before


def times_of_files(folder: Path) -> dict[Path, int]:
    """Without folders, in which the lock of a run comes and goes."""
    return {path: time for path, time in file_times(folder).items() if path.is_file()}
