"""Trackers get every figure once, all flags without secrets, the final metrics, and an end."""

from __future__ import annotations

import math
import random
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import assert_refused
from transformers import Trainer, TrainingArguments

from classification.errors import UsageError
from classification.training.tracker_kinds import TrackedRun
from classification.training.tracker_names import check_trackers
from classification.training.tracker_record import Record
from classification.training.trackers import FILE, final_metrics, same_random_numbers, tracked

SECRET = "s3cret-token-value"


class Recorder(SimpleNamespace):
    """Notes every call of a tracker's functions."""

    def __init__(self, **fields):
        super().__init__(calls=[], **fields)

    def note(self, name: str):
        return lambda *args, **kwargs: self.calls.append((name, args, kwargs))


def stub(monkeypatch, name: str, **fields) -> ModuleType:
    module = ModuleType(name)
    module.__spec__, module.__version__ = ModuleSpec(name, None), "99.0"
    vars(module).update(fields)
    monkeypatch.setitem(sys.modules, name, module)
    return module


@pytest.fixture
def wandb(monkeypatch) -> Recorder:
    """A stand-in for W&B, as the library's callback uses it."""
    recorder, config = Recorder(), {}

    class Config(dict):
        def update(self, values, allow_val_change=False):
            config.update(values)

    module = stub(monkeypatch, "wandb", run=None, config=Config(), log=recorder.note("log"))
    module.define_metric = module.termwarn = lambda *args, **kwargs: None

    def init(**kwargs):
        recorder.calls.append(("init", (), kwargs))
        module.run = SimpleNamespace(id=kwargs.get("id") or "new-id", summary={}, _label=lambda **kwargs: None)

    def finish(**kwargs):
        recorder.calls.append(("finish", (), kwargs))
        module.run = None

    module.init, module.finish = init, finish
    for name in ("wandb.sdk", "wandb.sdk.lib"):
        stub(monkeypatch, name)
    stub(monkeypatch, "wandb.sdk.lib.config_util", ConfigError=ValueError)
    recorder.config, recorder.module = config, module
    return recorder


@pytest.fixture
def trackio(monkeypatch) -> Recorder:
    recorder = Recorder()
    space = SimpleNamespace(current_space_id=SimpleNamespace(get=lambda: None))

    class Config(dict):
        def update(self, values, allow_val_change=False):
            recorder.calls.append(("config", (values,), {}))

    stub(
        monkeypatch, "trackio", init=recorder.note("init"), log=recorder.note("log"), finish=recorder.note("finish"),
        config=Config(), context_vars=space,
    )  # fmt: skip
    return recorder


def trainer_for(tmp_path, tracker: str, **changes) -> Trainer:
    args = TrainingArguments(
        output_dir=str(tmp_path / "out"), use_cpu=True, report_to=tracker, disable_tqdm=True, **changes
    )
    return Trainer(model=torch.nn.Linear(1, 1), args=args)


def run_of(tmp_path, name="mine", **changes) -> TrackedRun:
    flags = {"train_file": "a.csv", "token": SECRET, "class_weights": f'{{"api_key": "{SECRET}"}}'}
    return TrackedRun(name, tmp_path / "out", flags=flags, secrets=(SECRET,), metrics=("test/accuracy",), **changes)


def log(trainer: Trainer, step: int, **logs) -> None:
    trainer.state.global_step = step
    trainer.callback_handler.on_log(trainer.args, trainer.state, trainer.control, logs)


def logged(recorder: Recorder) -> list[dict]:
    return [args[0] for name, args, _ in recorder.calls if name == "log"]


