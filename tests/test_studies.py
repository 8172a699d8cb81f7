"""Seeds, folds, early stopping, and splits that do not leak."""

from __future__ import annotations

import random
import shutil
from statistics import mean, stdev
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import make_rows, splits_of, write_csv
from datasets import Dataset
from test_results import MODEL_FILES, read_predictions
from test_tasks import several_rows
from test_training import account, largest_difference

from classification.data.columns import Columns
from classification.data.label_columns import encode_labels
from classification.data.labels import LabelSpace
from classification.data.splitting import fold_splits, multi_label_split, time_split
from classification.errors import UsageError
from classification.evaluation.metrics import score_labelled
from classification.experiments.seeds_and_folds import has_collapsed, keep_model
from classification.reporting.run_record import Predictions
from classification.training.schedule import Schedule
from data_utils import add_validation, load_splits
from run_classification import main

# --------------------------------------------------------------------------------------------------- seeds


def test_a_study_of_seeds_keeps_the_best_and_says_how_far_luck_goes(command, tmp_path, capsys):
    result = main(command(seeds="1,2,3", num_train_epochs=2, learning_rate=0.001))
    runs = result["runs"]
    assert list(runs) == ["seed-1", "seed-2", "seed-3"]
    losses = [run["eval_loss"] for run in runs.values()]
    assert len(set(losses)) == 3
    assert result["eval_loss_mean"] == pytest.approx(mean(losses))
    assert result["eval_loss_sd"] == pytest.approx(stdev(losses))
    best = min(runs, key=lambda name: runs[name]["eval_loss"])
    assert result["best"] == best and f"{best} has the lowest val_loss" in capsys.readouterr().out
    single = command(seed=best[-1], num_train_epochs=2, learning_rate=0.001, output_dir=tmp_path / "single")
    alone = main(single)
    assert largest_difference(tmp_path / "out", tmp_path / "single") == 0
    assert runs[best]["test_accuracy"] == alone["test_accuracy"]
    expected = MODEL_FILES | {"all_results.json", "run.json", "predictions.csv", "seed-1", "seed-2", "seed-3"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    for name in runs:
        left = {path.name for path in (tmp_path / "out" / name).iterdir()}
        assert left == {"run.json", "all_results.json", "predictions.csv", "curves.svg", "confusion_matrix.svg"}


def test_a_study_never_overwrites_a_run_and_bad_data_moves_nothing(command, tmp_path):
    flags = {"seeds": "1,2", "max_train_samples": 16}
    main(command(**flags))
    with pytest.raises(UsageError, match="--output_dir .*out: holds another run"):
        main(command(**flags))
    with pytest.raises(UsageError, match="--output_dir .*out: holds another run"):
        main(command(max_train_samples=16))
    with pytest.raises(UsageError, match="--label_column_name"):
        main(command(**flags, overwrite_output_dir=True, label_column_name="lable"))
    assert not (tmp_path / "out.bak-1").exists()
    main(command(**flags, overwrite_output_dir=True))
    assert (tmp_path / "out.bak-1" / "model.safetensors").exists() and (tmp_path / "out" / "seed-2").is_dir()


def test_the_dry_run_of_a_study_leaves_nothing(command, tmp_path):
    assert "dry_run_loss" in main([*command(seeds="1,2"), "--dry_run"])
    assert not (tmp_path / "out").exists()


def test_a_run_that_predicts_one_thing_has_collapsed():
    two, several = LabelSpace.from_train(["a", "b"]), LabelSpace.from_train([["a"], ["b"]])
    number = LabelSpace.from_train([1.5, 2.5])
    varied, same = np.array([[1.0, -1], [-1, 1], [2, -1]]), np.array([[1.0, -1], [2, -1], [3, -1]])

    def seen(logits, given):
        return Predictions(Dataset.from_dict({"label": given}), logits, *[np.zeros(3)] * 2)

    for labels, given in ((two, [0, 1, 0]), (several, [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])):
        assert has_collapsed(seen(same, given), labels) and not has_collapsed(seen(varied, given), labels)
        assert not has_collapsed(seen(same, [given[0]] * 3), labels)  # nothing else would be right
    assert has_collapsed(seen(np.full((3, 1), 0.3), [0.1, 0.2, 0.9]), number)
    assert not has_collapsed(seen(varied[:, :1], [0.1, 0.2, 0.9]), number)


def test_a_collapsed_run_is_flagged(command, capsys):
    """One optimizer step of no size to speak of: the untrained head says one thing."""
    result = main(command(seeds="1,2", learning_rate=1e-9, max_steps=1))
    assert result["collapsed"] == ["seed-1", "seed-2"]
    assert "2 of 2 runs predict one and the same for every row (seed-1, seed-2)" in capsys.readouterr().out


def test_a_figure_that_is_no_number_does_not_end_a_study(command, tmp_path):
    """One test row: its correlation is undefined."""
    numbers = [row | {"label": i + 0.5} for i, row in enumerate(make_rows(16))]
    path, one = write_csv(tmp_path / "n.csv", numbers), write_csv(tmp_path / "one.csv", numbers[:1])
    result = main(command(train_file=path, validation_file=path, test_file=one, seeds="1,2"))
    assert np.isnan(result["test_pearson_mean"]) and np.isfinite(result["test_mae_sd"])
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_a_study_leaves_the_log_of_a_tracker_alone(tmp_path):
    for name in ("seed-1", "seed-2"):
        (tmp_path / name / "runs").mkdir(parents=True)
        (tmp_path / name / "model.safetensors").write_text(name)
    keep_model(tmp_path, ["seed-1", "seed-2"], "seed-2")
    assert (tmp_path / "model.safetensors").read_text() == "seed-2"
    assert not list(tmp_path.glob("seed-*/model*")) and len(list(tmp_path.glob("seed-*/runs"))) == 2


# --------------------------------------------------------------------------------------------------- folds


def test_folds_predict_every_row_once_and_by_a_model_that_had_not_seen_it(command, files, tmp_path):
    result = main(command(folds=4, validation_file=None, num_train_epochs=3))
    rows = make_rows(64, seed=1)
    predictions = read_predictions(tmp_path / "out", "out_of_fold_predictions.csv")
    assert [row["id"] for row in predictions] == [row["id"] for row in rows]
    assert [row["label"] for row in predictions] == [row["label"] for row in rows]
    right = mean(row["label"] == row["prediction"] for row in predictions)
    assert result["out_of_fold_accuracy"] == pytest.approx(right)
    assert result["eval_accuracy_mean"] == pytest.approx(right)  # folds of equal size
    assert [run["eval_samples"] for run in result["runs"].values()] == [16] * 4
    assert all(run["test_samples"] == 24 for run in result["runs"].values())
    # Fold 2 alone, from the files that it was: the same predictions for its rows.
    inside = {int(row["id"].split("-")[1]) for row in read_fold(tmp_path / "out", "fold-2", rows, result)}
    parts = {"train_file": [r for i, r in enumerate(rows) if i not in inside],
             "validation_file": [r for i, r in enumerate(rows) if i in inside]}  # fmt: skip
    again = {name: write_csv(tmp_path / f"{name}.csv", part) for name, part in parts.items()}
    last = {"load_best_model_at_end": False, "output_dir": tmp_path / "alone"}
    alone = main(command(**again, num_train_epochs=3, **last))
    assert alone["eval_loss"] == pytest.approx(result["runs"]["fold-2"]["eval_loss"], abs=1e-6)


def test_a_fold_is_scored_with_its_last_weights(command, tmp_path, capsys):
    """The best epoch by the rows that are scored would flatter them."""
    coin = random.Random(0)
    rows = [row | {"label": coin.choice(("heads", "tails"))} for row in make_rows(64)]
    flags = {"train_file": write_csv(tmp_path / "coin.csv", rows), "validation_file": None, "test_file": None}
    result = main(command(**flags, folds=2, num_train_epochs=14, per_device_train_batch_size=4))
    assert "the last weights of each run are scored" in capsys.readouterr().out
    for name, run in result["runs"].items():
        losses = [epoch["eval_loss"] for epoch in account(tmp_path / "out" / name)["epochs"]]
        assert run["eval_loss"] == pytest.approx(losses[-1], abs=1e-6)
        assert losses[-1] > min(losses) + 0.01


def read_fold(folder, name: str, rows: list[dict], result: dict) -> list[dict]:
    """The rows of one fold, found anew from the texts as `fold_splits` does."""
    number = int(name.split("-")[1]) - 1
    ids = np.array([row["label"] == "positive" for row in rows], dtype=int)
    _, inside = fold_splits([row["text"] for row in rows], ids, len(result["runs"]), 42)[number]
    return [rows[row] for row in inside]


STRATA = {
    "classes": np.array([0, 0, 0, 1] * 30),
    "several labels": np.array([[1, 0], [0, 1], [1, 1], [0, 0]] * 30),
    "numbers": np.zeros(120, dtype=int),
}


@pytest.mark.parametrize("kind", STRATA)
def test_folds_cut_the_rows_without_parting_a_key(kind):
    strata, keys = STRATA[kind], [f"film {i // 2}" for i in range(120)]
    inside = []
    for outside, held_out in fold_splits(keys, strata, 5, seed=1):
        assert sorted(outside + held_out) == list(range(120))
        assert not {keys[row] for row in outside} & {keys[row] for row in held_out}
        shares = strata[held_out].mean(axis=0) - strata.mean(axis=0)
        assert np.abs(shares).max() < 0.1
        inside += held_out
    assert sorted(inside) == list(range(120))


@pytest.mark.parametrize("kind", STRATA)
def test_folds_are_unchanged_by_row_order(kind):
    keys = [f"text {i}" for i in range(120)]
    order = random.Random(1).sample(range(120), 120)
    _, first = fold_splits(keys, STRATA[kind], 5, seed=1)[2]
    _, second = fold_splits([keys[i] for i in order], STRATA[kind][order], 5, seed=1)[2]
    assert {keys[row] for row in first} == {keys[order[row]] for row in second}


def test_groups_and_several_labels_go_through_folds(command, tmp_path):
    rows = [row | {"user": f"u{i // 8}"} for i, row in enumerate(several_rows(64, 1))]
    flags = {"train_file": write_csv(tmp_path / "users.csv", rows), "validation_file": None, "test_file": None}
    grouped = {"label_delimiter": "|", "validation_group_column": "user", "folds": 3}
    result = main(command(**flags, **grouped))
    predictions = read_predictions(tmp_path / "out", "out_of_fold_predictions.csv")
    assert [row["id"] for row in predictions] == [row["id"] for row in rows]
    assert sum(run["eval_samples"] for run in result["runs"].values()) == 64
    assert all(run["eval_samples"] % 8 == 0 for run in result["runs"].values())


def test_pooled_figures_are_those_of_the_rows(command, tmp_path):
    """Of unequal folds the mean of their figures is not the figure of all rows."""
    rows = make_rows(27, seed=5)
    flags = {"train_file": write_csv(tmp_path / "few.csv", rows), "validation_file": None, "test_file": None}
    result = main(command(**flags, folds=4, num_train_epochs=2))
    predictions = read_predictions(tmp_path / "out", "out_of_fold_predictions.csv")
    logits = np.log([[float(row["prob_negative"]), float(row["prob_positive"])] for row in predictions])
    given = [("negative", "positive").index(row["label"]) for row in predictions]
    figures = score_labelled(logits, given, LabelSpace.from_train(["negative", "positive"]))
    for name in ("loss", "f1_macro", "mcc"):
        assert result[f"out_of_fold_{name}"] == pytest.approx(figures[name], abs=1e-4)


# ---------------------------------------------------------------------------------------------- early stopping


def test_training_stops_when_validation_no_longer_improves(command, tmp_path):
    """Validation labels are swapped: the first epochs are the best."""
    swapped = write_csv(tmp_path / "swapped.csv", make_rows(24, seed=2, labels=("positive", "negative")))
    flags = {"validation_file": swapped, "num_train_epochs": 12, "per_device_train_batch_size": 4}
    main(command(**flags, early_stopping_patience=2))
    run = account(tmp_path / "out")
    losses = [epoch["eval_loss"] for epoch in run["epochs"]]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 12 and run["best_step"] == run["epochs"][best]["step"]


def test_a_resumed_run_has_not_forgotten_how_long_it_has_waited(command, tmp_path):
    swapped = write_csv(tmp_path / "swapped.csv", make_rows(24, seed=2, labels=("positive", "negative")))
    flags = {"validation_file": swapped, "num_train_epochs": 12, "early_stopping_patience": 3, "save_total_limit": 20}
    main(command(**flags))
    whole = account(tmp_path / "out")
    stopped = whole["epochs"][-1]["step"]
    (tmp_path / "cut").mkdir()
    before_last = tmp_path / "out" / f"checkpoint-{stopped - 8}"
    shutil.copytree(before_last, tmp_path / "cut" / before_last.name)
    main(command(**flags, output_dir=tmp_path / "cut", resume="auto"))
    assert [epoch["step"] for epoch in account(tmp_path / "cut")["epochs"]] == [stopped]
    (tmp_path / "other").mkdir()
    shutil.copytree(before_last, tmp_path / "other" / before_last.name)
    main(command(**flags | {"early_stopping_patience": 5}, output_dir=tmp_path / "other", resume="auto"))
    assert [epoch["step"] for epoch in account(tmp_path / "other")["epochs"]] == [stopped, stopped + 8, stopped + 16]


@pytest.mark.parametrize(
    ("flags", "evaluations"),
    [
        ({}, 3),
        ({"num_train_epochs": 2.5}, 3),
        ({"max_steps": 20}, 3),
        ({"gradient_accumulation_steps": 3}, 3),
        ({"eval_strategy": "steps", "eval_steps": 5, "save_strategy": "steps", "save_steps": 5}, 5),
        ({"eval_strategy": "steps", "eval_steps": 0.25, "save_strategy": "no", "load_best_model_at_end": False}, 4),
        ({"eval_strategy": "no", "load_best_model_at_end": False}, 0),
        ({"eval_delay": 2}, 2),
    ],
)
def test_the_schedule_is_the_trainers(command, tmp_path, flags, evaluations):
    main(command(**{"num_train_epochs": 3, "validation_file": None} | flags))
    run = account(tmp_path / "out")
    arguments = run["arguments"]["trainer"]
    args = SimpleNamespace(**arguments | {"world_size": 1})
    schedule = Schedule.of(args, run["data"]["train"]["rows"])
    looked = [entry for entry in run["log_history"] if "eval_loss" in entry]
    assert schedule.evaluations == len(looked) == evaluations
    assert schedule.steps == run["log_history"][-1]["step"]


# ------------------------------------------------------------------------------------------------------ splits


def test_the_newest_rows_become_validation(caplog):
    assert time_split([5.0, 1.0, 4.0, 2.0, 3.0], 2) == ([1, 3, 4], [0, 2])
    assert time_split([1.0, 2.0, 2.0, 0.0], 1) == ([0, 3], [1, 2]) and not caplog.text  # one moment is not parted
    assert time_split([1.0, 2.0, 2.0, 2.0], 1) == ([0], [1, 2, 3])
    assert "3 rows become validation where 1 were wanted" in caplog.text


TIMES = {
    "dates": [f"2024-0{1 + i // 16}-{10 + i % 16}" for i in range(64)],
    "numbers": list(range(64)),
    "two moments": ["2024-01-01T00:00:00Z"] * 32 + ["2024-06-01T10:00:00+02:00"] * 32,
}


@pytest.mark.parametrize(("kind", "count"), [("dates", 16), ("numbers", 16), ("two moments", 32)])
def test_validation_by_time_holds_the_newest_rows(kind, count):
    order = random.Random(0).sample(range(64), 64)
    rows = [make_rows(64)[i] | {"date": TIMES[kind][i], "id": str(i)} for i in order]
    splits, _ = load_splits(splits_of(rows), Columns(time="date"))
    labels = LabelSpace.from_train(splits["train"]["label"])
    splits, how = add_validation(encode_labels(splits, labels), labels, fraction=0.25, strategy="time", seed=1)
    assert sorted(map(int, splits["validation"]["id"])) == list(range(64 - count, 64))
    assert sorted(map(int, splits["train"]["id"])) == list(range(64 - count))
    assert "newest" in how and splits["train"].column_names == splits["validation"].column_names


def test_a_run_with_validation_by_time(command, tmp_path, capsys):
    rows = [row | {"date": TIMES["dates"][i]} for i, row in enumerate(make_rows(64))]
    flags = {"train_file": write_csv(tmp_path / "dated.csv", rows), "validation_file": None, "test_file": None}
    assert main(command(**flags, validation_strategy="time", time_column="date"))["eval_samples"] == 13
    assert "the newest rows of train" in capsys.readouterr().out


def test_labels_and_pairs_of_labels_keep_their_share():
    draw = np.random.default_rng(0)
    hot = (draw.random((300, 3)) < [0.5, 0.2, 0.05]).astype(float)
    keys = [f"text {i // 2 if i < 60 else i}" for i in range(300)]
    train, validation = multi_label_split(keys, hot, 60, seed=42)
    assert sorted(train + validation) == list(range(300)) and abs(len(validation) - 60) <= 3
    assert not {keys[row] for row in train} & {keys[row] for row in validation}
    assert np.abs(hot[validation].sum(axis=0) - hot.sum(axis=0) / 5).max() <= 2
    order = draw.permutation(300)
    _, again = multi_label_split([keys[i] for i in order], hot[order], 60, seed=42)
    assert {keys[row] for row in validation} == {keys[order[row]] for row in again}


def test_a_group_is_on_one_side(command, tmp_path):
    rows = [row | {"user": f"u{i // 8}"} for i, row in enumerate(make_rows(64))]
    flags = {"train_file": write_csv(tmp_path / "users.csv", rows), "validation_file": None, "test_file": None}
    result = main(command(**flags, validation_group_column="user", validation_fraction=0.25))
    assert result["eval_samples"] == 16 and result["train_samples"] == 48


def test_the_kept_model_made_the_kept_predictions(command, tmp_path):
    main(command(seeds="1,2", num_train_epochs=2))
    use = {"model_name_or_path": tmp_path / "out", "train_file": None, "validation_file": None, "do_predict": True}
    main(command(**use, output_dir=tmp_path / "used"))
    for kept, again in zip(read_predictions(tmp_path / "out"), read_predictions(tmp_path / "used"), strict=True):
        assert float(kept["prob_positive"]) == pytest.approx(float(again["prob_positive"]), abs=2e-6)


def test_texts_on_both_sides_are_said(command, tmp_path, capsys):
    """Groups may share a text, and time may part its repeats."""
    rows = [row | {"user": f"u{i}"} for i, row in enumerate(make_rows(16) * 4)]
    rows = [row | {"id": str(i)} for i, row in enumerate(rows)]
    flags = {"train_file": write_csv(tmp_path / "users.csv", rows), "validation_file": None, "test_file": None}
    main(command(**flags, validation_group_column="user"))
    assert "texts stand in both train (" in capsys.readouterr().out
    main(command(**flags, output_dir=tmp_path / "texts"))
    assert "stand in both" not in capsys.readouterr().out
