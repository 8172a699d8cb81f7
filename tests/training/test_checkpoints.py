"""A run continues from the last good checkpoint; a saved model holds what is read and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers import assert_refused, make_bert

from classification.models.adapters import add_lora
from classification.training.checkpoint_seal import seal
from classification.training.checkpoints import find_resume, last_good, tidy_saved_model, unusable_checkpoints

FILES = ("config.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def make_checkpoint(folder: Path, step: int) -> Path:
    partial = folder / f"checkpoint-{step}.partial"
    partial.mkdir(parents=True)
    for name in FILES:
        (partial / name).write_text(json.dumps({"global_step": step}), encoding="utf-8")
    seal(partial, folder / f"checkpoint-{step}")
    return folder / f"checkpoint-{step}"


@pytest.fixture
def three(tmp_path) -> list[Path]:
    return [make_checkpoint(tmp_path, step) for step in (8, 16, 120)]


def test_damaged_and_half_written_ones_are_skipped_with_a_line_each(three, tmp_path, caplog):
    assert last_good(tmp_path) == three[2]
    (three[2] / "optimizer.pt").unlink()
    (three[1] / "rng_state.pth").write_bytes(b"")
    (tmp_path / "checkpoint-500.partial").mkdir()
    make_checkpoint(tmp_path / "other", 900)
    assert find_resume("auto", tmp_path) == str(three[0])
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "checkpoint-120 is skipped: optimizer.pt is missing" in lines[0]
    assert "checkpoint-16 is skipped: rng_state.pth has 0 bytes where" in lines[1]
    assert list(unusable_checkpoints(tmp_path)) == ["checkpoint-120", "checkpoint-16"]


def test_without_a_checkpoint_training_starts(tmp_path, caplog):
    caplog.set_level("INFO")
    assert find_resume(None, tmp_path) is None and last_good(tmp_path / "no folder") is None
    assert find_resume("auto", tmp_path) is None and unusable_checkpoints(tmp_path) == {}
    assert "no checkpoint to continue from: training starts" in caplog.text


def test_a_path_may_be_written_in_any_way(three, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    link = tmp_path / "newest"
    link.symlink_to("checkpoint-120")
    written = (
        f"{three[2]}/",
        "checkpoint-120",
        "./checkpoint-120/",
        "newest",
        str(link),
        "../" + tmp_path.name + "/newest",
    )
    for path in written:
        assert Path(find_resume(path, tmp_path / "elsewhere")).resolve() == three[2]
        assert not find_resume(path, tmp_path).endswith("/")


def test_a_path_that_cannot_be_continued_gives_the_reason_and_a_remedy_that_works(three, tmp_path):
    (three[2] / "scheduler.pt").unlink()
    reason = [f"--resume {three[2]}:", "scheduler.pt is missing"]
    assert_refused([*reason, "Use --resume auto"], find_resume, str(three[2]), tmp_path)
    assert find_resume("auto", tmp_path) == str(three[1])
    assert_refused([*reason, f"Use --resume {three[1]}"], find_resume, str(three[2]), tmp_path / "new")
    assert find_resume(str(three[1]), tmp_path / "new") == str(three[1])
    for path in three[:2]:
        (path / "scheduler.pt").unlink()
    assert_refused([*reason, "Pass --overwrite_output_dir"], find_resume, str(three[2]), tmp_path)
    assert_refused(["no such folder", "--resume auto"], find_resume, "nowhere/checkpoint-8", tmp_path / "new")
    assert find_resume("auto", tmp_path / "new") is None
    (tmp_path / "a file").write_text("", encoding="utf-8")
    assert_refused(["not a folder"], find_resume, str(tmp_path / "a file"), tmp_path)


def test_an_output_folder_is_no_checkpoint_but_its_last_one_is_named(three, tmp_path):
    """`--resume OUT` in place of `--resume OUT/checkpoint-120`."""
    assert_refused([f"Use --resume {three[2]}"], find_resume, str(tmp_path), tmp_path / "new")


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
