"""A signal ends training at the end of a step, with a checkpoint from which it continues bitwise."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from helpers import make_bert
from transformers import TrainerCallback
from transformers.trainer_callback import CallbackHandler

from classification.errors import Stopped
from classification.system.stop_signals import SIGNALS, Request, StopSignals


class Send(TrainerCallback):
    """Sends signals to this process at an event.

    Args:
        event: name of a method of `TrainerCallback`; step: at which it happens.
    """

    def __init__(self, event: str, step: int, *names: str):
        self.step, self.names = step, names

        def send(args, state, control, **kwargs):
            if state.global_step == self.step:
                names, self.names = self.names, ()
                for name in names:
                    os.kill(os.getpid(), getattr(signal, name))

        setattr(self, event, send)


MODEL = {"hidden_dropout_prob": 0.1}
FLAGS = {"save_strategy": "no", "logging_steps": 3, "num_train_epochs": 2}  # 8 steps per epoch
CASES = {  # flags, event, step, step of the checkpoint
    "in the first step": ({}, "on_step_begin", 0, 1),
    "in the middle of an epoch": ({}, "on_step_begin", 3, 4),
    "between micro-batches": ({"gradient_accumulation_steps": 2}, "on_substep_end", 1, 2),
    "in the last step of an epoch": ({}, "on_step_begin", 7, 8),
    "at the end of an epoch": ({}, "on_epoch_end", 8, 8),
    "in the second epoch": ({}, "on_step_begin", 10, 11),
    "in the last step of all": ({}, "on_step_begin", 15, 16),
    "in the evaluation of an epoch": ({}, "on_prediction_step", 8, 8),
    "in the last evaluation": ({}, "on_prediction_step", 16, 16),
    "in an evaluation by steps": ({"eval_strategy": "steps", "eval_steps": 3}, "on_prediction_step", 6, 6),
    "before an evaluation by steps": ({"eval_strategy": "steps", "eval_steps": 3}, "on_step_begin", 5, 6),
    "in an evaluation that ends an epoch": ({"eval_strategy": "steps", "eval_steps": 4}, "on_prediction_step", 8, 8),
    "while a checkpoint is due": ({"save_strategy": "steps", "save_steps": 5}, "on_step_begin", 4, 5),
    "where an epoch is saved": ({"save_strategy": "epoch"}, "on_step_begin", 7, 8),
    "where the best is saved": (
        {"save_strategy": "best", "eval_strategy": "steps", "eval_steps": 2, "metric_for_best_model": "eval_loss",
         "load_best_model_at_end": True}, "on_step_begin", 5, 6,
    ),
    "where the best is reloaded": (
        {"save_strategy": "epoch", "metric_for_best_model": "eval_loss", "load_best_model_at_end": True},
        "on_step_begin", 12, 13,
    ),
    "where the number of steps is given": ({"max_steps": 11}, "on_step_begin", 10, 11),
    "without evaluation": ({"eval_strategy": "no"}, "on_step_begin", 7, 8),
    "with loader workers": (
        {"dataloader_num_workers": 1, "dataloader_persistent_workers": True}, "on_step_begin", 9, 10,
    ),
}  # fmt: skip


@pytest.fixture
def trained(make_trainer, tmp_path):
    """A function that trains in a folder of its own; returns the trainer and how it stopped."""

    def train(name: str, *callbacks, resume: bool = False, **flags):
        torch.manual_seed(11)
        trainer = make_trainer({"model": make_bert(**MODEL)}, **FLAGS | flags, output_dir=str(tmp_path / name))
        for callback in callbacks:
            trainer.add_callback(callback)
        torch.manual_seed(12)
        stopped = None
        checkpoints = sorted((tmp_path / name).glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
        try:
            trainer.train(resume_from_checkpoint=str(checkpoints[-1]) if resume else None)
        except (Stopped, KeyboardInterrupt) as error:
            stopped = error
        return trainer, stopped

    return train


WHOLE: dict = {}  # uninterrupted trainings by their flags


def assert_same(first, second) -> None:
    """Weights and figures of two trainings are equal bit by bit."""
    for one, other in zip(first.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
    times = ("runtime", "per_second", "flos")

    def figures(trainer):
        return [
            {key: value for key, value in entry.items() if not key.endswith(times) and key != "epoch_figures"}
            for entry in trainer.state.log_history
        ]

    assert figures(first) == figures(second)
    keys = ("epoch", "step", "train_loss", "train_accuracy", "eval_loss")
    assert [[one.get(key) for key in keys] for one in first.epochs] == [
        [one.get(key) for key in keys] for one in second.epochs
    ]


@pytest.mark.parametrize("case", CASES)
def test_the_resumed_run_is_the_uninterrupted_one(case, trained, tmp_path):
    flags, event, step, saved = CASES[case]
    if str(flags) not in WHOLE:
        WHOLE[str(flags)], _ = trained("whole", **flags)
    whole = WHOLE[str(flags)]
    _, stopped = trained("cut", Send(event, step, "SIGTERM"), **flags)
    assert isinstance(stopped, Stopped) and stopped.code == 143
    assert f"after step {saved} of" in stopped.message and f"checkpoint-{saved} is saved" in stopped.message
    assert (tmp_path / "cut" / f"checkpoint-{saved}" / "manifest.json").is_file()
    resumed, again = trained("cut", resume=True, **flags)
    assert again is None
    assert_same(whole, resumed)


def test_after_a_stop_nothing_is_evaluated_and_no_model_is_written(trained, tmp_path):
    events = []

    class Watch(TrainerCallback):
        def on_evaluate(self, args, state, control, **kwargs):
            events.append(state.global_step)

    trainer, stopped = trained("out", Send("on_step_begin", 3, "SIGTERM"), Watch(), load_best_model_at_end=True,
                               save_strategy="epoch", metric_for_best_model="eval_loss")  # fmt: skip
    assert stopped and not events
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["checkpoint-4"]


def test_ctrl_c_has_its_own_exit_code(trained):
    _, stopped = trained("out", Send("on_step_begin", 3, "SIGINT"))
    assert stopped.code == 130 and stopped.message.startswith("Ctrl-C: stopped after step 4 of 16.")


def test_a_second_ctrl_c_stops_at_once(trained, tmp_path):
    trainer, stopped = trained("out", Send("on_step_begin", 3, "SIGINT", "SIGINT"))
    assert isinstance(stopped, KeyboardInterrupt) and trainer.state.global_step == 3
    assert not list((tmp_path / "out").glob("checkpoint-*"))


def test_a_launcher_may_pass_on_a_ctrl_c(trained, monkeypatch):
    """Its processes have received the same one from the terminal."""

    class Launched(TrainerCallback):
        def on_train_begin(self, args, state, control, **kwargs):
            monkeypatch.setenv("LOCAL_RANK", "0")

    trainer, stopped = trained("out", Launched(), Send("on_step_begin", 3, "SIGINT", "SIGINT"))
    assert stopped.code == 130 and trainer.state.global_step == 4


def test_a_second_sigterm_changes_nothing(trained):
    trainer, stopped = trained("out", Send("on_step_begin", 3, "SIGTERM", "SIGTERM"))
    assert stopped.code == 143 and trainer.state.global_step == 4


def test_sigterm_wins_over_ctrl_c(trained):
    _, stopped = trained("out", Send("on_step_begin", 3, "SIGINT", "SIGTERM"))
    assert stopped.code == 143


@pytest.mark.parametrize("step", [3, 7])
def test_sigusr1_saves_and_goes_on(step, trained, tmp_path):
    whole, _ = trained("whole")
    saved, stopped = trained("saved", Send("on_step_begin", step, "SIGUSR1"))
    assert stopped is None and saved.state.global_step == 16
    assert [path.name for path in (tmp_path / "saved").iterdir()] == [f"checkpoint-{step + 1}"]
    assert_same(whole, saved)
    resumed, _ = trained("saved", resume=True)
    assert_same(whole, resumed)


def test_sigusr1_and_sigterm_in_one_step_save_once_and_stop(trained, tmp_path):
    trainer, stopped = trained("out", Send("on_step_begin", 3, "SIGUSR1", "SIGTERM"))
    assert stopped.code == 143 and [path.name for path in (tmp_path / "out").iterdir()] == ["checkpoint-4"]


def test_a_sigterm_while_sigusr1_is_saved_is_not_lost(trained, tmp_path):
    _, stopped = trained("out", Send("on_step_begin", 3, "SIGUSR1"), Send("on_save", 4, "SIGTERM"))
    assert stopped.code == 143
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["checkpoint-4", "checkpoint-5"]


def test_a_checkpoint_of_weights_alone_says_what_it_lacks(trained, tmp_path):
    _, stopped = trained("out", Send("on_step_begin", 3, "SIGTERM"), save_only_model=True)
    assert not stopped.can_resume
    assert "--save_only_model" in stopped.message and "--model_name_or_path" in stopped.message
    assert (tmp_path / "out" / "checkpoint-4" / "model.safetensors").is_file()


def test_a_signal_after_the_last_step_stops_where_a_checkpoint_has_the_training(trained):
    _, stopped = trained("out", Send("on_train_end", 16, "SIGTERM"), save_strategy="epoch")
    assert stopped.code == 143 and "after step 16 of 16" in stopped.message


def test_a_signal_after_the_last_step_goes_on_where_the_training_would_be_lost(trained, caplog):
    trainer, stopped = trained("out", Send("on_train_end", 16, "SIGTERM"))
    assert stopped is None and trainer.state.global_step == 16
    assert "the run goes on until the model is saved" in caplog.text


def test_a_signal_in_the_evaluation_before_all_waits_for_the_first_step(trained):
    trainer, stopped = trained("out", Send("on_prediction_step", 0, "SIGTERM"), eval_on_start=True)
    assert stopped.code == 143 and trainer.state.global_step == 1


def test_an_early_stop_stays_one(trained, make_trainer, tmp_path):
    """The signal comes in the very step whose evaluation ends training."""
    flags = {"eval_strategy": "steps", "eval_steps": 2, "metric_for_best_model": "eval_loss", "save_strategy": "steps",
             "save_steps": 2, "learning_rate": 0.5, "optim": "sgd", "load_best_model_at_end": True}  # fmt: skip

    def train(name, *callbacks, resume=None):
        torch.manual_seed(11)
        trainer = make_trainer({"model": make_bert(), "patience": 1}, **FLAGS | flags, output_dir=str(tmp_path / name))
        for callback in callbacks:
            trainer.add_callback(callback)
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    whole = train("whole")
    last = whole.state.global_step
    assert last < 16
    with pytest.raises(Stopped):
        train("cut", Send("on_step_begin", last - 1, "SIGTERM"))
    assert_same(whole, train("cut", resume=str(tmp_path / "cut" / f"checkpoint-{last}")))


# ---------------------------------------------------------------------------------------------------- the handlers


NAMES = ("SIGINT", "SIGTERM", "SIGUSR1")


def handlers() -> list:
    return [signal.getsignal(getattr(signal, name)) for name in NAMES if hasattr(signal, name)]


@pytest.mark.parametrize("event", ["on_step_begin", "on_train_end"])
def test_the_handlers_of_the_caller_come_back(event, trained):
    before = handlers()
    trained("first", Send(event, 3, "SIGTERM"))
    assert handlers() == before
    _, stopped = trained("second")
    assert stopped is None and handlers() == before


def test_they_come_back_after_an_error(trained):
    class Fail(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            assert handlers() != before
            raise ZeroDivisionError

    before = handlers()
    with pytest.raises(ZeroDivisionError):
        trained("out", Fail())
    assert handlers() == before


def test_a_signal_that_the_caller_ignores_stays_ignored(trained):
    """As `nohup` and a shell's background jobs do with SIGHUP and SIGINT."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        trainer, stopped = trained("out", Send("on_step_begin", 3, "SIGINT"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped is None and trainer.state.global_step == 16


