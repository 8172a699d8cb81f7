"""Numbers from the command line alone: standardised in training, in their own units in every file and every model."""

from __future__ import annotations

import numpy as np
import pytest
import transformers
from corpus import make_rows, number_rows, stars, write_splits
from helpers import SGD, largest_difference

from run_classification import main


@pytest.fixture
def regressor(finished, numbers):
    return finished(**numbers, num_train_epochs=12)


def use(run) -> dict:
    return {"model_name_or_path": run.folder, "train_file": None, "do_eval": True, "do_predict": True}


def test_labels_with_a_fraction_need_no_flag(regressor):
    assert "regression" in regressor.shown and regressor.results["test_pearson"] > 0.8
    given = [float(row["label"]) for row in regressor.predictions]
    assert given == pytest.approx([stars(row) for row in make_rows(48, seed=3)])


def test_a_saved_regressor_gives_numbers_in_their_own_units_everywhere(finished, numbers, regressor):
    """In training the output is standardised; in the saved head, scaled; loaded here, standardised again."""
    assert "the score is the number, in the units of the labels" in regressor.shown
    rows = regressor.predictions
    classify = transformers.pipeline("text-classification", model=str(regressor.folder), truncation=True)
    for row, answer in zip(rows, classify([row["text"] for row in rows]), strict=True):
        assert answer["score"] == pytest.approx(float(row["prediction"]), rel=1e-4)
    used = finished(**numbers | use(regressor)).results
    for key in ("eval_loss", "eval_rmse", "test_mae"):
        assert used[key] == pytest.approx(regressor.results[key], rel=1e-5)


def test_a_saved_regressor_is_trained_further_on_other_numbers_and_on_classes(command, regressor, tmp_path, capsys):
    more = write_splits(tmp_path, "more", number_rows(lambda row: 1000.01 * stars(row)), 48, 48, 48)
    again = main(command(**more, model_name_or_path=regressor.folder, num_train_epochs=4))
    assert again["test_pearson"] > regressor.results["test_pearson"] - 0.1
    assert "the head starts from new weights: the trained one is for numbers of another size" in capsys.readouterr().out
    near = write_splits(tmp_path, "near", number_rows(lambda row: 5 + 1.01 * stars(row)), 48, 48, 48)
    again = main(command(**near, model_name_or_path=regressor.folder, output_dir=tmp_path / "near"))
    assert again["test_pearson"] > regressor.results["test_pearson"] - 0.1
    assert "kept from the trained model" in capsys.readouterr().out
    flags = {"ignore_mismatched_sizes": True, "output_dir": tmp_path / "classes"}
    assert main([*command(model_name_or_path=regressor.folder, **flags), "--dry_run"])["dry_run_loss"] > 0


def test_standardised_regression_is_plain_regression_on_standardised_numbers(finished, numbers, data):
    values = [stars(row) for row in make_rows(48, seed=1)]
    mean, deviation = np.mean(values), np.std(values)
    standard = write_splits(data, "standard", number_rows(lambda row: float((stars(row) - mean) / deviation)),
                            48, 48, 48)  # fmt: skip
    first, second = (finished(**files, **SGD, num_train_epochs=3) for files in (numbers, standard))
    heads = (run.folder / "checkpoint-18" for run in (first, second))  # of checkpoints: not scaled yet
    assert largest_difference(*heads) < 1e-5
    assert first.results["test_mae"] == pytest.approx(second.results["test_mae"] * deviation, rel=1e-4)
    for key in ("test_pearson", "test_spearman", "eval_loss"):
        assert first.results[key] == pytest.approx(second.results[key], abs=1e-5)
    for one, other in zip(first.predictions, second.predictions, strict=True):
        assert float(one["prediction"]) == pytest.approx(float(other["prediction"]) * deviation + mean, rel=1e-3)


def test_large_numbers_are_written_as_they_are_and_predicted_apart(finished, data):
    """Seconds since 1970: a mean of 1.7e9 in an fp32 head would leave one value for all rows."""
    values = number_rows(lambda row: 1_700_000_123.5 + 10 * stars(row))
    files = write_splits(data, "dates", values, 48, 48, 48)
    run = finished(**files, num_train_epochs=4)
    assert "the value is score * " in run.shown
    assert [float(row["label"]) for row in run.predictions] == [row["label"] for row in values(48, 3)]
    assert len({row["prediction"] for row in run.predictions}) > 20
    used = finished(**files | use(run)).results
    assert used["test_mae"] == pytest.approx(run.results["test_mae"], rel=1e-5)


def test_the_checkpoint_can_be_chosen_by_the_mean_absolute_error(finished, data):
    """And predictions are in the units of the labels."""
    files = write_splits(data, "whole", lambda count, seed: make_rows(count, seed, ("20.5", "70.5")), 48, 48, 48)
    run = finished(**files, do_regression=True, num_train_epochs=12, metric_for_best_model="mae")
    assert run.results["test_mae"] < 10 and run.results["test_pearson"] > 0.8
    predictions = [float(row["prediction"]) for row in run.predictions]
    assert 0 < min(predictions) < 40 and 50 < max(predictions) < 100
    assert transformers.AutoConfig.from_pretrained(run.folder).problem_type == "regression"
