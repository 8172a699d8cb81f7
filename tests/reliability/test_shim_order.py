"""The rules about a loss of power find each call that is left out of a right order."""

from __future__ import annotations

import os

import pytest
from reliability.shim_calls import Call
from reliability.shim_order import power_faults

CREATE = os.O_CREAT | os.O_WRONLY
OUT, OLD, NEW = "/out", "/out/checkpoint-3", "/out/checkpoint-6"
PARTIAL = NEW + ".partial"
RIGHT = [
    Call("mkdir", PARTIAL),
    Call("open", f"{PARTIAL}/.tmp", detail=CREATE),
    Call("write", f"{PARTIAL}/.tmp", detail=9),
    Call("rename", f"{PARTIAL}/.tmp", f"{PARTIAL}/weights"),
    Call("open", f"{PARTIAL}/manifest", detail=CREATE),
    Call("write", f"{PARTIAL}/manifest", detail=9),
    Call("fsync", f"{PARTIAL}/weights"),
    Call("fsync", f"{PARTIAL}/manifest"),
    Call("fsync", PARTIAL),
    Call("rename", PARTIAL, NEW),
    Call("fsync", OUT),
    Call("rename", OLD, OLD + ".deleted"),
    Call("unlink", f"{OLD}.deleted/weights"),
]


def test_a_right_order_has_no_faults():
    assert power_faults(RIGHT, NEW, [OLD]) == []


@pytest.mark.parametrize("number", [number for number, call in enumerate(RIGHT) if call.name == "fsync"])
def test_each_missing_fsync_is_found(number):
    assert power_faults(RIGHT[:number] + RIGHT[number + 1 :], NEW, [OLD])


@pytest.mark.parametrize(
    ("call", "number"),
    [(Call("write", f"{PARTIAL}/weights", detail=1), 7),  # a write after the last fsync of its file
     (Call("open", f"{PARTIAL}/late", detail=CREATE), 9),  # a name after the fsync of its folder
     (Call("write", f"{NEW}/weights", detail=1), 10),  # a write after the rename
     (Call("unlink", f"{OLD}/weights"), 10),  # the older one goes before the new name is on the disk
     (Call("rename", OLD, OLD + ".deleted"), 3)],
)  # fmt: skip
def test_each_call_at_a_wrong_place_is_found(call, number):
    assert power_faults([*RIGHT[:number], call, *RIGHT[number:]], NEW, [OLD])


def test_a_save_without_a_rename_is_found():
    assert power_faults([call for call in RIGHT if call.other != NEW], NEW) == [f"nothing is renamed to {NEW}"]