def test_wandb_gets_flags_without_secrets_figures_finals_once_and_an_end(wandb, tmp_path):
    trainer, metrics = trainer_for(tmp_path, "wandb", run_name="mine"), {}
    with tracked(trainer, run_of(tmp_path), metrics, resumes=False):
        log(trainer, 2, loss=0.5)
        log(trainer, 4, eval_loss=0.4)
        metrics |= {"eval_loss": 0.3, "test_accuracy": 0.9, "test_per_class": {}, "test_mcc": math.nan}
    assert wandb.calls[0] == ("init", (), {"project": "huggingface", "name": "mine", "group": None})
    assert [set(entry) - {"train/global_step"} for entry in logged(wandb)] == [
        {"train/loss"}, {"eval/loss"}, {"eval/final_loss", "test/accuracy"},
    ]  # fmt: skip
    assert [entry["train/global_step"] for entry in logged(wandb)] == [2, 4, 4]
    assert wandb.config["train_file"] == "a.csv" and wandb.config["learning_rate"] == trainer.args.learning_rate
    assert SECRET not in str(wandb.config) and wandb.config["token"] == "<redacted>"
    assert wandb.calls[-1] == ("finish", (), {"exit_code": 0}) and wandb.module.run is None


def test_a_run_of_a_study_has_a_name_and_a_group_of_its_own(wandb, tmp_path):
    for seed in (1, 2):
        run = run_of(tmp_path / str(seed), f"mine-seed-{seed}", group="mine", part=f"seed-{seed}")
        with tracked(trainer_for(tmp_path, "wandb", run_name="mine"), run, {}, resumes=False):
            pass
    names = [(kwargs["name"], kwargs["group"]) for name, _, kwargs in wandb.calls if name == "init"]
    assert names == [("mine-seed-1", "mine"), ("mine-seed-2", "mine")]
    assert [name for name, *_ in wandb.calls] == ["init", "finish"] * 2


def test_a_run_that_fails_is_closed_as_failed_and_logs_no_finals(wandb, tmp_path):
    for error, code in ((ValueError("x"), 1), (KeyboardInterrupt(), 1)):
        wandb.calls.clear()
        trainer = trainer_for(tmp_path, "wandb", run_name="mine")
        with pytest.raises(type(error)), tracked(trainer, run_of(tmp_path), {"test_accuracy": 0.9}, resumes=False):
            raise error
        assert wandb.calls[-1] == ("finish", (), {"exit_code": code}) and not logged(wandb)


def test_a_resumed_run_goes_on_with_the_same_run_and_logs_nothing_twice(wandb, tmp_path):
    with pytest.raises(SystemExit), tracked(trainer_for(tmp_path, "wandb"), run_of(tmp_path), {}, resumes=False):
        raise SystemExit
    wandb.calls.clear()
    trainer = trainer_for(tmp_path, "wandb")
    record = Record(tmp_path / "out" / FILE, "")
    assert record.read()
    record.add(6, {"loss"})
    with tracked(trainer, run_of(tmp_path), {}, resumes=True):
        log(trainer, 4, loss=0.5)  # repeated by the resumed run
        log(trainer, 6, loss=0.5)
        log(trainer, 6, eval_loss=0.4)  # of the same step, but new
        log(trainer, 8, loss=0.3)
    assert wandb.calls[0][2]["id"] == "new-id" and wandb.calls[0][2]["resume"] == "allow"
    assert [entry.get("train/loss", entry.get("eval/loss")) for entry in logged(wandb)] == [0.4, 0.3]


def test_final_metrics_are_logged_again_only_where_they_have_changed(wandb, tmp_path):
    for accuracy in (0.9, 0.9, 0.8):
        with tracked(trainer_for(tmp_path, "wandb"), run_of(tmp_path), {"test_accuracy": accuracy}, resumes=True):
            pass
    assert [entry["test/accuracy"] for entry in logged(wandb)] == [0.9, 0.8]


def test_a_run_of_the_program_around_this_one_is_used_and_not_ended(wandb, tmp_path):
    wandb.module.init(name="theirs")
    with tracked(trainer_for(tmp_path, "wandb"), run_of(tmp_path), {"test_accuracy": 0.9}, resumes=False):
        pass
    assert [name for name, *_ in wandb.calls] == ["init", "log"] and wandb.module.run is not None


