"""`--inject_fault`: what can be asked for, that each fault happens once at its place, and that none leaks."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys

import pytest
import torch
from helpers import ROOT

from classification.errors import UsageError
from classification.training import faults
from classification.training.faults import SAVE_STAGES, fault_at, faults_armed, parse_faults
from run_classification import main

STEP, SAVE = "step", "save:begin"


def save(number: int = 1) -> None:
    """The places of `number` saves, in their order."""
    for _ in range(number):
        for stage in SAVE_STAGES:
            fault_at(f"save:{stage}")


# ------------------------------------------------------------------------------------------------------ what is asked


@pytest.mark.parametrize(
    ("text", "action", "place", "number", "rank"),
    [
        ("kill@step=10", "kill", "step", 10, None),
        ("enospc@save=2:weights", "enospc", "save:weights", 2, None),
        ("kill@save=1", "kill", "save:optimizer", 1, None),
        ("oom@train=3:rank=0", "oom", "train:forward", 3, 0),
        (" stop@save=2:rename:rank=0 ", "stop", "save:rename", 2, 0),
    ],
)
def test_a_fault_is_an_action_at_a_place(text, action, place, number, rank):
    (fault,) = parse_faults(text)
    assert (fault.action, fault.place, fault.number, fault.rank) == (action, place, number, rank)


def test_faults_are_comma_separated_and_none_is_the_default():
    assert [fault.action for fault in parse_faults("kill@step=1, eio@save=2,oom@train=3")] == ["kill", "eio", "oom"]
    assert parse_faults(None) == ()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kill", "is not ACTION@PLACE=N"),
        ("kill@step", "is not ACTION@PLACE=N"),
        ("kill@step=", "is not ACTION@PLACE=N"),
        ("kill@step=-1", "is not ACTION@PLACE=N"),
        ("kill@step=1.5", "is not ACTION@PLACE=N"),
        ("KILL@step=1", "is not ACTION@PLACE=N"),
        ("kill@step=1,", "is not ACTION@PLACE=N"),
        ("kill@step=1 stop@step=2", "is not ACTION@PLACE=N"),
        ("kill@save=1:rank=x", "is not ACTION@PLACE=N"),
        ("crash@step=1", "no action crash"),
        ("kill@epoch=1", "no place epoch"),
        ("kill@step=0", "counted from 1"),
        ("kill@save=1:weight", "save has no stage weight"),
        ("kill@step=1:weights", "step has no stage weights"),
        ("enospc@step=1", "enospc cannot happen at step=1"),
        ("eio@train=1", "eio cannot happen"),
        ("oom@save=1", "oom cannot happen at save=1"),
        ("kill@step=1:rank=1", "there is no process 1 of 1"),
        ("kill@step=1,oops", "oops"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused_with_the_list_of_those_that_can(text, problem):
    with pytest.raises(UsageError) as refused:
        parse_faults(text)
    message = str(refused.value)
    assert problem in message and message.startswith("--inject_fault ") and "\n" not in message
    assert all(word in message for word in (*SAVE_STAGES, *faults.PLACES, ":rank=R"))


def test_a_wrong_fault_is_refused_before_anything_starts(command, nothing_slow):
    with pytest.raises(UsageError, match="--inject_fault kill@stp=3: there is no place stp"):
        main(command(inject_fault="kill@stp=3"))


# ------------------------------------------------------------------------------------------------------- what happens


@pytest.mark.parametrize(("action", "number"), [("enospc", errno.ENOSPC), ("eio", errno.EIO)])
def test_a_disk_fault_is_the_error_of_the_system_at_its_stage_of_its_save(action, number):
    with faults_armed(parse_faults(f"{action}@save=2:random")):
        save(1)
        for stage in ("begin", "weights", "optimizer"):
            fault_at(f"save:{stage}")
        with pytest.raises(OSError, match="injected") as raised:
            fault_at("save:random")
    assert raised.value.errno == number


def test_a_save_that_failed_is_counted():
    with faults_armed(parse_faults("enospc@save=1:weights,eio@save=2:begin")):
        for _ in range(2):
            with pytest.raises(OSError):
                save()


def test_a_lack_of_memory_is_that_of_torch():
    with faults_armed(parse_faults("oom@train=2")):
        fault_at("train:forward")
        with pytest.raises(torch.OutOfMemoryError, match="injected"):
            fault_at("train:forward")
        fault_at("train:forward")  # the same step again


def test_a_step_is_known_by_its_own_number():
    """A resumed run counts on: its first step is not step 1."""
    with faults_armed(parse_faults("stop@step=7")):
        happened = caught_at(signal.SIGTERM, lambda: [fault_at("step", number) for number in (5, 6, 7)])
    assert happened == [signal.SIGTERM]


@pytest.mark.parametrize(("action", "number"), [("stop", signal.SIGTERM), ("interrupt", signal.SIGINT)])
def test_a_signal_reaches_its_handler_once(action, number):
    with faults_armed(parse_faults(f"{action}@step=2")):
        assert caught_at(number, lambda: [fault_at("step", step) for step in (1, 2, 2, 3)]) == [number]


def caught_at(number: int, function) -> list[int]:
    """The signals that arrive while `function` runs."""
    caught: list[int] = []
    before = signal.signal(number, lambda arrived, frame: caught.append(arrived))
    try:
        function()
    finally:
        signal.signal(number, before)
    return caught


def test_a_kill_leaves_no_time_for_anything():
    code = """
import atexit, sys
from classification.training.faults import fault_at, faults_armed, parse_faults
atexit.register(print, "the exit")
with faults_armed(parse_faults(sys.argv[1])):
    try:
        print("before")
        fault_at("step", 1)
    finally:
        print("after")
"""
    run = [sys.executable, "-c", code, "kill@step=1"]
    done = subprocess.run(run, capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "before\n")


def test_other_processes_go_on(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    chosen = parse_faults("enospc@save=1:begin:rank=1")
    save_alone = pytest.raises(OSError)
    with faults_armed(chosen):
        fault_at(SAVE)
    monkeypatch.setenv("RANK", "1")
    with faults_armed(chosen), save_alone:
        fault_at(SAVE)


# ----------------------------------------------------------------------------------------------------- what is printed


def test_the_run_warns_before_the_damage_and_names_what_did_not_happen(caplog):
    with faults_armed(parse_faults("enospc@save=1:begin,oom@train=99")):
        assert "damages itself on purpose" in caplog.text and "enospc@save=1:begin and" not in caplog.text
        with pytest.raises(OSError):
            fault_at(SAVE)
        assert "enospc@save=1:begin: now" in caplog.text
    assert (
        caplog.records[-1].getMessage() == "--inject_fault oom@train=99: has not happened; this run has no such place"
    )


def test_nothing_is_armed_after_an_error_or_without_the_flag():
    with pytest.raises(ValueError), faults_armed(parse_faults("oom@train=1")):
        raise ValueError
    fault_at("train:forward")
    with faults_armed(()):
        fault_at("train:forward")
    assert not faults.ARMED.faults and not faults.ARMED.visits


def test_a_run_counts_from_one_again():
    for _ in range(2):
        with faults_armed(parse_faults("eio@save=2:begin")), pytest.raises(OSError):
            fault_at(SAVE)
            fault_at(SAVE)
