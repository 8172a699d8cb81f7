"""What is measured of the machine, and the memory that it keeps."""

from __future__ import annotations

import platform

import pytest
import torch

from classification.models.kernels.machine import keep_freed_memory, product_ceiling


def page_faults(count: int) -> int:
    """Page faults of writing `count` new tensors of 32 MB, one after the other."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.ones(8 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not platform.libc_ver()[0], reason="only glibc has these settings")
def test_freed_memory_is_kept_for_the_next_tensor():
    """A tensor has 8,192 pages of 4 KB. Without the setting each of five tensors faults on every page."""
    keep_freed_memory()
    page_faults(30)  # the heap reaches its size
    assert page_faults(5) < 8192


def test_the_measured_products_leave_the_random_numbers_of_the_run_unchanged():
    product_ceiling.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(())
    torch.manual_seed(3)
    assert product_ceiling(torch.device("cpu"), torch.float32) > 1e6
    assert torch.rand(()) == expected
