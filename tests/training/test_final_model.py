"""The model at the end of training is there whole or not at all, and other files of the folder stay as they are."""

from __future__ import annotations

import errno
import os

import pytest
import torch
from helpers import MODEL_FILES, make_bert
from planned_deaths import Killed
from safetensors import SafetensorError
from safetensors.torch import load_file

from classification.errors import RunError
from classification.models.adapters import add_lora
from classification.training import final_model
from classification.training.final_model import ASIDE, save_final_model


def names(folder) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


@pytest.fixture
def trainer(make_trainer):
    return make_trainer()


@pytest.fixture
def out(trainer, tmp_path):
    return tmp_path / "trainer"


def test_the_files_are_those_of_the_trainer_and_nothing_else(trainer, out):
    save_final_model(trainer)
    assert names(out) == MODEL_FILES
    saved = load_file(out / "model.safetensors")
    assert all(torch.equal(tensor, saved[name]) for name, tensor in trainer.model.state_dict().items())
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o644}


def test_an_adapter_keeps_the_card_that_the_user_has_changed(make_trainer, tmp_path):
    trainer = make_trainer({"model": add_lora(make_bert(), 2)})
    save_final_model(trainer)
    assert {"adapter_model.safetensors", "adapter_config.json", "config.json"} <= names(tmp_path / "trainer")
    (tmp_path / "trainer" / "README.md").write_text("mine")
    save_final_model(trainer)
    assert (tmp_path / "trainer" / "README.md").read_text() == "mine"


@pytest.mark.parametrize("name", ["training_args.bin", "notes.txt", "other.safetensors", "vocab.txt"])
def test_a_file_of_somebody_else_stays(trainer, out, name):
    out.mkdir(exist_ok=True)
    (out / name).write_text("mine")
    (out / name).chmod(0o600)
    save_final_model(trainer)
    assert (out / name).read_text() == "mine" and (out / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("number", range(1, 10))
def test_a_kill_leaves_no_weights_or_the_whole_of_them(trainer, out, monkeypatch, number):
    """At the n-th sync or rename of a file."""
    count = 0

    def counted(function):
        def call(*arguments):
            nonlocal count
            count += 1
            if count == number:
                raise Killed
            return function(*arguments)

        return call

    monkeypatch.setattr(final_model, "sync_file", counted(final_model.sync_file))
    monkeypatch.setattr(final_model.os, "replace", counted(os.replace))
    monkeypatch.setattr(final_model.shutil, "rmtree", lambda *arguments, **flags: None)
    try:
        save_final_model(trainer)
    except Killed:
        pass
    if "model.safetensors" in names(out):
        assert MODEL_FILES <= names(out) and load_file(out / "model.safetensors")
    monkeypatch.undo()
    save_final_model(trainer)
    assert names(out) == MODEL_FILES


def refuse_in_python(error):
    def refuse(*args, **kwargs):
        raise error

    return refuse


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:664] . PytorchStreamWriter failed writing file data/0"),
    ],
    ids=["full", "quota", "safetensors", "torch"],
)
def test_a_disk_that_refuses_the_weights_is_one_line_and_leaves_the_old_model(trainer, out, monkeypatch, error):
    save_final_model(trainer)
    before = (out / "model.safetensors").read_bytes()
    monkeypatch.setattr(type(trainer.model), "save_pretrained", refuse_in_python(error))
    with pytest.raises(RunError, match="--output_dir .*cannot be written") as refused:
        save_final_model(trainer)
    assert "\n" not in str(refused.value) and "--overwrite_output_dir" in str(refused.value)
    assert (out / "model.safetensors").read_bytes() == before and ASIDE not in names(out)


def test_the_last_good_checkpoint_is_named(trainer, out, monkeypatch):
    trainer.args.save_strategy = "epoch"
    trainer.train()
    monkeypatch.setattr(os, "replace", refuse_in_python(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(RunError, match=r"Check the disk.*--resume auto.*checkpoint-16"):
        save_final_model(trainer)


def test_a_missing_permission_is_one_line(trainer, out, monkeypatch):
    def refuse(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(final_model, "sync_file", refuse)
    with pytest.raises(
        RunError, match=r"config.json cannot be written \(Permission denied\). Make the folder writable"
    ):
        save_final_model(trainer)


def test_an_error_of_another_kind_is_not_called_a_full_disk(trainer, monkeypatch):
    monkeypatch.setattr(type(trainer.model), "save_pretrained", refuse_in_python(ValueError("a bug")))
    with pytest.raises(ValueError, match="a bug"):
        save_final_model(trainer)
