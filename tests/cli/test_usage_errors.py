"""An error of usage in the shell: one line and exit code 2, or the traceback with --debug."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers import ROOT

from classification.cli.parser import parse_arguments
from classification.cli.usage_errors import exit_on_usage_error, print_traceback
from classification.errors import RunError, UsageError

WRONG = ["--train_file", "nowhere.csv"]
MESSAGE = "--train_file nowhere.csv: there is no such file"


def test_the_shell_sees_one_line_and_exit_code_2():
    command = [sys.executable, ROOT / "run_classification.py", *WRONG]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith(f"error: {MESSAGE}") and done.stderr.count("\n") == 1


@pytest.mark.parametrize("line", ["--help all", "--help"])
def test_a_reader_that_leaves_early_is_no_error(line):
    """`... | head` closes the pipe; Python would end with a traceback or with code 120."""
    command = f"set -o pipefail; {sys.executable} {ROOT / 'run_classification.py'} {line} | true"
    for unbuffered in ("", "1"):
        environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, env=environment)
        assert (done.returncode, done.stderr) == (0, "")


def test_an_error_shows_no_control_characters(capsys):
    def refuse():
        raise UsageError("--train_file \x1b[2J.csv: there is no such file.")

    with pytest.raises(SystemExit):
        exit_on_usage_error(refuse)
    assert capsys.readouterr().err == "error: --train_file \\x1b[2J.csv: there is no such file.\n"


def test_debug_keeps_the_traceback(monkeypatch):
    arguments = [*WRONG, "--debug"]
    monkeypatch.setattr(sys, "argv", ["run_classification.py", *arguments])
    with pytest.raises(UsageError, match=MESSAGE):
        exit_on_usage_error(parse_arguments, arguments)


def failed_run():
    raise RunError("Training diverged at step 3 of 9.")


def test_a_run_that_failed_is_one_line_and_exit_code_1(capsys):
    with pytest.raises(SystemExit) as ended:
        exit_on_usage_error(failed_run)
    assert ended.value.code == 1 and capsys.readouterr().err == "error: Training diverged at step 3 of 9.\n"


def test_debug_keeps_the_traceback_of_a_run_that_failed(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["run_classification.py", "--debug"])
    with pytest.raises(RunError):
        exit_on_usage_error(failed_run)


def test_neither_the_line_nor_a_traceback_shows_a_secret(monkeypatch, capsys):
    """Also where it is in the error of a library that was the cause."""

    def fail():
        try:
            raise KeyError("sentinel-token of https://me:pass@host")
        except KeyError as cause:
            raise UsageError("cannot connect with sentinel-token") from cause

    monkeypatch.setattr(sys, "argv", ["run_classification.py", "--hub_token=sentinel-token"])
    with pytest.raises(SystemExit):
        exit_on_usage_error(fail)
    with pytest.raises(UsageError) as raised:
        fail()
    print_traceback(raised.type, raised.value, raised.tb)
    shown = capsys.readouterr().err
    assert "sentinel" not in shown and "me:pass" not in shown
    assert "error: cannot connect with <redacted>" in shown and "in fail" in shown and "KeyError" in shown
