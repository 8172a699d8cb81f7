"""A command that has lost a result trains none of its parts again: points of a curve, and the LSTM of the baselines."""

from __future__ import annotations

import json

import pytest
from helpers import account, file_times

import classification.errors
from classification.errors import RunError
from classification.experiments import run_pages, run_parts
from classification.experiments.saved_predictions import FILE as PREDICTIONS
from classification.reporting import scores
from run_classification import main

pytestmark = pytest.mark.slow

FLAGS = {"num_train_epochs": 1, "per_device_train_batch_size": 4, "neighbours": False}
PARTS = {
    "point": ({"learning_curve": "50"}, "learning_curve/50-percent"),
    "LSTM": ({"baselines": "bilstm"}, "baselines/bilstm"),
}


@pytest.fixture(autouse=True)
def forgiving(monkeypatch):
    """As in a user's run."""
    monkeypatch.setattr(classification.errors, "FORGIVING", True)


def full_disk(*arguments, **keywords):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize(("flags", "part"), PARTS.values(), ids=PARTS)
def test_what_the_command_has_lost_is_added_without_training_a_part_again(command, monkeypatch, tmp_path, flags, part):
    folder = tmp_path / "out" / part
    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"without README\.md;.*--resume auto"):
        patch.setattr(run_pages, "write_card", full_disk)
        main(command(**FLAGS, **flags))
    before = file_times(folder)
    main(command(**FLAGS, **flags, resume="auto"))
    assert (tmp_path / "out" / "README.md").exists() and account(tmp_path / "out")["finished"]
    after = file_times(folder)
    assert before.keys() - after.keys() == {next(path for path in before if path.name == PREDICTIONS)}
    assert after.items() <= before.items()


@pytest.mark.parametrize(("flags", "part"), PARTS.values(), ids=PARTS)
def test_what_a_part_has_lost_is_named_and_added_from_its_checkpoint(command, monkeypatch, tmp_path, flags, part):
    folder, score = tmp_path / "out" / part, scores.spread_and_slices

    def no_memory_in_the_part(predictions, metrics, task):
        if (folder / "model.safetensors").exists():
            raise MemoryError
        return score(predictions, metrics, task)

    lost = rf"intervals and slices of validation of {folder.name.replace('-', '.')}"
    with monkeypatch.context() as patch, pytest.raises(RunError, match=rf"without {lost}.*--resume auto"):
        patch.setattr(scores, "spread_and_slices", no_memory_in_the_part)
        main(command(**FLAGS, **flags))
    assert list(folder.glob("checkpoint-*")) and "finished" not in account(folder)
    restarted: list[object] = []
    monkeypatch.setattr(run_parts, "start_again", restarted.append)
    main(command(**FLAGS, **flags, resume="auto"))
    assert not restarted and not list(folder.glob("checkpoint-*")) and account(folder)["finished"]
    assert "eval_accuracy_low" in json.loads((folder / "all_results.json").read_text())


def test_a_plot_of_the_curve_that_is_lost_is_drawn_by_resuming(command, monkeypatch, tmp_path):
    figure = tmp_path / "out" / "learning_curve.svg"
    with monkeypatch.context() as patch, pytest.raises(RunError, match=r"without learning_curve\.svg;.*--resume auto"):
        patch.setattr("classification.report.page.figures.write_figure", full_disk)
        main(command(**FLAGS, learning_curve="50"))
    assert not figure.exists() and (tmp_path / "out" / "learning_curve.json").exists()
    main(command(**FLAGS, learning_curve="50", resume="auto"))
    assert figure.exists() and account(tmp_path / "out")["finished"]
