"""A checkpoint is complete or does not count: any damage to any of its files is found and named."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import torch

from classification.training.checkpoint_seal import damage_of, is_sealed, problem_of, seal, take_name
from classification.training.checkpoints import find_resume

NAMES = (
    "config.json", "model.safetensors", "optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state_0.pth",
    "rng_state_1.pth", "tokenizer.json", "trainer_state.json", "run_state.json", "folder/part.bin",
)  # fmt: skip


@pytest.fixture
def sealed(tmp_path) -> Path:
    """A sealed checkpoint with every kind of file, those of an fp16 run of two processes included."""
    partial = tmp_path / "checkpoint-8.partial"
    for name in NAMES:
        (partial / name).parent.mkdir(parents=True, exist_ok=True)
        (partial / name).write_text(json.dumps({"global_step": 8, "name": name}), encoding="utf-8")
    seal(partial, tmp_path / "checkpoint-8")
    return tmp_path / "checkpoint-8"


def make_empty(path: Path) -> None:
    path.write_bytes(b"")


def cut_last_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def add_a_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\n")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGE = {Path.unlink: "is missing", make_empty: "bytes where", cut_last_byte: "bytes where", add_a_byte: "bytes where",
          flip_a_bit: "sha256 differs", make_a_folder: "is not a file", link_to_nothing: "is not a file"}  # fmt: skip


def test_a_sealed_checkpoint_can_be_resumed_and_lists_every_file(sealed):
    assert problem_of(sealed) is None is damage_of(sealed) and is_sealed(sealed)
    manifest = json.loads((sealed / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["version"], manifest["step"], set(manifest["files"])) == (1, 8, set(NAMES))
    assert not sealed.with_name("checkpoint-8.partial").exists()


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_damage_to_any_file_is_found_and_named(name, damage, sealed):
    damage(sealed / name)
    assert Path(name).name in problem_of(sealed) and DAMAGE[damage] in problem_of(sealed)
    assert damage_of(sealed) == problem_of(sealed)


@pytest.mark.parametrize("damage", [each for each in DAMAGE if each is not add_a_byte], ids=lambda each: each.__name__)
def test_damage_to_the_manifest_is_found(damage, sealed):
    damage(sealed / "manifest.json")
    assert problem_of(sealed) is not None


def test_no_flipped_bit_of_the_manifest_is_accepted(sealed):
    content = (sealed / "manifest.json").read_bytes()
    accepted = []
    for place in range(0, len(content), 3):
        for bit in range(8):
            changed = bytearray(content)
            changed[place] ^= 1 << bit
            (sealed / "manifest.json").write_bytes(changed)
            if problem_of(sealed) is None:
                accepted.append((place, bit, bytes(changed[place - 9 : place + 9])))
    assert not accepted


def test_a_manifest_of_a_later_version_is_not_believed(sealed):
    path = sealed / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"version": 1', '"version": 2'), encoding="utf-8")
    assert "has version 2" in problem_of(sealed)


def test_files_of_another_step_are_found(sealed):
    """Two checkpoints that were mixed by a copy."""
    path = sealed / "manifest.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"step": 8', '"step": 9'), encoding="utf-8")
    assert "different steps" in problem_of(sealed)


@pytest.mark.parametrize(
    "content",
    ["[]", "null", "{}", '{"version": 1, "step": 8, "files": []}', "\ufeff{}", "{" * 99, "[" * 100_000],
    ids=lambda content: content[:9],
)
def test_a_manifest_of_another_shape_is_unreadable(content, sealed):
    (sealed / "manifest.json").write_text(content, encoding="utf-8")
    assert "manifest.json" in problem_of(sealed)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_instead_of_the_manifest_is_not_read(sealed):
    (sealed / "manifest.json").unlink()
    os.mkfifo(sealed / "manifest.json")
    assert problem_of(sealed) == "manifest.json is not a file"


def test_a_copied_or_renamed_checkpoint_is_still_sealed(sealed, tmp_path):
    copy = shutil.copytree(sealed, tmp_path / "elsewhere" / "best of all")
    assert problem_of(copy) is None
    (copy / "notes.txt").write_text("a file of the user", encoding="utf-8")
    assert problem_of(copy) is None


def test_what_is_no_folder_is_no_checkpoint(tmp_path):
    assert "no such folder" in problem_of(tmp_path / "checkpoint-1")
    (tmp_path / "checkpoint-2").write_text("", encoding="utf-8")
    assert "not a folder" in problem_of(tmp_path / "checkpoint-2")
    (tmp_path / "checkpoint-3").mkdir()
    assert "model.safetensors is missing" in problem_of(tmp_path / "checkpoint-3")


def test_weights_alone_cannot_be_resumed_but_are_not_damaged(tmp_path):
    partial = tmp_path / "checkpoint-8.partial"
    partial.mkdir()
    for name in ("model.safetensors", "trainer_state.json"):
        (partial / name).write_text('{"global_step": 8}', encoding="utf-8")
    seal(partial, tmp_path / "checkpoint-8")
    assert "--save_only_model" in problem_of(tmp_path / "checkpoint-8") and damage_of(tmp_path / "checkpoint-8") is None


def test_every_file_and_folder_reaches_the_disk_before_the_rename(tmp_path, monkeypatch):
    events = []
    fsync, rename = os.fsync, Path.rename
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    monkeypatch.setattr(Path, "rename", lambda path, to: (events.append("renamed"), rename(path, to)))
    partial = tmp_path / "checkpoint-8.partial"
    (partial / "folder").mkdir(parents=True)
    for name in ("trainer_state.json", "folder/part.bin"):
        (partial / name).write_text('{"global_step": 8}', encoding="utf-8")
    seal(partial, tmp_path / "checkpoint-8")
    before, after = events[: events.index("renamed")], events[events.index("renamed") + 1 :]
    written = {str(partial / name) for name in ("", "folder", "trainer_state.json", "folder/part.bin", "manifest.json")}
    assert {path.rstrip("/") for path in before} == {path.rstrip("/") for path in written} and after == [str(tmp_path)]


def test_a_system_that_opens_no_folders_seals_too(sealed, tmp_path, monkeypatch):
    monkeypatch.delattr(os, "O_DIRECTORY")
    os.rename(sealed, tmp_path / "checkpoint-8.partial")
    seal(tmp_path / "checkpoint-8.partial", sealed)
    assert problem_of(sealed) is None


def test_a_failed_rename_leaves_the_older_checkpoint_of_that_step(sealed, tmp_path, monkeypatch):
    newer = shutil.copytree(sealed, tmp_path / "checkpoint-8.partial")
    rename = Path.rename

    def fail(path, target):
        if path == newer:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="Input/output"):
        take_name(newer, sealed)
    assert problem_of(sealed) is None


def test_a_kill_between_two_renames_loses_no_checkpoint(sealed, tmp_path, caplog):
    """The older checkpoint of the step has lost its name, and the newer one has not got it yet."""
    caplog.set_level("INFO")
    sealed.rename(tmp_path / "checkpoint-8.replaced")
    assert find_resume("auto", tmp_path) == str(sealed)


# ------------------------------------------------------------------------------------------------- without a manifest


@pytest.fixture
def unsealed(tmp_path) -> Path:
    """A checkpoint as the first version wrote it."""
    from safetensors.torch import save_file

    checkpoint = tmp_path / "checkpoint-8"
    checkpoint.mkdir()
    save_file({"weight": torch.ones(4)}, checkpoint / "model.safetensors")
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        torch.save({"numbers": torch.arange(9)}, checkpoint / name)
    for name in ("config.json", "trainer_state.json", "tokenizer.json"):
        (checkpoint / name).write_text(json.dumps({"global_step": 8}), encoding="utf-8")
    return checkpoint


def test_an_unsealed_checkpoint_is_resumed_with_a_warning(unsealed, tmp_path, caplog):
    assert problem_of(unsealed) is None and not is_sealed(unsealed)
    assert find_resume("auto", tmp_path) == str(unsealed)
    assert "is unsealed" in caplog.text and "manifest.json" in caplog.text


def flip_in_a_tensor(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(bytes([5, 0, 0, 0, 0, 0, 0, 0]))] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [*(each for each in DAMAGE if each not in (add_a_byte, flip_a_bit))],
                         ids=lambda each: each.__name__)  # fmt: skip
@pytest.mark.parametrize(
    "name", ["model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "config.json", "trainer_state.json"]
)
def test_damage_that_needs_no_manifest_is_found(name, damage, unsealed):
    damage(unsealed / name)
    assert name in problem_of(unsealed)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_flipped_bit_in_a_pickle_is_found_by_its_checksum(name, unsealed):
    flip_in_a_tensor(unsealed / name)
    assert name in problem_of(unsealed)


def test_weights_that_are_too_long_are_found(unsealed):
    add_a_byte(unsealed / "model.safetensors")
    assert "model.safetensors is unreadable" in problem_of(unsealed)


@pytest.mark.parametrize("ranks", [(0,), (0, 2), (1,)])
def test_the_random_state_of_every_process_is_needed(ranks, unsealed):
    (unsealed / "rng_state.pth").unlink()
    for rank in ranks:
        torch.save({}, unsealed / f"rng_state_{rank}.pth")
    assert "rng_state_" in problem_of(unsealed) and "is missing" in problem_of(unsealed)


def test_an_adapter_needs_its_config(unsealed):
    (unsealed / "model.safetensors").rename(unsealed / "adapter_model.safetensors")
    assert "adapter_config.json is missing" in problem_of(unsealed)
    (unsealed / "adapter_config.json").write_text("{}", encoding="utf-8")
    assert problem_of(unsealed) is None
    (unsealed / "adapter_config.json").write_text("{", encoding="utf-8")
    assert "adapter_config.json is unreadable" in problem_of(unsealed)


def test_unsealed_weights_alone_name_the_flag(unsealed):
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        (unsealed / name).unlink()
    assert "--save_only_model" in problem_of(unsealed)
