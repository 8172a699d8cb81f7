"""Freed memory is kept in a process of our own; a program that calls `main` keeps its allocator."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest
from helpers import ROOT

from classification.models.kernels import allocator
from classification.models.kernels.allocator import keep_freed_memory, own_process

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
    assert loaded == [None, (-4, 0), (-1, -1)]
    keep_freed_memory()
    assert len(loaded) == 3


class Libc:
    def __init__(self, calls):
        self.mallopt = lambda *setting: calls.append(setting)
