"""What an optimizer or a schedule lacks is found before training, and the trial leaves nothing behind."""

from __future__ import annotations

import sys
import types

import pytest
import torch
from datasets import DatasetDict
from helpers import assert_refused

from classification.training.dry_run import dry_run
from classification.training.optimizer_trial import hooks_of, optimizer_made
from classification.training.trainer import ClassificationTrainer

LAYERWISE = {"optim": "galore_adamw_layerwise", "optim_target_modules": ["query", "value"]}


def try_optimizer(trainer, steps):
    with optimizer_made(trainer, steps):
        pass


class LowRank(torch.optim.AdamW):
    """Stands in for GaLore's optimizer: its groups have arguments of their own."""

    def __init__(self, groups, lr=1e-3, **kwargs):
        super().__init__([{"params": group["params"]} for group in groups], lr=lr)


@pytest.fixture
def galore(monkeypatch):
    """The library as far as the Trainer uses it."""
    import transformers.trainer_optimizer as library

    module = types.ModuleType("galore_torch")
    module.GaLoreAdamW = module.GaLoreAdamW8bit = module.GaLoreAdafactor = LowRank
    monkeypatch.setitem(sys.modules, "galore_torch", module)
    monkeypatch.setattr(library, "is_galore_torch_available", lambda: True)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"optim": "adamw_bnb_8bit"}, ["--optim adamw_bnb_8bit", "bitsandbytes", "adamw_torch"]),
        (LAYERWISE, ["--optim galore_adamw_layerwise", "galore", "adamw_torch"]),
        ({"optim": "apollo_adamw_layerwise", "optim_target_modules": ["query"]}, ["apollo_adamw_layerwise", "apollo"]),
        ({"lr_scheduler_type": "cosine_with_min_lr"}, ["--lr_scheduler_type cosine_with_min_lr", "_kwargs"]),
        ({"lr_scheduler_kwargs": {"y": 1}}, ["--lr_scheduler_kwargs", "Correct"]),
    ],
)
def test_what_cannot_be_made_is_refused(flags, words, make_trainer):
    trainer = make_trainer(**flags)
    assert_refused(words, try_optimizer, trainer, 10)
    assert trainer.optimizer is None and trainer.lr_scheduler is None


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (LAYERWISE | {"gradient_accumulation_steps": 2}, ["gradient accumulation"]),
        (LAYERWISE | {"optim_target_modules": ["no_such"]}, ["No target modules"]),
    ],
)
def test_a_layerwise_optimizer_that_cannot_be_made_is_refused(flags, words, make_trainer, galore):
    trainer = make_trainer(**flags)
    assert_refused(["--optim", *words], try_optimizer, trainer, 10)
    assert_refused(["--optim", *words], dry_run, trainer, DatasetDict(train=trainer.train_dataset))


@pytest.fixture
def scheduled(monkeypatch):
    """PyTorch as it was when the schedule of a layerwise optimizer could be made."""
    monkeypatch.setattr(ClassificationTrainer, "create_scheduler", lambda self, *args, **kwargs: None)


def test_without_its_schedule_a_layerwise_optimizer_is_refused_with_one_that_works(make_trainer, galore):
    trainer = make_trainer(**LAYERWISE)
    assert_refused(["--optim galore_adamw_layerwise", "Choose galore_adamw,"], try_optimizer, trainer, 10)
    assert not [name for name, parameter in trainer.model.named_parameters() if hooks_of(parameter)]
    trainer = make_trainer(**LAYERWISE | {"optim": "galore_adamw", "max_steps": 1})
    try_optimizer(trainer, 1)
    trainer.train()


@pytest.mark.parametrize("flags", [{}, LAYERWISE], ids=["adamw", "layerwise"])
def test_the_trial_leaves_nothing_behind(flags, make_trainer, galore, scheduled):
    """No optimizer, no hook that would make a step twice, and the same random numbers."""
    trainer = make_trainer(**flags)
    before = torch.get_rng_state()
    try_optimizer(trainer, 10)
    assert trainer.optimizer is None and not trainer._created_lr_scheduler
    assert torch.equal(torch.get_rng_state(), before)
    assert not [name for name, parameter in trainer.model.named_parameters() if hooks_of(parameter)]


def test_hooks_of_others_stay(make_trainer, galore, scheduled):
    trainer = make_trainer(**LAYERWISE)
    calls = []
    parameter = trainer.model.classifier.bias
    parameter.register_post_accumulate_grad_hook(calls.append)
    try_optimizer(trainer, 10)
    parameter.sum().backward()
    assert len(calls) == 1 and len(hooks_of(parameter)) == 1