def test_outside_the_main_thread_training_works_and_changes_no_handler(trained):
    results, before = [], handlers()
    thread = threading.Thread(target=lambda: results.append(trained("out")))
    thread.start()
    thread.join()
    assert results[0][1] is None and handlers() == before


@pytest.mark.parametrize("missing", [("SIGUSR1",), ("SIGUSR1", "SIGTERM")], ids=["no SIGUSR1", "as on Windows"])
def test_a_system_without_a_signal_trains_and_stops_by_the_others(missing, trained, monkeypatch):
    for name in missing:
        monkeypatch.delattr(signal, name)
    _, stopped = trained("out", Send("on_step_begin", 3, "SIGINT"))
    assert stopped.code == 130
    with StopSignals().handled():
        pass
    StopSignals().answer_imports()


@pytest.fixture(autouse=True)
def own_handlers():
    """`answer_imports` lasts until the process ends."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_outside_training_sigterm_ends_the_run_and_sigusr1_waits_for_the_first_step():
    with pytest.raises(Stopped) as stopped, SIGNALS.handled():
        os.kill(os.getpid(), signal.SIGUSR1)
        assert SIGNALS.request is Request.SAVE
        os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.code == 143 and not stopped.value.is_shared


def test_sigusr1_during_the_imports_waits_for_the_first_step_and_is_nothing_at_the_end():
    signals = StopSignals()
    signals.answer_imports()
    os.kill(os.getpid(), signal.SIGUSR1)
    with signals.handled():
        assert signals.request is Request.SAVE
        signals.saves = False
    os.kill(os.getpid(), signal.SIGUSR1)
    with signals.handled():
        assert signals.request is Request.NOTHING


def test_outside_training_ctrl_c_is_python_s():
    with pytest.raises(KeyboardInterrupt), SIGNALS.handled():
        os.kill(os.getpid(), signal.SIGINT)


def in_child(action) -> int:
    """The exit status of a forked process that calls `action`, as `os.waitpid` gives it."""
    process = os.fork()
    if process == 0:
        try:
            action()
        finally:
            os._exit(7)
    return os.waitpid(process, 0)[1]


def send_itself(*names: str) -> None:
    for name in names:
        os.kill(os.getpid(), getattr(signal, name))


@pytest.mark.parametrize("names", [("SIGINT",), ("SIGTERM",), ("SIGUSR1",), ("SIGINT", "SIGINT")])
def test_a_worker_leaves_a_signal_of_the_group_to_the_training_process(names):
    with SIGNALS.handled(), SIGNALS.polite():
        assert os.waitstatus_to_exitcode(in_child(lambda: send_itself(*names))) == 7
        assert SIGNALS.request is Request.NOTHING


def test_a_worker_can_be_ended_when_nothing_trains():
    with SIGNALS.handled():
        assert os.waitstatus_to_exitcode(in_child(lambda: send_itself("SIGTERM"))) == -signal.SIGTERM
        assert os.waitstatus_to_exitcode(in_child(lambda: send_itself("SIGINT"))) == 7


def test_the_callback_that_asks_for_a_checkpoint_runs_before_the_one_that_looks_for_it(make_trainer):
    """`FiniteSteps` reads the numbers of a GPU before each checkpoint."""
    trainer = make_trainer()
    handler: CallbackHandler = trainer.callback_handler
    assert handler.callbacks.index(trainer.polite_stop) < handler.callbacks.index(trainer.finite_steps)


def test_workers_end_with_a_stopped_training(trained):
    flags = {"dataloader_num_workers": 1, "dataloader_persistent_workers": True}
    before = set(children())
    trained("out", Send("on_step_begin", 3, "SIGINT", "SIGINT"), **flags)
    assert set(children()) <= before


def children() -> list[str]:
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
