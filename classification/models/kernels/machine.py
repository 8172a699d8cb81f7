"""How fast the matrix products of this machine are."""

from __future__ import annotations

import time
from functools import cache

import torch

PRODUCTS = {"cpu": (1024, 1024, 1024), "cuda": (8192, 8192, 8192)}  # rows, inner and columns of the measured product
FEWEST_PRODUCTS = 6
MEASURED_SECONDS = 0.1
MUCH_FASTER = 1.5  # bf16 is chosen above this ratio: it must make up for the operations that are slower in bf16


@cache
@torch.no_grad()
def product_ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """Measure FLOP/s of the fastest of several matrix products, the upper limit for a model on this device.

    The measurement lasts at least 0.1 s, because another job may use the processor for part of that time.
    """
    rows, inner, columns = PRODUCTS.get(device.type, PRODUCTS["cpu"])
    own = torch.Generator(device)  # leaves the random numbers of the run unchanged
    left = torch.randn(rows, inner, device=device, generator=own).to(dtype)
    right = torch.randn(inner, columns, device=device, generator=own).to(dtype)
    seconds: list[float] = []
    while len(seconds) < FEWEST_PRODUCTS or sum(seconds) < MEASURED_SECONDS:
        start = time.perf_counter()
        torch.matmul(left, right)
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return 2 * rows * inner * columns / min(seconds)
