"""An error of one process is raised in all; alone, a process is not disturbed."""

from __future__ import annotations

import types

import pytest

from classification.errors import UsageError
from classification.training import processes
from classification.training.processes import is_shared, made_by_main, main_process_first, stop_together


@pytest.fixture
def two_processes(monkeypatch):
    """This process is one of two; the test sets what the other one reports at each exchange."""
    exchanges, reports = [], []

    def all_gather_object(problems, problem, group):
        exchanges.append(problem)
        problems[:] = [problem, reports.pop(0) if reports else None]

    def broadcast_object_list(values, src, group):
        values[:] = values if state.is_main_process else ["of the main process"]

    state = types.SimpleNamespace(num_processes=2, is_local_main_process=True, is_main_process=True)
    monkeypatch.setattr(processes, "this_process", lambda: state)
    fake = types.SimpleNamespace(
        is_initialized=lambda: True, get_world_size=lambda: 2, all_gather_object=all_gather_object,
        group=types.SimpleNamespace(WORLD=None), broadcast_object_list=broadcast_object_list,
    )  # fmt: skip
    monkeypatch.setattr(processes, "dist", fake)
    monkeypatch.setattr(processes, "_patient_group", lambda world: None)
    return types.SimpleNamespace(exchanges=exchanges, reports=reports, state=state)


def test_alone_errors_pass_unchanged():
    with pytest.raises(UsageError, match="bad") as raised, stop_together():
        raise UsageError("bad")
    assert not is_shared(raised.value)


def test_the_message_of_another_process_is_raised_here(two_processes):
    two_processes.reports.append((True, "--flag: bad there."))
    with pytest.raises(UsageError, match="--flag: bad there") as raised, stop_together():
        pass
    assert is_shared(raised.value) and two_processes.exchanges == [None]


def test_another_kind_of_error_ends_this_process_without_a_second_traceback(two_processes):
    two_processes.reports.append((False, "a fault"))
    with pytest.raises(SystemExit) as raised, stop_together():
        pass
    assert raised.value.code == 1


def test_an_error_is_told_once_however_deep_it_is(two_processes):
    with pytest.raises(UsageError, match="here"), stop_together(), stop_together():
        raise UsageError("here")
    assert two_processes.exchanges == [(True, "here")]


@pytest.mark.parametrize("is_first", [True, False])
def test_the_first_process_works_before_the_others(two_processes, is_first):
    two_processes.state.is_local_main_process, done = is_first, []
    with main_process_first():
        done.append(len(two_processes.exchanges))
    assert done == [0 if is_first else 1] and len(two_processes.exchanges) == 2


def test_where_the_first_process_fails_the_others_do_not_begin(two_processes):
    two_processes.state.is_local_main_process = False
    two_processes.reports.append((True, "no such file"))
    with pytest.raises(UsageError, match="no such file"), main_process_first():
        pytest.fail("began")
    assert len(two_processes.exchanges) == 1


@pytest.mark.parametrize("is_main", [True, False])
def test_one_process_decides_and_all_have_its_decision(two_processes, is_main):
    two_processes.state.is_main_process, made = is_main, []

    def decide() -> str:
        made.append(1)
        return "of the main process"

    assert made_by_main(decide) == "of the main process" and len(made) == is_main


def test_where_the_main_process_cannot_decide_no_process_waits_for_it(two_processes):
    two_processes.state.is_main_process = False
    two_processes.reports.append((True, "no good checkpoint"))
    with pytest.raises(UsageError, match="no good checkpoint"):
        made_by_main(lambda: pytest.fail("only the main process decides"))
