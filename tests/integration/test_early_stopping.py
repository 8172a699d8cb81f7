"""Early stopping in whole runs, also in one that is resumed."""

from __future__ import annotations

import shutil

import pytest
from corpus import make_rows, write_csv
from helpers import account

from run_classification import main


@pytest.fixture(scope="module")
def swapped(data):
    """Validation labels are swapped: the first epochs are the best."""
    return {
        "validation_file": write_csv(data / "swapped.csv", make_rows(24, seed=2, labels=("positive", "negative"))),
        "num_train_epochs": 12,
        "save_total_limit": 20,
    }


@pytest.fixture(scope="module")
def stopped(finished, swapped):
    return finished(**swapped, early_stopping_patience=2)


def test_training_stops_when_validation_no_longer_improves(stopped):
    epochs = stopped.account["epochs"]
    losses = [epoch["eval_loss"] for epoch in epochs]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 < 12 and stopped.account["best_step"] == epochs[best]["step"]


@pytest.mark.parametrize(("patience", "more_epochs"), [(2, 0), (4, 2)])
def test_a_resumed_run_remembers_how_long_it_has_waited(command, stopped, swapped, tmp_path, patience, more_epochs):
    """From the checkpoint before the last; the patience of the new command counts."""
    steps = [epoch["step"] for epoch in stopped.account["epochs"]]
    for step in steps[:-1]:  # with the best one
        name = f"checkpoint-{step}"
        shutil.copytree(stopped.folder / name, tmp_path / "out" / name, copy_function=shutil.copyfile)
        (tmp_path / "out" / name).chmod(0o755)
    main(command(**swapped, early_stopping_patience=patience, resume="auto", resume_anyway=True))
    resumed = [epoch["step"] for epoch in account(tmp_path / "out")["epochs"]]
    assert resumed == [*steps, *(steps[-1] + 8 * (more + 1) for more in range(more_epochs))]
