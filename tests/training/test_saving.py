"""What is saved, by which process, and what a save that fails leaves."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
from helpers import make_bert
from safetensors import SafetensorError
from transformers import TrainerState, TrainingArguments

from classification.errors import RunError
from classification.training import sealed_checkpoints
from classification.training.checkpoint_seal import problem_of
from classification.training.checkpoints import find_resume
from classification.training.failed_saves import one_error_for_all
from classification.training.faults import SAVE_STAGES

STEPS = {"save_strategy": "steps", "save_steps": 3, "num_train_epochs": 1}
BEST = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2, "num_train_epochs": 1,
        "load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}  # fmt: skip


def checkpoints(folder) -> set[str]:
    return {path.name for path in Path(folder).glob("checkpoint-*")}


def test_only_the_main_process_writes_the_model(make_trainer, monkeypatch, tmp_path):
    """The library calls `_save` in every process. Two that write one config.json leave a broken file."""
    trainer = make_trainer()
    monkeypatch.setattr(TrainingArguments, "should_save", False)
    trainer.save_model(str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
    monkeypatch.setattr(TrainingArguments, "should_save", True)
    trainer.save_model(str(tmp_path / "main"))
    assert (tmp_path / "main" / "config.json").is_file()


def test_a_checkpoint_holds_what_the_library_saves_and_the_seal(make_trainer, tmp_path):
    make_trainer(**STEPS, output_dir=str(tmp_path)).train()
    assert checkpoints(tmp_path) == {"checkpoint-3", "checkpoint-6", "checkpoint-8"}
    assert {path.name for path in (tmp_path / "checkpoint-8").iterdir()} == {
        "config.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json",
        "tokenizer.json", "tokenizer_config.json", "run_state.json", "manifest.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "checkpoint-8" / "trainer_state.json").read_text())["best_model_checkpoint"] is None


def test_weights_alone_are_saved_where_asked(make_trainer, tmp_path):
    make_trainer(**STEPS, save_only_model=True, output_dir=str(tmp_path)).train()
    assert not list(tmp_path.glob("*/*.pt*")) and "--save_only_model" in problem_of(tmp_path / "checkpoint-8")


def test_the_scaler_of_fp16_is_sealed_too(make_trainer, tmp_path):
    trainer = make_trainer(**STEPS, output_dir=str(tmp_path))
    trainer.train()
    trainer.accelerator.scaler = torch.amp.GradScaler("cpu")
    trainer._save_checkpoint(trainer.model, None)
    assert problem_of(tmp_path / "checkpoint-8") is None
    (tmp_path / "checkpoint-8" / "scaler.pt").unlink()
    assert problem_of(tmp_path / "checkpoint-8") == "scaler.pt is missing"


# ------------------------------------------------------------------------------------------------------ failed saves


class Disk:
    """Raises an error at one place of one save."""

    def __init__(self, place: str, save: int, error: Exception):
        self.place, self.save, self.error, self.saves = place, save, error, 0

    def __call__(self, place: str, number=None) -> None:
        self.saves += place == "save:begin"
        if (place, self.saves) == (f"save:{self.place}", self.save):
            raise self.error


def fail_at(monkeypatch, *place) -> None:
    from classification.training import checkpoint_seal

    disk = Disk(*place)
    monkeypatch.setattr(sealed_checkpoints, "fault_at", disk)
    monkeypatch.setattr(checkpoint_seal, "fault_at", disk)


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("stage", [stage for stage in SAVE_STAGES if stage != "rotate"])
def test_a_save_that_fails_anywhere_is_one_line_and_touches_no_other_checkpoint(
    stage, make_trainer, monkeypatch, tmp_path
):
    fail_at(monkeypatch, stage, 2, FULL)
    with pytest.raises(RunError) as caught:
        make_trainer(**STEPS, save_total_limit=1, output_dir=str(tmp_path)).train()
    message = str(caught.value)
    assert "\n" not in message and "No space left on device" in message and "checkpoint-6 cannot be saved" in message
    assert message.endswith(f"it continues from the last good checkpoint, {tmp_path / 'checkpoint-3'}.")
    assert "Free some space, then" in message and "--resume auto" in message
    assert checkpoints(tmp_path) == {"checkpoint-3"} and find_resume("auto", tmp_path)


def test_a_fault_after_the_rename_is_a_warning(make_trainer, monkeypatch, tmp_path, caplog):
    """The checkpoint is saved; older ones are deleted by the next save."""
    fail_at(monkeypatch, "rotate", 2, FULL)
    make_trainer(**STEPS, save_total_limit=1, output_dir=str(tmp_path)).train()
    assert "older checkpoints are not deleted: No space left" in caplog.text
    assert checkpoints(tmp_path) == {"checkpoint-8"}


ERRORS = {
    "quota": (OSError(errno.EDQUOT, "Disk quota exceeded"), ["Disk quota exceeded", "Free some space"]),
    "broken": (OSError(errno.EIO, "Input/output error"), ["Input/output error", "Check the disk"]),
    "not allowed": (PermissionError(errno.EACCES, "Permission denied", "/x/optimizer.pt"),
                    ["optimizer.pt cannot be written (Permission denied)", "Make the folder writable"]),
    "too large": (OSError(errno.EFBIG, "File too large"), ["ulimit -f"]),
    "Rust": (SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
             ["(No space left on device)", "Free some space"]),
    "C++": (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0\nException raised"),
            ["(the disk refuses it)", "Check the disk"]),
    "C++ stream": (RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed"), ["refuses it"]),
}  # fmt: skip


@pytest.mark.parametrize("kind", ERRORS)
def test_the_reason_and_the_remedy_are_those_of_the_disk(kind, tmp_path):
    error, words = ERRORS[kind]
    partial = tmp_path / "checkpoint-8.partial"
    partial.mkdir()
    with pytest.raises(RunError) as caught, one_error_for_all(partial, removes=True):
        raise error
    assert all(word in str(caught.value) for word in [*words, "there is no checkpoint"])
    assert "\n" not in str(caught.value) and not partial.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_the_reason_behind_an_error_of_pytorch_is_found_by_writing_more(tmp_path, monkeypatch, number):
    partial = tmp_path / "checkpoint-8.partial"
    partial.mkdir()

    def full(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunError, match=rf"optimizer.pt cannot be written \({os.strerror(number)}\). Free some space"):
        with one_error_for_all(partial, removes=True):
            (partial / "optimizer.pt").write_bytes(b"half")
            raise RuntimeError("PytorchStreamWriter failed writing file data/3: file write failed")


@pytest.mark.parametrize("error", [RuntimeError("shape mismatch"), torch.OutOfMemoryError("CUDA out of memory"),
                                   ValueError("no"), KeyboardInterrupt()])  # fmt: skip
def test_an_error_that_is_not_of_the_disk_is_left_alone(error, tmp_path):
    with pytest.raises(type(error)) as caught, one_error_for_all(tmp_path / "checkpoint-8.partial", removes=True):
        raise error
    assert not isinstance(caught.value, RunError)


LARGE = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2}  # more than a short new file


@pytest.mark.parametrize(
    ("limit", "name", "sizes"),
    [(50_000, "the file of the weights", {}), (90_000, "optimizer.pt", {}), (2_500_000, "optimizer.pt", LARGE)],
)
def test_a_file_that_the_system_refuses_is_named(limit, name, sizes, make_trainer, tmp_path):
    """For real: the limit of file sizes stops the writers in Rust and in C++."""
    resource = pytest.importorskip("resource")
    trainer = make_trainer({"model": make_bert(**sizes)}, **STEPS, output_dir=str(tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        with pytest.raises(RunError) as caught:
            trainer.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert f"{name} cannot be written (File too large). Allow larger files (ulimit -f)" in str(caught.value)
    assert not checkpoints(tmp_path)


def test_a_folder_that_becomes_unwritable_is_named(make_trainer, monkeypatch, tmp_path):
    def refuse(path, *args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    trainer = make_trainer(**STEPS, output_dir=str(tmp_path))
    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match="Make the folder writable"):
        trainer.train()


def test_leftovers_and_a_damaged_checkpoint_of_the_same_step_are_replaced(make_trainer, tmp_path):
    (tmp_path / "checkpoint-3.partial").mkdir()
    (tmp_path / "checkpoint-3.partial" / "optimizer.pt").write_text("half", encoding="utf-8")
    (tmp_path / "checkpoint-6").mkdir()
    (tmp_path / "checkpoint-6" / "strange.txt").write_text("damaged", encoding="utf-8")
    (tmp_path / "checkpoint-8").write_text("a file", encoding="utf-8")
    (tmp_path / "checkpoint-2.deleted").mkdir()
    make_trainer(**STEPS, output_dir=str(tmp_path)).train()
    assert checkpoints(tmp_path) == {"checkpoint-3", "checkpoint-6", "checkpoint-8"}
    assert all(problem_of(tmp_path / name) is None for name in checkpoints(tmp_path))


def test_a_save_that_fails_leaves_the_checkpoint_of_the_same_step_as_it_was(make_trainer, tmp_path, monkeypatch):
    make_trainer(**STEPS, output_dir=str(tmp_path)).train()
    old = tmp_path / "checkpoint-3"
    content = {path: path.read_bytes() for path in sorted(old.rglob("*"))}
    fail_at(monkeypatch, "rename", 1, FULL)
    with pytest.raises(RunError):
        make_trainer(**STEPS, output_dir=str(tmp_path)).train()
    assert {path: path.read_bytes() for path in sorted(old.rglob("*"))} == content


# ----------------------------------------------------------------------------------------------- the best checkpoint


@pytest.fixture
def best_at_four(make_trainer, tmp_path, monkeypatch):
    """A function that builds a Trainer whose best evaluation is that of step 4, in `out`."""

    def make(folder="out", **changes):
        trainer = make_trainer(**BEST | changes, output_dir=str(tmp_path / folder))
        score = trainer._determine_best_metric

        def determine(metrics, trial):
            return score(metrics | {"eval_loss": abs(trainer.state.global_step - 4) + 1.0}, trial)

        monkeypatch.setattr(trainer, "_determine_best_metric", determine)
        return trainer

    return make


def same_weights(model, checkpoint: Path) -> bool:
    from safetensors.torch import load_file

    saved = load_file(checkpoint / "model.safetensors")
    return all(torch.equal(value, saved[name]) for name, value in model.state_dict().items() if name in saved)


def test_the_best_and_the_last_checkpoint_stay_to_the_end(best_at_four, tmp_path):
    """The library deletes the last one at the end, with `--save_total_limit 1`."""
    trainer = best_at_four(save_total_limit=1)
    trainer.train()
    assert checkpoints(tmp_path / "out") == {"checkpoint-4", "checkpoint-8"}
    assert same_weights(trainer.model, tmp_path / "out" / "checkpoint-4") and not trainer.lost


def test_a_folder_that_was_moved_keeps_its_best_checkpoint(best_at_four, tmp_path, caplog):
    best_at_four().train()
    shutil.rmtree(tmp_path / "out" / "checkpoint-8")
    (tmp_path / "out").rename(tmp_path / "moved")
    trainer = best_at_four("moved")
    trainer.train(resume_from_checkpoint=str(tmp_path / "moved" / "checkpoint-6"))
    assert trainer.state.best_model_checkpoint == str(tmp_path / "moved" / "checkpoint-4")
    assert same_weights(trainer.model, tmp_path / "moved" / "checkpoint-4")
    assert not trainer.lost and "does not exist" not in caplog.text


def test_a_moved_folder_of_the_first_version_keeps_its_best_checkpoint_too(best_at_four, tmp_path, caplog):
    """It has a path in its trainer_state.json, which is wrong now."""
    best_at_four().train()
    (tmp_path / "out").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "moved" / "checkpoint-8")
    for checkpoint in (tmp_path / "moved").iterdir():
        for name in ("manifest.json", "run_state.json"):
            (checkpoint / name).unlink()
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        state.best_model_checkpoint = str(tmp_path / "out" / "checkpoint-4")
        state.save_to_json(str(checkpoint / "trainer_state.json"))
    trainer = best_at_four("moved")
    trainer.train(resume_from_checkpoint=str(tmp_path / "moved" / "checkpoint-6"))
    assert same_weights(trainer.model, tmp_path / "moved" / "checkpoint-4") and "does not exist" not in caplog.text


def test_a_run_continued_in_another_folder_has_the_best_checkpoint_there(best_at_four, tmp_path):
    best_at_four().train()
    trainer = best_at_four("new", save_total_limit=1)
    trainer.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-6") + "/")
    assert checkpoints(tmp_path / "new") == {"checkpoint-4", "checkpoint-8"}
    assert problem_of(tmp_path / "new" / "checkpoint-4") is None
    assert same_weights(trainer.model, tmp_path / "out" / "checkpoint-4")
    assert checkpoints(tmp_path / "out") == {f"checkpoint-{step}" for step in (2, 4, 6, 8)}


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_best_checkpoint_that_is_damaged_or_gone_costs_it_alone(harm, best_at_four, tmp_path, caplog):
    best_at_four().train()
    shutil.rmtree(tmp_path / "out" / "checkpoint-8")
    best = tmp_path / "out" / "checkpoint-4"
    if harm == "gone":
        shutil.rmtree(best)
    else:
        content = bytearray((best / "model.safetensors").read_bytes())
        content[-5] ^= 64
        (best / "model.safetensors").write_bytes(content)
    trainer = best_at_four()
    trainer.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-6"))
    assert same_weights(trainer.model, tmp_path / "out" / "checkpoint-8")
    assert len(trainer.lost) == 1 and "checkpoint-4" in trainer.lost[0] and trainer.state.best_model_checkpoint is None
    assert "the weights of the last step are kept" in caplog.text


def test_a_best_checkpoint_without_its_optimizer_still_gives_its_weights(best_at_four, tmp_path):
    best_at_four().train()
    shutil.rmtree(tmp_path / "out" / "checkpoint-8")
    (tmp_path / "out" / "checkpoint-4" / "optimizer.pt").unlink()
    trainer = best_at_four()
    trainer.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-6"))
    assert same_weights(trainer.model, tmp_path / "out" / "checkpoint-4") and not trainer.lost


def test_a_step_that_is_the_best_so_far_is_saved_between_two_saves(best_at_four, tmp_path):
    """Evaluations every 2 steps, saves every 6, and the best evaluation is at step 4."""
    whole = best_at_four(save_steps=6, num_train_epochs=2)
    whole.train()
    best = tmp_path / "out" / "checkpoint-4"
    assert whole.state.best_model_checkpoint == str(best) and same_weights(whole.model, best)
    assert checkpoints(tmp_path / "out") == {f"checkpoint-{step}" for step in (2, 4, 6, 12, 16)}
    resumed = best_at_four("out", save_steps=6, num_train_epochs=2)
    resumed.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-12"))
    assert resumed.state.best_model_checkpoint == whole.state.best_model_checkpoint
    assert resumed.lost == whole.lost
