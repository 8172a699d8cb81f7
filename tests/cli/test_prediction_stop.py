"""Ctrl-C and SIGTERM of a prediction: the exit code, what stays, and the command that goes on."""

from __future__ import annotations

import os
import signal

import pytest

from classification.cli.prediction_stop import prediction_stoppable
from classification.errors import Stopped
from classification.models.kernels.allocator import own_process
from classification.system.stop_signals import SIGNALS, StopSignals


def stop(number: int, *, keeps_parts: bool = True, politely: bool = True, own: bool = True) -> BaseException:
    """What leaves a prediction that gets a signal."""
    words = ["out", "a.csv", "--overwrite", "--token", "hf_abcdefghijklmnopqrstuvwx"]

    def run() -> None:
        with prediction_stoppable(words, keeps_parts=keeps_parts):
            if not politely:
                os.kill(os.getpid(), number)
            with SIGNALS.polite("the prediction stops after this part."):
                os.kill(os.getpid(), number)
                assert SIGNALS.stop  # nothing is raised before the end of the part
                raise Stopped(SIGNALS.stop.code)

    with pytest.raises((Stopped, KeyboardInterrupt)) as stopped:
        if own:
            with own_process("predict.py"):
                run()
        else:
            run()
    return stopped.value


@pytest.mark.parametrize(
    ("number", "code", "title"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
def test_a_signal_waits_for_the_part_and_says_how_to_go_on(number, code, title):
    stopped = stop(number)
    assert isinstance(stopped, Stopped) and stopped.code == code and not stopped.is_shared
    first, command = str(stopped).split("\n  ")
    assert first == f"{title}: stopped. Complete parts are kept. Continue with:"
    assert command.endswith("--resume") and "--overwrite" not in command and "hf_abc" not in command


def test_before_the_first_part_a_signal_stops_at_once():
    stopped = stop(signal.SIGTERM, politely=False)
    assert stopped.code == 143 and str(stopped) == "SIGTERM: stopped."


def test_where_no_parts_are_kept_nothing_is_promised():
    assert str(stop(signal.SIGTERM, keeps_parts=False)) == "SIGTERM: stopped."


def test_a_program_that_called_main_gets_its_keyboard_interrupt():
    stopped = stop(signal.SIGINT, own=False)
    assert isinstance(stopped, KeyboardInterrupt) and "Complete parts are kept" in str(stopped)


def test_the_same_launch_goes_on_with_several_processes(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert str(stop(signal.SIGTERM)).endswith("Continue with the same launch and --resume.")


def test_a_signal_says_what_will_happen(capfd):
    signals = StopSignals()
    with signals.handled(), signals.polite("the prediction stops after this part."):
        os.kill(os.getpid(), signal.SIGINT)
    assert "Ctrl-C: the prediction stops after this part. Ctrl-C again stops at once." in capfd.readouterr().err
