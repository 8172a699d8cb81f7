"""A run continues from the last complete checkpoint; a saved model holds what is read and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import assert_refused, make_bert

from classification.models.adapters import add_lora
from classification.training.checkpoints import find_resume, is_complete, last_complete, tidy_saved_model

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def make_checkpoint(folder: Path, step: int) -> Path:
    checkpoint = folder / f"checkpoint-{step}"
    checkpoint.mkdir(parents=True)
    for name in FILES:
        (checkpoint / name).write_text(json.dumps({"global_step": step}), encoding="utf-8")
    return checkpoint


@pytest.mark.parametrize("missing", FILES)
def test_a_checkpoint_without_one_of_its_files_is_incomplete(missing, tmp_path):
    checkpoint = make_checkpoint(tmp_path, 8)
    assert is_complete(checkpoint)
    (checkpoint / missing).unlink()
    assert not is_complete(checkpoint)


def test_a_state_that_was_half_written_is_incomplete(tmp_path):
    checkpoint = make_checkpoint(tmp_path, 8)
    (checkpoint / "trainer_state.json").write_text('{"global_step": 8, "log_hist', encoding="utf-8")
    assert not is_complete(checkpoint)


@pytest.mark.parametrize(("old", "new"), [("model.safetensors", "adapter_model.safetensors"),
                                          ("rng_state.pth", "rng_state_1.pth")])  # fmt: skip
def test_adapters_and_several_processes_have_other_names(old, new, tmp_path):
    checkpoint = make_checkpoint(tmp_path, 8)
    (checkpoint / old).rename(checkpoint / new)
    assert is_complete(checkpoint)


def test_the_last_complete_checkpoint_is_found(tmp_path):
    assert last_complete(tmp_path / "no folder") is None and last_complete(tmp_path) is None
    for step in (8, 16, 120):
        make_checkpoint(tmp_path, step)
    make_checkpoint(tmp_path / "other", 500)
    (tmp_path / "checkpoint-120" / "optimizer.pt").unlink()
    assert last_complete(tmp_path) == tmp_path / "checkpoint-16"


def test_a_run_continues_where_it_can(tmp_path, caplog):
    caplog.set_level("INFO")
    assert find_resume(None, tmp_path) is None and find_resume("auto", tmp_path) is None
    assert "no checkpoint to continue from: training starts" in caplog.text
    checkpoint = make_checkpoint(tmp_path, 8)
    assert find_resume("auto", tmp_path) == find_resume(str(checkpoint), tmp_path) == str(checkpoint)
    (checkpoint / "scheduler.pt").unlink()
    assert_refused([f"--resume {checkpoint}", "--resume auto"], find_resume, str(checkpoint), tmp_path)


def test_a_saved_model_is_readable_and_has_no_pickle(tmp_path):
    model = make_bert()
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").chmod(0o600)
    for name in ("training_args.bin", "README.md"):
        (tmp_path / name).touch()
    tidy_saved_model(model, str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "README.md"}
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "config.json").stat().st_mode


def test_a_saved_adapter_has_the_config_and_no_empty_model_card(tmp_path):
    model = add_lora(make_bert(), 2)
    model.save_pretrained(tmp_path)
    tidy_saved_model(model, str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "config.json",
    }  # fmt: skip
