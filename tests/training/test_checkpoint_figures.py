"""The figures of a run that was killed and resumed are those of the run that was not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers import make_bert, make_tokenizer
from planned_deaths import KillAfter, Killed

from classification.models.adapters import add_lora
from classification.training.callbacks import EPOCH
from classification.training.checkpoint_seal import problem_of
from classification.training.counters import EpochTotals
from classification.training.run_state import LossSums, read_run_state, restore_kept

STEPS = {"save_strategy": "steps", "save_steps": 3, "logging_steps": 5, "hidden_dropout_prob": 0.1}
BEST = {"eval_strategy": "steps", "eval_steps": 4, "load_best_model_at_end": True, "metric_for_best_model": "eval_loss"}
TIMES = ("runtime", "per_second")


@pytest.fixture
def make(make_trainer):
    """A function that builds a Trainer with dropout; keywords are `TrainingArguments` or of the model."""
    from transformers import set_seed

    def make(folder, model=None, **changes):
        dropout = changes.pop("hidden_dropout_prob", 0.0)
        model = model() if model else make_bert(hidden_dropout_prob=dropout)
        set_seed(7)
        return make_trainer({"model": model}, output_dir=str(folder), **changes)

    return make


def last_before(folder: Path, step: int) -> Path | None:
    """The last checkpoint of a killed run."""
    names = [path.name for path in Path(folder).glob("checkpoint-*") if path.name.split("-")[1].isdigit()]
    steps = [int(name.split("-")[1]) for name in names]
    return Path(folder) / f"checkpoint-{max(steps)}" if steps else None


def history(trainer) -> list[dict]:
    return [
        {key: value for key, value in entry.items() if not any(part in key for part in TIMES)}
        for entry in json.loads(json.dumps(trainer.state.log_history, default=str))
    ]


def without_times(entries: list[dict]) -> list[dict]:
    """The epoch figures hold times inside."""
    for entry in entries:
        if EPOCH in entry:
            entry[EPOCH] = {k: v for k, v in entry[EPOCH].items() if not any(part in k for part in TIMES)}
    return entries


def assert_same_end(first, second) -> None:
    """Log, best checkpoint and weights of two trained Trainers are equal, bit for bit."""
    assert without_times(history(second)) == without_times(history(first))
    assert second.state.best_global_step == first.state.best_global_step
    one, other = first.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def train_killed(make, folder, kills, **changes):
    """Train with kills after these steps, each resumed from the last checkpoint; returns the last Trainer."""
    for step in kills:
        trainer = make(folder, **changes)
        trainer.add_callback(KillAfter(step))
        resumed = last_before(folder, step)
        with pytest.raises(Killed):
            trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    trainer = make(folder, **changes)
    resumed = last_before(folder, 10**9)
    output = trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    return trainer, output


KINDS = {
    "steps": STEPS,
    "an evaluation per epoch": STEPS | {"save_steps": 8, "eval_strategy": "epoch"},
    "evaluations between": STEPS | {"eval_strategy": "steps", "eval_steps": 4},
    "one log per epoch": STEPS | {"logging_strategy": "epoch"},
    "no evaluation": STEPS | {"eval_strategy": "no"},
    "accumulation": STEPS | {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4},
    "a run that ends in an epoch": STEPS | {"max_steps": 13},
    "the best one": STEPS | BEST | {"save_steps": 4, "save_total_limit": 1},
    "best ones between saves": STEPS | BEST | {"save_steps": 12, "logging_strategy": "epoch"},
    "best alone is saved": STEPS | BEST | {"save_strategy": "best", "logging_strategy": "epoch"},
    "SGD": STEPS | {"optim": "sgd"},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_figure_and_weight_is_that_of_the_run_without_kills(kind, make, tmp_path):
    changes = KINDS[kind]
    whole = make(tmp_path / "whole", **changes)
    output = whole.train()
    killed, resumed = train_killed(make, tmp_path / "killed", (5, 8, 12), **changes)
    assert_same_end(whole, killed)
    assert resumed.training_loss == output.training_loss


@pytest.mark.parametrize("kind", ["steps", "an evaluation per epoch", "one log per epoch"])
def test_a_finished_run_that_is_resumed_keeps_its_figures(kind, make, tmp_path):
    """The last step is saved after the evaluation and the line of its epoch."""
    whole = make(tmp_path, **KINDS[kind])
    output = whole.train()
    again = make(tmp_path, **KINDS[kind])
    resumed = again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-16"))
    assert resumed.training_loss == output.training_loss != 0
    assert [entry for entry in history(again) if EPOCH in entry] == [e for e in history(whole) if EPOCH in e]
    assert len([entry for entry in again.epochs if "eval_loss" in entry]) == 2


def test_the_time_of_a_resumed_run_includes_the_time_before(make, tmp_path, monkeypatch):
    make(tmp_path, **STEPS).train()
    state = json.loads((tmp_path / "checkpoint-9" / "run_state.json").read_text(encoding="utf-8"))
    state["kept"]["loss"][0]["seconds"] = 5000.0
    (tmp_path / "checkpoint-9" / "run_state.json").write_text(json.dumps(state), encoding="utf-8")
    metrics = make(tmp_path, **STEPS).train(resume_from_checkpoint=str(tmp_path / "checkpoint-9")).metrics
    assert 5000 < metrics["train_runtime"] < 5100


@pytest.mark.parametrize("build", ["lora", "bilstm", "pooled"])
def test_other_models_are_sealed_and_resumed_too(build, make, tmp_path):
    from classification.models.bilstm import BiLstmConfig, BiLstmForSequenceClassification
    from classification.models.pooled_head import PooledConfig, PooledForSequenceClassification

    models = {
        "lora": lambda: add_lora(make_bert(hidden_dropout_prob=0.1), 2),
        "bilstm": lambda: BiLstmForSequenceClassification(BiLstmConfig(vocab_size=len(make_tokenizer()), num_labels=2)),
        "pooled": lambda: PooledForSequenceClassification(PooledConfig(make_bert().config, "mean")),
    }

    def model():
        torch.manual_seed(3)
        return models[build]()

    changes = STEPS | {"model": model, "num_train_epochs": 1}
    whole = make(tmp_path / "whole", **changes)
    whole.train()
    killed, _ = train_killed(make, tmp_path / "killed", (5,), **changes)
    assert_same_end(whole, killed)
    assert all(problem_of(tmp_path / "killed" / f"checkpoint-{step}") is None for step in (3, 6, 8))


def test_the_facts_of_the_run_are_in_every_checkpoint(make, tmp_path):
    trainer = make(tmp_path, **STEPS, num_train_epochs=1)
    trainer.facts["fingerprint"] = {"--seed": 42, "labels": ["a", "b"]}
    trainer.train()
    state = read_run_state(tmp_path / "checkpoint-6")
    assert state["facts"] == {"fingerprint": {"--seed": 42, "labels": ["a", "b"]}} and state["processes"] == 1
    assert read_run_state(tmp_path / "nowhere") == {}


# --------------------------------------------------------------------------------- another number of processes


class Kept:
    """A part of a run that keeps one value."""

    def __init__(self):
        self.value = None

    def state_dict(self):
        return {"value": self.value}

    def load_state_dict(self, state):
        self.value = state["value"]


def test_each_process_gets_its_own_state_back():
    states = {"kept": {"part": [{"value": 1}, {"value": 2}], "gone": [{}]}}
    parts = [{"part": Kept()} for _ in range(2)]
    for rank, kept in enumerate(parts):
        restore_kept(states, kept, rank, 2)
    assert [kept["part"].value for kept in parts] == [1, 2]


def test_with_another_number_of_processes_the_first_one_gets_the_sums():
    states = {"kept": {"part": [{"value": 1}], "epoch": [{"sums": [1.0, 2.0, 3.0]}, {"sums": [4.0, 5.0, 6.0]}]}}
    totals, part = [], []
    for rank in range(3):
        kept = {"part": Kept(), "epoch": EpochTotals.__new__(EpochTotals)}
        kept["epoch"].sums = torch.zeros(3, dtype=torch.float64)
        restore_kept(states, kept, rank, 3)
        totals.append(kept["epoch"].sums.tolist())
        part.append(kept["part"].value)
    assert totals == [[5.0, 7.0, 9.0], [0.0] * 3, [0.0] * 3] and part == [1, None, None]


def test_the_logged_loss_is_the_mean_over_the_processes_whatever_their_number():
    states = [{"since_logged": 2.0, "until_logged": 5.0, "logged_step": 4, "seconds": 1.0},
              {"since_logged": 4.0, "until_logged": 5.0, "logged_step": 4, "seconds": 1.0}]  # fmt: skip
    shares = [LossSums.share(states, rank, 3)["since_logged"] for rank in range(3)]
    assert sum(shares) / 3 == 3.0


def test_a_checkpoint_of_the_first_version_is_resumed_without_sums(make, tmp_path, caplog):
    make(tmp_path, **STEPS).train()
    for name in ("manifest.json", "run_state.json"):
        (tmp_path / "checkpoint-9" / name).unlink()
    shutil.rmtree(tmp_path / "checkpoint-16")
    trainer = make(tmp_path, **STEPS)
    trainer.train(resume_from_checkpoint=str(tmp_path / "checkpoint-9"))
    assert problem_of(tmp_path / "checkpoint-16") is None and trainer.epochs[-1]["epoch"] == 2


def test_a_finished_training_of_the_first_version_reports_no_loss_of_zero(make, tmp_path):
    """Its checkpoints hold no sums, and no step is trained."""
    figures = make(tmp_path / "out", **STEPS | {"save_steps": 16}).train().metrics
    for name in ("manifest.json", "run_state.json"):
        (tmp_path / "out" / "checkpoint-16" / name).unlink()
    again = make(tmp_path / "out", **STEPS).train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-16"))
    assert figures["train_loss"] > 0 and "train_loss" not in again.metrics
