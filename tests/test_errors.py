"""What an error may cost: one part of the output, or the run."""

from __future__ import annotations

import logging

import pytest

import classification.errors
from classification.errors import RunError, UsageError, cosmetic


@pytest.fixture(autouse=True)
def forgiving(monkeypatch, caplog):
    monkeypatch.setattr(classification.errors, "FORGIVING", True)
    caplog.set_level(logging.WARNING, "classification")


@pytest.mark.parametrize(
    "error", [ZeroDivisionError("a\nb"), UsageError("no file."), RunError("diverged"), KeyError("x")]
)
def test_an_error_costs_its_part_and_is_one_line(error, caplog):
    lost: list[str] = []
    with cosmetic("the plot"):
        raise error
    with cosmetic("the table", lost):
        raise error
    assert lost == ["the table"]
    assert all(line.count("\n") == 0 and type(error).__name__ in line for line in caplog.messages)
    assert caplog.messages[0].startswith("the plot is missing: ")


def test_without_an_error_nothing_is_logged(caplog):
    lost: list[str] = []
    with cosmetic("the plot", lost):
        pass
    assert not lost and not caplog.messages


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_user_can_end_the_run(end):
    with pytest.raises(end), cosmetic("the plot"):
        raise end


def test_an_error_that_has_ended_the_other_processes_ends_this_one():
    error = ZeroDivisionError("a bug")
    error.is_shared = True
    with pytest.raises(ZeroDivisionError), cosmetic("the plot"):
        raise error
