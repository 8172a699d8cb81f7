"""An error of usage in the shell: one line and exit code 2, or the traceback with --debug."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import ROOT

from classification.cli.parser import parse_arguments
from classification.cli.usage_errors import exit_on_usage_error
from classification.errors import UsageError

WRONG = ["--train_file", "nowhere.csv"]
MESSAGE = "--train_file nowhere.csv: there is no such file"


def test_the_shell_sees_one_line_and_exit_code_2():
    command = [sys.executable, ROOT / "run_classification.py", *WRONG]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and not done.stdout
    assert done.stderr.startswith(f"error: {MESSAGE}") and done.stderr.count("\n") == 1


def test_debug_keeps_the_traceback(monkeypatch):
    arguments = [*WRONG, "--debug"]
    monkeypatch.setattr(sys, "argv", ["run_classification.py", *arguments])
    with pytest.raises(UsageError, match=MESSAGE):
        exit_on_usage_error(parse_arguments, arguments)
