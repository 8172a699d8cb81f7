"""One class per row from the command line alone: data from anywhere, rare classes, the choice of a checkpoint."""

from __future__ import annotations

import pytest
from corpus import hub_folder, make_rows, write_csv
from helpers import AGAIN, SGD, largest_difference

from run_classification import main


def test_a_train_file_alone_is_enough(finished):
    run = finished(validation_file=None, test_file=None)
    assert run.results["eval_samples"] == 12 and run.results["train_samples"] == 52  # 20% of 64, half of each class
    assert "there are no test rows" in run.shown


def test_a_data_set_of_the_hub_needs_no_other_flag(tiny_model, capsys, tmp_path, monkeypatch):
    """IMDB's layout: validation is split off, test is scored, the unlabelled split is never tokenised."""
    monkeypatch.chdir(tmp_path)
    result = main(["--model_name_or_path", tiny_model, "--dataset_name", hub_folder(tmp_path), "--output_dir", "out"])
    assert result["train_samples"] == 32 and result["eval_samples"] == 8 and result["test_scored"] == 10
    shown = capsys.readouterr().out
    assert "unsupervised" in shown and "the lowest val_loss" in shown
    assert set(result["test_per_class"]) == {"neg", "pos"}


def test_not_one_right_prediction_is_a_result_too(command, learned, tmp_path):
    wrong = make_rows(1, seed=3)[0]
    wrong["label"] = "positive" if wrong["label"] == "negative" else "negative"
    use = AGAIN | {"model_name_or_path": learned.folder}
    result = main(command(**use, test_file=write_csv(tmp_path / "one.csv", [wrong])))
    assert result["test_accuracy"] == 0
    assert [row["support"] for row in result["test_per_class"].values()] == [0, 1]


def test_few_steps_at_a_low_rate_are_warned_of(command, capsys):
    main([*command(learning_rate=2e-5), "--dry_run"])
    assert "warning: 8 steps at a learning rate of 2e-05" in capsys.readouterr().out
    main([*command(), "--dry_run"])
    assert "steps at a learning rate" not in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------- rare classes


@pytest.mark.parametrize("flags", [{"class_weights": "effective", "loss": "focal"}, {"sampler": "balanced"}])
def test_weighted_training_is_exact_however_the_batch_is_cut(command, rare, tmp_path, flags):
    common = {**rare, **flags, **SGD, "num_train_epochs": 2, "max_train_samples": 75, "calibrate": False}
    main(command(**common, per_device_train_batch_size=8, output_dir=tmp_path / "whole"))
    main(command(**common, per_device_train_batch_size=2, gradient_accumulation_steps=4, output_dir=tmp_path / "cut"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-5


def test_weights_raise_the_recall_of_the_rare_class(finished, rare):
    short = rare | {"num_train_epochs": 2, "learning_rate": 0.002, "train_sampling_strategy": "random"}
    short["metric_for_best_model"] = "balanced_accuracy"
    plain, weighted = finished(**short), finished(**short, class_weights="balanced")
    assert "% of the training rows are negative" in plain.shown
    assert "% of the training rows are negative" not in weighted.shown
    assert "weights      negative 0.5" in weighted.shown
    recalls = [run.results["test_per_class"]["positive"]["recall"] for run in (plain, weighted)]
    assert recalls[1] > recalls[0]
    assert weighted.results["eval_objective"] != weighted.results["eval_loss"]
    assert "eval_objective" not in plain.results


def test_the_training_objective_can_choose_the_checkpoint(finished, rare):
    flags = {"class_weights": "balanced", "metric_for_best_model": "objective", "num_train_epochs": 3}
    account = finished(**rare, **flags).account
    assert account["best_step"] == min(account["epochs"], key=lambda epoch: epoch["eval_objective"])["step"]


@pytest.mark.parametrize("metric", ["balanced_accuracy", "average_precision", "f1_macro", "mcc"])
def test_every_metric_can_choose_the_checkpoint(finished, rare, metric):
    run = finished(**rare, metric_for_best_model=metric, num_train_epochs=3)
    best = max(run.account["epochs"], key=lambda epoch: epoch[f"eval_{metric}"])
    assert run.account["best_step"] == best["step"] and run.results[f"eval_{metric}"] == best[f"eval_{metric}"]