def test_trackio_gets_the_same_name_when_resumed_and_one_end(trackio, tmp_path):
    for resumes in (False, True):
        trainer = trainer_for(tmp_path, "trackio")
        with tracked(trainer, run_of(tmp_path, "out"), {"test_accuracy": 0.9}, resumes=resumes):
            log(trainer, 2 + 2 * resumes, loss=0.5)
            trainer.callback_handler.on_predict(trainer.args, trainer.state, trainer.control, {"test_runtime": 1.0})
    names = [kwargs["name"] for name, _, kwargs in trackio.calls if name == "init"]
    assert len(names) == 2 and names[0] == names[1] and names[0].startswith("out-")
    assert [name for name, *_ in trackio.calls if name in ("init", "finish")] == ["init", "finish"] * 2
    assert not any("test/runtime" in entry for entry in logged(trackio))
    assert sum("test/accuracy" in entry for entry in logged(trackio)) == 1
    assert SECRET not in str([args for name, args, _ in trackio.calls if name == "config"])


def test_a_tracker_that_fails_costs_only_itself(wandb, tmp_path, caplog):
    trainer = trainer_for(tmp_path, "wandb")

    def refuse(*args, **kwargs):
        raise ConnectionError("no network")

    with tracked(trainer, run_of(tmp_path), {"test_accuracy": 0.9}, resumes=False):
        wandb.module.log = refuse
        log(trainer, 2, loss=0.5)
        log(trainer, 4, loss=0.4)
    assert caplog.text.count("--report_to wandb: logs no more: no network.") == 1


def test_a_tracker_that_cannot_begin_is_an_error_before_training(wandb, tmp_path):
    def refuse(**kwargs):
        raise ValueError("api_key not configured (no-tty)")

    wandb.module.init = refuse
    with pytest.raises(UsageError, match="--report_to wandb: cannot begin: api_key .* or leave the flag out"):
        with tracked(trainer_for(tmp_path, "wandb"), run_of(tmp_path), {}, resumes=False):
            raise AssertionError


def test_only_the_main_process_logs(wandb, tmp_path, monkeypatch):
    import classification.training.trackers as module

    trainer = trainer_for(tmp_path, "wandb")
    monkeypatch.setattr(module, "this_process", lambda: SimpleNamespace(is_main_process=False))
    with tracked(trainer, run_of(tmp_path), {"test_accuracy": 0.9}, resumes=False):
        log(trainer, 2, loss=0.5)
    assert not wandb.calls and not (tmp_path / "out" / FILE).exists()


def test_names_that_a_tracker_draws_do_not_change_the_training():
    def draws() -> tuple:
        return random.random(), np.random.rand(), torch.rand(1).item()

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    expected = draws()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with same_random_numbers():
        draws()
    assert draws() == expected


def test_final_metrics_are_finite_numbers_of_validation_and_test():
    metrics = {"eval_loss": 0.5, "test_scored": 24, "test_mcc": math.nan, "test_slices": [], "train_loss": 1.0,
               "test_accuracy_low": 0.4, "test_is_odd": True}  # fmt: skip
    assert final_metrics(metrics) == {"eval_final_loss": 0.5, "test_scored": 24, "test_accuracy_low": 0.4}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mlflow", ["--report_to mlflow: is not installed", "pip install -r requirements-extras.txt"]),
        ("comet_ml", ["--report_to comet_ml: is not installed", "pip install comet-ml"]),
        ("tensorbord", ["--report_to tensorbord: is no tracker", "Did you mean 'tensorboard'", "none"]),
    ],
)
def test_a_missing_tracker_is_one_line_that_names_the_package(name, words, monkeypatch):
    monkeypatch.setattr("classification.training.tracker_names.get_available_reporting_integrations", lambda: ["wandb"])
    assert_refused(words, check_trackers, ["wandb", name])
    check_trackers(["wandb"])


def test_a_tracker_that_a_variable_turns_off_is_not_called_missing(monkeypatch):
    monkeypatch.setenv("DISABLE_MLFLOW_INTEGRATION", "TRUE")
    assert_refused(["--report_to mlflow", "DISABLE_MLFLOW_INTEGRATION", "Unset"], check_trackers, ["mlflow"])


def test_every_missing_package_can_be_installed_from_the_file_of_extras():
    extras = (Path(__file__).resolve().parents[2] / "requirements-extras.txt").read_text(encoding="utf-8")
    assert "mlflow-skinny==" in extras and "tensorboard==" in extras
