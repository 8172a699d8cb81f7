"""Averages of weights in whole runs: the saved model is the better candidate, whatever the run is."""

from __future__ import annotations

import pytest
from helpers import account, weights

from run_classification import main


@pytest.fixture(scope="module")
def noisy(finished):
    """A high rate without decay in small batches: the mean of many steps is better than any of them."""
    return finished(
        average="ema=0.95", num_train_epochs=2, per_device_train_batch_size=2, learning_rate=0.02,
        lr_scheduler_type="constant", optim="sgd",
    )  # fmt: skip


def test_the_saved_model_is_the_average_where_it_is_better(command, noisy, tmp_path):
    record = noisy.account["average"]
    assert record["kept"] and record["figures"]["eval_loss"] < record["step_figures"]["eval_loss"]
    assert "the average is kept" in noisy.shown and "the best checkpoint (" in noisy.shown
    use = {"train_file": None, "max_seq_length": None, "do_eval": True}
    results = main(command(**use, model_name_or_path=noisy.folder))
    assert results["eval_loss"] == pytest.approx(noisy.results["eval_loss"], abs=1e-6)


def test_decisions_are_fitted_on_the_weights_that_are_kept(noisy):
    checkpoint, average, temperature = noisy.account["selections"]
    assert [each["what"] for each in (checkpoint, average, temperature)] == ["checkpoint", "average", "temperature"]
    assert average["score"] == noisy.account["average"]["figures"]["eval_loss"] == average["candidates"]["average"]
    assert temperature["loss"] == pytest.approx(average["score"], abs=1e-6)
    assert checkpoint["score"] == noisy.account["best_metric"] == average["candidates"][checkpoint["value"]]


def test_an_average_that_is_worse_leaves_the_run_as_it_was(finished):
    """The mean with the first epoch is worse than the last one."""
    flags = {"num_train_epochs": 2, "learning_rate": 0.001}
    with_average, plain = finished(average="last=2", **flags), finished(**flags)
    assert with_average.account["average"]["kept"] is False and "is kept" in with_average.shown
    one, other = weights(with_average.folder), weights(plain.folder)
    assert all((one[name] == other[name]).all() for name in one)
    assert with_average.predictions == plain.predictions
    assert plain.account["average"] == {}


def test_a_fold_uses_the_average_without_a_choice_on_its_rows(command, tmp_path, capsys):
    main(command(average="ema", folds=2, validation_file=None, max_train_samples=32))
    assert capsys.readouterr().out.count("used without a comparison (the rows of a fold choose nothing)") == 2
    for fold in (1, 2):
        run = account(tmp_path / "out" / f"fold-{fold}")
        assert run["average"]["kept"] and "average" not in [each["what"] for each in run["selections"]]
