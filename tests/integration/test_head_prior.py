"""Runs start at the class shares of train: their first loss is the entropy of the shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import AGAIN, assert_refused, weights

from classification.cli.parser import parse_arguments
from run_classification import main

STILL = {"learning_rate": 1e-12}  # the last loss is the first one
NOISE = 0.05  # of the random weight matrix


def entropy(*shares) -> float:
    return float(-sum(share * np.log(share) for share in shares))


def test_the_first_loss_is_the_entropy_of_the_class_shares(finished, rare):
    """One row in eight is positive, in train and in validation."""
    flags = {**rare, **STILL, "calibrate": False}  # weights are compared
    prior, zero = finished(**flags), finished(**flags, head_init="zero")
    assert prior.results["eval_loss"] == pytest.approx(entropy(1 / 8, 7 / 8), abs=NOISE)
    assert zero.results["eval_loss"] == pytest.approx(np.log(2), abs=NOISE)
    assert (
        "head         bias at the class shares of train: negative 0.87, positive 0.13 (--head_init prior)"
        in prior.shown
    )
    assert "bias at the class shares" not in zero.shown
    first, second = weights(prior.folder), weights(zero.folder)
    assert [name for name in first if not torch.allclose(first[name], second[name], atol=1e-9)] == ["classifier.bias"]


@pytest.mark.parametrize(
    ("flags", "key"),
    [({"class_weights": "balanced"}, "eval_objective"), ({"sampler": "balanced"}, "train_loss")],
)
def test_weights_and_the_balanced_sampler_start_at_even_odds(flags, key, finished, rare):
    run = finished(**rare, **STILL, **flags)
    assert run.results[key] == pytest.approx(np.log(2), abs=NOISE)
    assert "negative 0.50, positive 0.50 (--head_init prior)" in run.shown


def test_several_labels_start_at_the_shares_of_each(finished, several):
    run = finished(**several, **STILL)
    assert "blame 0.50, praise 0.50 (--head_init prior)" in run.shown
    assert run.results["eval_loss"] == pytest.approx(np.log(2), abs=NOISE)


def test_numbers_start_at_zero_and_say_nothing(finished, numbers):
    run = finished(**numbers, num_train_epochs=12)
    assert "--head_init" not in run.shown


def test_an_lstm_from_random_weights_starts_at_the_shares_too(finished, rare):
    run = finished(**rare, **STILL, model_name_or_path="bilstm")
    assert run.results["eval_loss"] == pytest.approx(entropy(1 / 8, 7 / 8), abs=0.15)


def test_every_fold_starts_at_the_shares_of_its_own_rows(command, rare, capsys):
    flags = {**rare, "validation_file": None, "test_file": None}
    main(command(**flags, **STILL, folds=2))
    assert capsys.readouterr().out.count("bias at the class shares of train: negative 0.8") == 2


def test_the_flag_reaches_the_lstm_beside_the_model(command):
    baseline = parse_arguments(command(baselines="bilstm", head_init="zero")).for_bilstm_baseline()
    assert baseline.training.head_init == "zero" and baseline.as_typed["head_init"] == "zero"


def test_the_flag_is_for_training_alone(command, tiny_model):
    words = ["--head_init zero", "cannot be changed after training"]
    assert_refused(words, parse_arguments, command(**AGAIN, head_init="zero"))
