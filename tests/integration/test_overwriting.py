"""`--overwrite_output_dir` moves the run before aside only for a run that gets through its first step."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from helpers import RUN_FILES, TRAINED_FILES, file_times, read_predictions

from classification.errors import RunError, UsageError
from classification.reporting import run_lock
from classification.reporting.run_lock import LOCK_FILE
from classification.training.objective import Objective
from classification.training.trainer import ClassificationTrainer
from run_classification import main


@pytest.fixture
def out(trained, tmp_path):
    """A folder with the run before."""
    shutil.copytree(trained.folder, tmp_path / "out", copy_function=shutil.copyfile)
    return tmp_path / "out"


@pytest.fixture
def unchanged(out):
    """A function: whether the run before is in its place, byte for byte, and nothing is beside it."""
    before, top = file_times(out), out.stat().st_mode
    return lambda: file_times(out) == before and out.stat().st_mode == top and os.listdir(out.parent) == ["out"]


@pytest.fixture
def fail_at(monkeypatch):
    """A function: the n-th micro-batch of training raises `error`."""

    def fail_at(number: int, error: BaseException) -> None:
        count, step = 0, ClassificationTrainer.training_step

        def failing(self, *arguments, **keywords):
            nonlocal count
            count += 1
            if count == number:
                raise error
            return step(self, *arguments, **keywords)

        monkeypatch.setattr(ClassificationTrainer, "training_step", failing)

    return fail_at


@pytest.fixture
def diverge_at(monkeypatch):
    """A function: the n-th loss is no number."""

    def diverge_at(number: int) -> None:
        count, total = 0, Objective.total

        def diverging(self, *arguments, **keywords):
            nonlocal count
            count += 1
            return total(self, *arguments, **keywords) * (torch.nan if count == number else 1)

        monkeypatch.setattr(Objective, "total", diverging)

    return diverge_at


@pytest.mark.parametrize(
    "flags",
    [
        {"optim": "adamw_bnb_8bit"},
        {"optim": "galore_adamw_layerwise", "optim_target_modules": "query"},
        {"lr_scheduler_type": "cosine_with_min_lr"},
        {"text_column_names": "no_such_column"},
        {"loss": "focal", "focal_gamma": -1},
    ],
    ids=lambda flags: " ".join(map(str, flags.values())),
)
@pytest.mark.parametrize("dry", [(), ("--dry_run",)], ids=["run", "dry run"])
def test_a_run_that_is_refused_moves_nothing(command, unchanged, flags, dry):
    with pytest.raises(UsageError):
        main([*command(**flags), "--overwrite_output_dir", *dry])
    assert unchanged()


@pytest.mark.parametrize(
    "error", [ValueError("in the forward"), RuntimeError("CUDA error"), KeyboardInterrupt(), MemoryError()], ids=repr
)
def test_the_run_before_is_back_if_the_first_step_fails(command, unchanged, fail_at, error):
    fail_at(1, error)
    with pytest.raises((type(error), SystemExit, RunError)):
        main(
            [
                *command(save_steps=1, save_strategy="steps", eval_strategy="steps", eval_steps=1),
                "--overwrite_output_dir",
            ]
        )
    assert unchanged()


def test_the_run_before_is_back_if_training_diverges_in_the_first_step(command, unchanged, diverge_at):
    diverge_at(1)
    with pytest.raises(RunError, match="diverged at step 1"):
        main([*command(), "--overwrite_output_dir"])
    assert unchanged()


def test_after_the_first_step_the_backup_stays(command, out, fail_at, trained):
    fail_at(2, ValueError("in the forward"))
    with pytest.raises(ValueError, match="in the forward"):
        main([*command(), "--overwrite_output_dir"])
    assert read_predictions(out.parent / "out.bak-1") == trained.predictions


def test_a_prediction_that_fails_moves_nothing(command, unchanged, trained, tmp_path, monkeypatch):
    def fail(*arguments, **keywords):
        raise ValueError("in the forward")

    shutil.copytree(trained.folder, tmp_path.parent / f"{tmp_path.name}-model")
    flags = {"model_name_or_path": tmp_path.parent / f"{tmp_path.name}-model", "train_file": None}
    monkeypatch.setattr(ClassificationTrainer, "prediction_step", fail)
    with pytest.raises(ValueError, match="in the forward"):
        main([*command(**flags, validation_file=None, max_seq_length=None, do_predict=True), "--overwrite_output_dir"])
    assert unchanged()


def test_a_study_moves_the_run_before_back_too(command, unchanged, fail_at):
    fail_at(1, ValueError("in the forward"))
    with pytest.raises(ValueError, match="in the forward"):
        main([*command(seeds="1,2"), "--overwrite_output_dir"])
    assert unchanged()


def test_a_study_whose_first_run_diverges_at_once_goes_on_in_a_folder_of_its_own(command, out, diverge_at, trained):
    """The run before comes back, and the second run of the study moves it aside once more."""
    diverge_at(1)
    with pytest.raises(RunError, match="ended without seed-1"):
        main([*command(seeds="1,2"), "--overwrite_output_dir"])
    assert read_predictions(out.parent / "out.bak-1") == trained.predictions
    assert sorted(os.listdir(out.parent)) == ["out", "out.bak-1"]
    assert {"all_results.json", "model.safetensors", "seed-2"} <= set(os.listdir(out))
    assert "checkpoint-16" not in os.listdir(out)


# -------------------------------------------------------------------------------------------------------- two at a time


def test_a_second_run_into_a_live_folder_is_refused_before_any_work(command, tmp_path, monkeypatch, nothing_slow):
    run_lock.lock_folder(tmp_path / "out")
    monkeypatch.setattr(run_lock, "LOCKS", {})
    for flags in ([], ["--overwrite_output_dir"], ["--resume=auto"]):
        with pytest.raises(UsageError, match=f"another run is writing to it .process {os.getpid()} on "):
            main([*command(), *flags])
    monkeypatch.undo()
    run_lock.unlock_folder(tmp_path / "out")


def test_two_runs_of_one_process_follow_one_another_in_one_folder(command, tmp_path):
    """And while a run goes on, its folder is locked."""
    seen = []
    predict = ClassificationTrainer.predict

    def look(self, *arguments, **keywords):
        seen.append((tmp_path / "out" / LOCK_FILE).exists())
        return predict(self, *arguments, **keywords)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClassificationTrainer, "predict", look)
        main(command())
    assert seen == [True, True]
    main([*command(), "--overwrite_output_dir"])
    assert set(os.listdir(tmp_path / "out")) == TRAINED_FILES | (RUN_FILES - {"curves.svg"}) | {"checkpoint-8"}
    assert sorted(path for path in os.listdir(tmp_path)) == ["out", "out.bak-1"]


def test_what_a_killed_run_has_left_disturbs_nobody(command, tmp_path):
    out = tmp_path / "out"
    (out / ".model.partial").mkdir(parents=True)
    (out / ".model.partial" / "model.safetensors").write_bytes(b"half")
    (out / ".predictions.csv.ab12cd34.partial").write_text("half")
    (out / LOCK_FILE).write_text('{"process": 1, "host": "gone", "since": "long ago"}')
    main(command())
    assert set(os.listdir(out)) == TRAINED_FILES | (RUN_FILES - {"curves.svg"}) | {"checkpoint-8"}
