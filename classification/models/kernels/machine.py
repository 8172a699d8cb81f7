"""How fast this machine computes, and what its instruction set decides without a measurement.

The same command must give the same numbers on the same machine, however busy the machine is. `USUAL` therefore decides
by the instruction set. A measurement overrules it only where it is far from a tie.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import torch

PRODUCTS = {"cpu": (1024, 1024, 1024), "cuda": (8192, 8192, 8192)}  # rows, inner and columns of the measured product
FEWEST_PRODUCTS = 6
MEASURED_SECONDS = 0.1
# A way of computing is worth its drawbacks if it is 1.5 times as fast: bf16 slows down other operations, and attention
# in pieces writes its scores. Measurements of one machine, idle or busy, differ by a factor of up to 1.8
# (docs/reliability.md), so that a ratio overrules the instruction set outside of 1.5 / 2 to 1.5 x 2 only.
TIE, FAR = 1.5, 2.0


@dataclass(frozen=True)
class Usual:
    """What is usually faster with an instruction set.

    Args:
        bf16: products in bf16, for one process. together: for several processes that share a CPU.
        pieces: attention in pieces in bf16; in fp32 fused attention is.
    """

    bf16: bool
    together: bool
    pieces: bool


USUAL = {
    "amx_bf16": Usual(bf16=True, together=True, pieces=False),
    "avx512_bf16": Usual(bf16=True, together=False, pieces=True),
    "sve_bf16": Usual(bf16=True, together=False, pieces=False),  # ARM
    "bf16": Usual(bf16=True, together=False, pieces=False),  # ARM
    None: Usual(bf16=False, together=False, pieces=False),
}


def bf16_instructions() -> str | None:
    """The CPU's instruction set for bf16 matrix products, None where it has none."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if capabilities:
        return next((name for name in USUAL if name and capabilities.get(name)), None)
    return "avx512_bf16" if torch.cpu._is_avx512_bf16_supported() else None  # torch 2.11


def int8_can_overflow() -> bool:
    """Whether products of 8-bit weights can overflow on this CPU: an x86 without VNNI adds two of them in 16 bits."""
    if platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686"):
        return False
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if capabilities:
        return not any(has is True and "vnni" in name for name, has in capabilities.items())
    return not torch.cpu._is_vnni_supported()  # torch 2.11


def number_of_processes() -> int:
    """Processes of this run. Several must decide alike, so that they do not measure."""
    return int(os.environ.get("WORLD_SIZE", 1))


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch computes in one thread: several wait for the slowest, which on a busy machine is any of them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def times_as_fast(usual: Callable[[], object], other: Callable[[], object]) -> float:
    """How many times as fast as `usual` the function `other` is.

    The median of pairs that run one after the other: another job slows down both of a pair, or few pairs.
    """
    ratios: list[float] = []
    with one_thread():
        usual(), other()  # the first call prepares the kernels
        begin = time.perf_counter()
        while len(ratios) < FEWEST_PRODUCTS or time.perf_counter() - begin < MEASURED_SECONDS:
            start = time.perf_counter()
            usual()
            middle = time.perf_counter()
            other()
            ratios.append((middle - start) / (time.perf_counter() - middle))
    return statistics.median(ratios)


@cache
@torch.inference_mode(False)
@torch.no_grad()
def speed_of_bf16() -> float:
    """How many times as fast as in fp32 matrix products in bf16 are on this CPU."""
    own = torch.Generator()  # leaves the random numbers of the run unchanged
    rows, inner, columns = PRODUCTS["cpu"]
    left, right = torch.randn(rows, inner, generator=own), torch.randn(inner, columns, generator=own)
    halves = left.bfloat16(), right.bfloat16()
    return times_as_fast(lambda: torch.matmul(left, right), lambda: torch.matmul(*halves))


def is_worth_it(usual: bool, ratio: float) -> bool:
    """Whether a way of computing is chosen that was measured to be `ratio` times as fast as the other one."""
    return ratio > TIE / FAR if usual else ratio > TIE * FAR


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
