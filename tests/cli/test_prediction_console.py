"""What a prediction prints where, and that loggers and streams are as before afterwards."""

from __future__ import annotations

import logging
import sys

import pytest

from classification.cli.prediction_console import prediction_console
from classification.messages.log import OUR_LOGGERS

log = logging.getLogger("classification.anything")


@pytest.mark.parametrize("to_stderr", [True, False])
def test_lines_leave_stdout_to_the_answers(capsys, to_stderr):
    with prediction_console(to_stderr=to_stderr):
        log.info("a fact")
        log.warning("careful\x1b[31m")
    shown = capsys.readouterr()
    assert (shown.err if to_stderr else shown.out) == "a fact\nwarning: careful\\x1b[31m\n"
    assert not (shown.out if to_stderr else shown.err)


def test_at_the_terminal_only_warnings_are_seen(capsys):
    with prediction_console(to_stderr=True, level=logging.WARNING):
        log.info("a fact")
        log.warning("careful")
    assert capsys.readouterr().err == "warning: careful\n"


def test_only_the_main_process_prints(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with prediction_console(to_stderr=False):
        log.warning("careful")
    assert capsys.readouterr().out == ""


def test_everything_is_as_before_also_after_an_error():
    loggers = [logging.getLogger(name) for name in (*OUR_LOGGERS, "transformers", "datasets")]
    state = [(one.handlers, one.level, one.propagate) for one in loggers]
    streams = sys.stdout, sys.stderr
    with pytest.raises(KeyError), prediction_console(to_stderr=False):
        raise KeyError
    assert [(one.handlers, one.level, one.propagate) for one in loggers] == state
    assert (sys.stdout, sys.stderr) == streams


def test_a_closed_stdout_is_no_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with prediction_console(to_stderr=False):
        log.info("nobody reads this")
