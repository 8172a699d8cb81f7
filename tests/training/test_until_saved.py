"""A signal between the last step and the saved model: it waits where no checkpoint has the training."""

from __future__ import annotations

import os
import signal

import pytest
from transformers import TrainerCallback

from classification.errors import Stopped
from classification.system.stop_signals import SIGNALS, Request, StopSignals

NAMES = ("SIGINT", "SIGTERM")
LOST = [{"save_strategy": "no"}, {"save_strategy": "epoch", "save_only_model": True}]


def send(*names: str) -> None:
    for name in names:
        os.kill(os.getpid(), getattr(signal, name))


@pytest.fixture
def save_after(make_trainer):
    """A function: trains, sends signals, and saves; returns how it stopped, and whether the model was saved."""

    def save(*names: str, callback: TrainerCallback | None = None, **flags) -> tuple[BaseException | None, bool]:
        trainer, saved = make_trainer(num_train_epochs=1, **flags), False
        if callback:
            trainer.add_callback(callback)
        before = [signal.getsignal(getattr(signal, name)) for name in NAMES]
        try:
            with SIGNALS.handled(), trainer.until_saved():
                trainer.train()
                send(*names)
                saved = True
        except (Stopped, KeyboardInterrupt) as stopped:
            return stopped, saved
        finally:
            assert before == [signal.getsignal(getattr(signal, name)) for name in NAMES]
        return None, saved

    return save


@pytest.mark.parametrize("flags", LOST, ids=["none", "weights alone"])
@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_without_a_checkpoint_of_the_last_step_the_model_is_saved_first(flags, name, code, save_after, capfd):
    stopped, saved = save_after(name, **flags)
    assert isinstance(stopped, Stopped) and stopped.number == code and stopped.is_shared and saved
    assert "no checkpoint has it: the run stops when the model is saved." in capfd.readouterr().err


def test_with_one_the_run_stops_at_once(save_after):
    stopped, saved = save_after("SIGTERM", save_strategy="epoch")
    assert isinstance(stopped, Stopped) and not stopped.is_shared and not saved


def test_a_second_ctrl_c_stops_at_once(save_after):
    stopped, saved = save_after("SIGINT", "SIGINT")
    assert isinstance(stopped, KeyboardInterrupt) and not saved


@pytest.mark.parametrize(("names", "code"), [(("SIGTERM",), 143), (("SIGINT",), 130)])
def test_a_signal_of_the_end_of_training_is_not_forgotten(names, code, save_after):
    class Send(TrainerCallback):
        def on_train_end(self, args, state, control, **kwargs):
            send(*names)

    stopped, saved = save_after(callback=Send())
    assert isinstance(stopped, Stopped) and stopped.number == code and saved
    stopped, saved = save_after("SIGINT", callback=Send())  # which may be the second Ctrl-C
    assert isinstance(stopped, KeyboardInterrupt if names == ("SIGINT",) else Stopped)


def test_without_a_signal_nothing_stops(save_after):
    assert save_after() == (None, True) and save_after("SIGUSR1") == (None, True)


def test_a_process_of_the_same_parent_decides_nothing_here():
    """They share a byte for their workers; one that was killed in training leaves it set."""
    signals = StopSignals()
    signals.is_polite[0] = 1
    with signals.handled(), signals.polite():
        send("SIGTERM")
        signals.is_polite[0] = 0  # another one has trained
        send("SIGTERM")
        assert signals.request is Request.TERMINATE


def test_politeness_inside_politeness_forgets_nothing(capfd):
    with SIGNALS.handled(), SIGNALS.polite("as promised."):
        send("SIGTERM")
        with SIGNALS.polite():
            assert SIGNALS.request is Request.TERMINATE
        send("SIGTERM")
        assert SIGNALS.request is Request.TERMINATE
        SIGNALS.end_politeness()
        with pytest.raises(Stopped):
            send("SIGTERM")
    assert "as promised." in capfd.readouterr().err
