"""What an error may cost: one part of the output, or the run."""

from __future__ import annotations

import logging

import pytest
import torch

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


@pytest.mark.parametrize(
    "error",
    [OSError(28, "No space left on device"), PermissionError(13, "no"), MemoryError(), torch.OutOfMemoryError("CUDA")],
    ids=repr,
)
def test_what_nobody_asked_for_is_lost_where_a_second_attempt_may_succeed(error):
    lost: list[str] = []
    with cosmetic("the plot", lost, asked=False):
        raise error
    assert lost == ["the plot"]


@pytest.mark.parametrize("error", [ValueError("nan"), UsageError("no file."), KeyError("x")], ids=repr)
def test_what_nobody_asked_for_is_a_warning_where_it_would_fail_again(error, caplog):
    """Unless another part is lost, which may be the cause: then the run is repeated in any case."""
    lost: list[str] = []
    with cosmetic("the plot", lost, asked=False):
        raise error
    assert not lost and len(caplog.messages) == 1
    lost.append("run.json")
    with cosmetic("the plot", lost, asked=False):
        raise error
    assert lost == ["run.json", "the plot"]


@pytest.mark.parametrize("end", [KeyboardInterrupt, SystemExit])
def test_a_user_can_end_the_run(end):
    with pytest.raises(end), cosmetic("the plot"):
        raise end


def test_an_error_that_has_ended_the_other_processes_ends_this_one():
    error = ZeroDivisionError("a bug")
    error.is_shared = True
    with pytest.raises(ZeroDivisionError), cosmetic("the plot"):
        raise error
