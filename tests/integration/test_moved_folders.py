"""The output folder is moved, removed or replaced in mid-run, between two saves."""

from __future__ import annotations

import shutil

import pytest
from helpers import account, file_times, largest_difference

import run_classification
from classification.errors import RunError
from classification.training.sealed_checkpoints import SealedCheckpoints
from run_classification import main

EVERY_4 = {"save_strategy": "steps", "save_steps": 4, "num_train_epochs": 2, "load_best_model_at_end": False}


@pytest.fixture
def before_save(monkeypatch):
    """A function that has something happen before the save of a number."""

    def plan(number: int, happens) -> None:
        real, saves = SealedCheckpoints._save_checkpoint, []

        def save(self, *args) -> None:
            saves.append(self.state.global_step)
            if len(saves) == number:
                happens()
            real(self, *args)

        monkeypatch.setattr(SealedCheckpoints, "_save_checkpoint", save)

    return plan


@pytest.mark.slow
@pytest.mark.parametrize("moves", [True, False])
def test_a_run_whose_folder_is_gone_makes_it_again_and_ends_as_it_would(moves, command, tmp_path, before_save, capsys):
    main(command(**EVERY_4, output_dir=tmp_path / "whole"))
    out = tmp_path / "out"
    before_save(2, lambda: out.rename(tmp_path / "moved") if moves else shutil.rmtree(out))
    main(command(**EVERY_4))
    assert f"{out}: was moved, removed or replaced" in "".join(capsys.readouterr())
    assert largest_difference(tmp_path / "whole", out) == 0 and not (out / "checkpoint-4").exists()
    assert (tmp_path / "moved" / "checkpoint-4").exists() == moves


def test_a_run_never_writes_into_the_folder_of_another_and_continues_where_its_own_is(
    command, tmp_path, before_save, monkeypatch
):
    out, times = tmp_path / "out", {}
    main(command(**EVERY_4, output_dir=tmp_path / "whole"))

    def replace() -> None:
        out.rename(tmp_path / "moved")
        shutil.copytree(tmp_path / "whole", out)
        times.update(file_times(out))

    before_save(2, replace)
    with pytest.raises(RunError, match="other files are in its place. If it was moved, run the same command"):
        main(command(**EVERY_4))
    assert file_times(out) == times
    monkeypatch.undo()
    main(command(**EVERY_4, output_dir=tmp_path / "moved", resume="auto"))
    assert largest_difference(tmp_path / "whole", tmp_path / "moved") == 0


@pytest.mark.slow
@pytest.mark.parametrize(("save", "seed"), [(2, 1), (6, 2)], ids=["in the first run", "in the second"])
def test_a_study_whose_folder_was_moved_says_so_and_continues_there(
    save, seed, command, tmp_path, before_save, monkeypatch
):
    """It neither ends as if it were whole nor deletes what it has."""
    out = tmp_path / "out"
    before_save(save, lambda: out.rename(tmp_path / "moved"))
    with pytest.raises(
        RunError, match=f"{out}: was moved, removed .*, and lacks .* If it was moved, run the same"
    ) as lost:
        main(command(**EVERY_4, seeds="1,2"))
    assert not lost.value.is_shared  # the main process alone finds it, and the others have to be told
    assert (out / f"seed-{seed}" / "model.safetensors").exists()
    monkeypatch.undo()
    main(command(**EVERY_4, seeds="1,2", output_dir=tmp_path / "moved", resume="auto"))
    assert (tmp_path / "moved" / "model.safetensors").exists()


@pytest.mark.slow
@pytest.mark.parametrize("is_replaced", [True, False])
def test_a_run_whose_model_is_not_there_at_its_end_is_not_finished(is_replaced, command, tmp_path, monkeypatch):
    out, times, predict = tmp_path / "out", {}, run_classification.predict
    main(command(output_dir=tmp_path / "whole"))

    def move(options, prepared) -> None:
        out.rename(tmp_path / "moved")
        if is_replaced:
            shutil.copytree(tmp_path / "whole", out)
            times.update(file_times(out))
        predict(options, prepared)

    monkeypatch.setattr(run_classification, "predict", move)
    monkeypatch.setattr("classification.errors.FORGIVING", True)
    words = "other files are in its place" if is_replaced else "without the model, whose folder was moved or removed"
    with pytest.raises(RunError, match=words):
        main(command())
    if is_replaced:
        assert file_times(out) == times
    else:
        assert not account(out).get("finished")
