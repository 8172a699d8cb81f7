"""A lack of memory: how it is recognised, and how memory is given back."""

from __future__ import annotations

import gc
import re

import torch

from classification.errors import RunError

# CUDA, ROCm, XPU and MPS; cuBLAS; the allocator of the CPU on Linux and on Windows.
MESSAGES = re.compile(
    r"out of memory|CUBLAS_STATUS_ALLOC_FAILED|DefaultCPUAllocator: (can't allocate|not enough) memory"
)


class LacksMemoryElsewhere(Exception):
    """Another process ran out of memory in this pass, which all processes repeat."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error is a lack of memory, by its class or by the message of its allocator."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError | LacksMemoryElsewhere):
        return True
    return isinstance(error, RuntimeError) and not isinstance(error, RunError) and bool(MESSAGES.search(str(error)))


def free_memory() -> None:
    """Give back what failed passes have left. The error that ended them must be gone: it holds their tensors."""
    gc.collect()
    empty_cache = getattr(torch.get_device_module(), "empty_cache", None)  # of the accelerator; a CPU has none
    if empty_cache:
        empty_cache()
