"""What the folds of a study give together is as honest as a prediction of new rows."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from stand_in_recipe import StandIn, study

from classification.cli.parser import parse_arguments
from classification.data.tasks import infer_task
from classification.evaluation.calibration import find_temperatures
from classification.evaluation.predictions import Predictions
from classification.experiments.out_of_fold import OutOfFold, in_order_of_train, mean_over_models, with_fold

TWO = infer_task(["a", "b"])
SEVERAL = infer_task([["a"], ["b"]])
NUMBER = infer_task([1.5, 2.5])


def fold(positions: list[int], logits: np.ndarray, label_ids: list | None = None, **columns) -> Predictions:
    texts = [f"text {position}" for position in positions]
    rows = {"id": [str(position) for position in positions], "text": texts, "position": positions, **columns}
    rows |= {} if label_ids is None else {"label": label_ids}
    return Predictions(Dataset.from_dict(rows), logits, np.array(positions), np.array(positions) + 10)


def overconfident(rows: int, scale: float, seed: int, first: int) -> Predictions:
    """A fold of a model whose logits are `scale` times as large as its labels justify."""
    draw = np.random.default_rng(seed)
    true = draw.normal(size=rows) * 1.5
    labels = (draw.random(rows) < 1 / (1 + np.exp(-2 * true))).astype(int)
    return fold(list(range(first, first + rows)), np.stack([-true, true], axis=1) * scale, labels.tolist())


def test_the_rows_of_all_folds_return_to_the_order_of_train():
    parts = [fold(rows, np.array(rows)[:, None] * [1.0, 2.0]) for rows in ([3, 0], [1, 4, 2])]
    whole = in_order_of_train(parts, with_fold([part.rows for part in parts], ["fold-1", "fold-2"]))
    assert whole.rows["id"][:] == ["0", "1", "2", "3", "4"] and whole.rows["slice.fold"][:] == ["1", "2", "2", "1", "2"]
    assert whole.logits[:, 1].tolist() == [0, 2, 4, 6, 8]
    assert whole.tokens.tolist() == [0, 1, 2, 3, 4] and whole.full_tokens.tolist() == [10, 11, 12, 13, 14]


def test_a_column_of_the_user_named_fold_keeps_its_name():
    parts = [fold([0], np.zeros((1, 2)), **{"slice.fold": ["theirs"]})]
    rows = with_fold([part.rows for part in parts], ["fold-7"])
    assert rows["slice.fold"][:] == ["theirs"] and rows["slice.fold_of_cross_validation"][:] == ["7"]


def test_the_temperature_of_a_fold_comes_from_the_other_folds():
    held_out = {f"fold-{i + 1}": overconfident(200, scale, i, 200 * i) for i, scale in enumerate((1.0, 3.0, 5.0))}
    task = replace(TWO, temperatures=(9.0,))  # fitted on the first fold itself, by its run
    pooled = OutOfFold.of(held_out, task)
    others = [held_out["fold-2"], held_out["fold-3"]]
    logits, labels = (
        np.concatenate([part.logits for part in others]),
        np.concatenate([part.label_ids for part in others]),
    )
    (expected,), _ = find_temperatures(TWO.choices(logits, labels))
    assert pooled.task.temperatures == () and expected > 2
    np.testing.assert_allclose(pooled.calibrated.logits[:200], held_out["fold-1"].logits / expected)


def test_a_label_of_a_fold_does_not_change_the_probabilities_of_its_rows():
    first, second = overconfident(60, 2.0, 0, 0), overconfident(60, 2.0, 1, 60)
    task = replace(TWO, temperatures=(1.0,))
    turned = replace(
        first, rows=first.rows.remove_columns("label").add_column("label", [1 - y for y in first.label_ids])
    )
    both = [OutOfFold.of({"fold-1": part, "fold-2": second}, task).calibrated.logits for part in (first, turned)]
    np.testing.assert_array_equal(both[0][:60], both[1][:60])
    assert np.abs(both[0][60:] - both[1][60:]).max() > 0.1  # those of the other fold


def test_pooled_calibration_is_not_optimistic():
    """Labels that nothing predicts: fitted on its own rows a fold would look better than chance."""
    draw = np.random.default_rng(0)
    held_out = {
        f"fold-{i + 1}": fold(
            list(range(20 * i, 20 * i + 20)), draw.normal(size=(20, 2)) * 3, draw.integers(0, 2, 20).tolist()
        )
        for i in range(5)
    }
    metrics = OutOfFold.of(held_out, replace(TWO, temperatures=(1.0,))).metrics()
    assert metrics["out_of_fold_loss_calibrated"] > 0.6 and metrics["out_of_fold_loss"] > 1


def test_val_loss_of_all_folds_is_uncalibrated_and_metrics_have_intervals():
    held_out = {f"fold-{i + 1}": overconfident(100, 4.0, i, 100 * i) for i in range(2)}
    metrics = OutOfFold.of(held_out, replace(TWO, temperatures=(2.0,))).metrics()
    logits = np.concatenate([part.logits for part in held_out.values()])
    labels = np.concatenate([part.label_ids for part in held_out.values()])
    assert metrics["out_of_fold_loss"] == pytest.approx(TWO.row_losses(logits, labels).mean())
    assert metrics["out_of_fold_loss_calibrated"] < metrics["out_of_fold_loss"]
    assert metrics["out_of_fold_accuracy_low"] < metrics["out_of_fold_accuracy"] < metrics["out_of_fold_accuracy_high"]
    assert {entry["column"] for entry in metrics["out_of_fold_slices"]} == {"fold", "length"}
    plain = OutOfFold.of(held_out, TWO).metrics()
    assert "out_of_fold_loss_calibrated" not in plain and plain["out_of_fold_loss"] == metrics["out_of_fold_loss"]


def test_a_threshold_decides_on_the_calibrated_probabilities():
    task = replace(SEVERAL.with_thresholds(0.8), temperatures=(1.0, 1.0))
    draw = np.random.default_rng(1)
    held_out = {
        f"fold-{i + 1}": fold(
            list(range(80 * i, 80 * i + 80)),
            draw.normal(size=(80, 2)) * 6,
            draw.integers(0, 2, (80, 2)).astype(float).tolist(),
        )
        for i in range(2)
    }
    pooled = OutOfFold.of(held_out, task)
    chosen = pooled.task.decide(pooled.calibrated.logits)
    np.testing.assert_array_equal(chosen, pooled.task.probabilities(pooled.calibrated.logits) >= 0.8)
    assert chosen.sum() < pooled.task.decide(pooled.raw.logits).sum()


def test_numbers_and_rows_of_a_model_that_diverged_are_pooled_too():
    parts = {
        "fold-1": fold([0, 1], np.array([[0.1], [0.4]]), [0.0, 0.5]),
        "fold-2": fold([2], np.array([[1.0]]), [1.0]),
    }
    metrics = OutOfFold.of(parts, NUMBER).metrics()
    assert metrics["out_of_fold_rmse"] > 0 and "out_of_fold_ece" not in metrics
    broken = {"fold-1": fold([0], np.full((1, 2), np.nan), [0]), "fold-2": overconfident(30, 2.0, 1, 1)}
    assert np.isnan(OutOfFold.of(broken, replace(TWO, temperatures=(1.0,))).metrics()["out_of_fold_loss"])


def test_the_models_of_the_folds_vote_on_test_by_their_mean():
    parts = [fold([0], np.array([[1.0, 3.0]]), [1]), fold([0], np.array([[3.0, 1.0]]), [1])]
    assert mean_over_models(parts).logits.tolist() == [[2.0, 2.0]]


def test_label_errors_of_a_study_are_those_that_its_own_models_contradict(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("text,label\n")
    words = [f"--train_file={tmp_path / 'a.csv'}", f"--output_dir={tmp_path / 'out'}", "--folds=2", "--suspect_labels"]
    sure = np.array([[4.0, -4], [-3, 3], [2, -2], [-1, 1]])
    made = {"fold-1": (sure, [1, 1, 0, 1]), "fold-2": (sure, [0, 1, 1, 1])}
    study(parse_arguments(words), StandIn(TWO, made))
    with (tmp_path / "out" / "suspect_labels.csv").open(encoding="utf-8", newline="") as handle:
        listed = list(csv.DictReader(handle))
    assert [(row["id"], row["label"], row["likely_label"]) for row in listed] == [("r0", "b", "a"), ("r5", "b", "a")]
    assert json.loads((tmp_path / "out" / "run.json").read_text())["task"]["id2label"] == {"0": "a", "1": "b"}
