"""Freed memory is kept for training in a process of our own, and returned between the parts of a prediction."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest
from helpers import ROOT

from classification.models.kernels import allocator
from classification.models.kernels.allocator import keep_freed_memory, own_process, return_freed_memory

FAULTS = """
import resource, sys, torch
from classification.models.kernels.allocator import keep_freed_memory, own_process

def page_faults(count):  # of writing new tensors of 32 MB, one after the other
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.ones(8 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with own_process("a command"):
    keep_freed_memory()
page_faults(30)  # the heap reaches its size
print(page_faults(5))
"""


@pytest.mark.skipif(not platform.libc_ver()[0], reason="only glibc has these settings")
def test_freed_memory_is_kept_for_the_next_tensor():
    """A tensor has 8,192 pages of 4 KB. Without the setting each of five tensors faults on every page."""
    done = subprocess.run([sys.executable, "-c", FAULTS], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) < 8192, done.stderr


def test_only_a_process_of_our_own_is_changed(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    loaded = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: loaded.append(name) or Libc(loaded))
    keep_freed_memory()
    assert not loaded
    with own_process("a command"):
        keep_freed_memory()
    assert loaded == [None, (-4, 0), None, (-1, -1)]
    keep_freed_memory()
    assert len(loaded) == 4


class Libc:
    def __init__(self, calls):
        self.mallopt = lambda *setting: calls.append(setting)


GAPS = """
from pathlib import Path
from classification.models.kernels.allocator import return_freed_memory

def resident():
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])

pieces = [bytes(60_000) for _ in range(2000)]  # 120 MB, each below the size that glibc maps on its own
kept = pieces[::100] + pieces[-1:]  # the last one lies above all gaps
del pieces
before = resident()
return_freed_memory()
print(before - resident())
"""


@pytest.mark.skipif(not platform.libc_ver()[0], reason="only glibc has gaps that it can return")
def test_memory_between_pieces_in_use_is_returned():
    done = subprocess.run([sys.executable, "-c", GAPS], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) > 90e6, done.stderr


def test_a_c_library_without_the_function_is_left_alone(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "linux")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    return_freed_memory()
    with own_process("a command"):
        keep_freed_memory()
