"""A checkpoint that cannot be loaded is one line before training, and runs no code."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from helpers import make_bert

from classification.errors import RunError, UsageError
from classification.models.adapters import add_lora
from classification.training.checkpoint_pickles import refuse_code_in

STEPS = {"save_strategy": "steps", "save_steps": 3, "num_train_epochs": 1, "eval_strategy": "no"}


@pytest.fixture
def first_version(make_trainer, tmp_path) -> Path:
    """A checkpoint without a manifest, of step 3 of 8."""
    make_trainer(**STEPS, output_dir=str(tmp_path / "out")).train()
    for name in ("manifest.json", "run_state.json"):
        (tmp_path / "out" / "checkpoint-3" / name).unlink()
    return Path(shutil.move(tmp_path / "out" / "checkpoint-3", tmp_path / "checkpoint-3"))


def later_library(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"new_field": 1}), encoding="utf-8")


STRANGE = {
    "no groups": ("optimizer.pt", lambda path: torch.save({}, path)),
    "a list": ("rng_state.pth", lambda path: torch.save([1], path)),
    "no schedule": ("scheduler.pt", lambda path: torch.save({"a": 1}, path)),
    "a later library": ("trainer_state.json", later_library),
    "a short state": ("trainer_state.json", lambda path: path.write_text('{"global_step": 3}', encoding="utf-8")),
    "text": ("optimizer.pt", lambda path: path.write_text("PK", encoding="utf-8")),
    "no pickle": ("scheduler.pt", lambda path: path.write_bytes(pickle.dumps(print))),
    "empty weights": ("model.safetensors", lambda path: path.write_bytes(b"")),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_strange_content_is_one_line_that_names_the_checkpoint(kind, make_trainer, first_version):
    name, spoil = STRANGE[kind]
    spoil(first_version / name)
    with pytest.raises(UsageError) as caught, refuse_code_in(str(first_version)):
        make_trainer(**STEPS).train(resume_from_checkpoint=str(first_version))
    assert f"--resume {first_version}:" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("build", [lambda: add_lora(make_bert(), 2), lambda: make_bert(hidden_size=48)])
def test_a_checkpoint_of_another_model_is_refused(build, make_trainer, first_version):
    with pytest.raises(UsageError, match="--resume .*cannot be loaded"), refuse_code_in(str(first_version)):
        make_trainer({"model": build()}, **STEPS).train(resume_from_checkpoint=str(first_version))


@pytest.mark.parametrize("optim", ["sgd", "adafactor", "rmsprop"])
def test_a_checkpoint_of_another_optimizer_is_refused(optim, make_trainer, first_version):
    with pytest.raises(UsageError, match=f"--optim {optim}: .*checkpoint-3 was written by another optimizer"):
        with refuse_code_in(str(first_version)):
            make_trainer(**STEPS, optim=optim).train(resume_from_checkpoint=str(first_version))


def test_an_optimizer_that_is_not_of_pytorch_can_be_resumed(make_trainer, tmp_path):
    flags = {**STEPS, "optim": "adafactor", "output_dir": str(tmp_path / "out")}
    whole = make_trainer(**flags)
    whole.train()
    resumed = make_trainer(**flags)
    resumed.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-3"))
    pairs = zip(whole.model.parameters(), resumed.model.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("error", [ValueError("in the forward"), RunError("diverged"), torch.OutOfMemoryError("x")])
def test_an_error_of_training_is_not_blamed_on_the_checkpoint(error):
    with pytest.raises(type(error)) as caught, refuse_code_in("out/checkpoint-3"):
        raise error
    assert caught.value is error
