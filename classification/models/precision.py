"""What the machine can do: number format and loader settings, each decided with a reason."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import time
from dataclasses import dataclass
from functools import cache

import torch
from transformers import TrainingArguments
from transformers.integrations import get_available_reporting_integrations
from transformers.utils import is_torch_tf32_available

from classification.errors import UsageError, some

MAX_LOADER_WORKERS = 8
PRODUCTS = {"cpu": (1024, 1024, 1024), "cuda": (8192, 8192, 8192)}  # rows, inner and columns of the measured product
MEASURED_SECONDS = 0.1
MUCH_FASTER = 1.5  # what is measured to be chosen: bf16 products must make up for what between them is slower in bf16
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


@dataclass(frozen=True)
class Precision:
    """The number format of the matrix products (weights and the loss stay fp32), and why."""

    name: str
    reason: str
    tf32: bool = False

    @property
    def is_half(self) -> bool:
        return self.name in ("bf16", "fp16")


def device_type(use_cpu: bool) -> str:
    """`cuda`, `mps`, `xpu` or `cpu`: what the Trainer will use."""
    if (
        use_cpu
        or os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true")
        or not torch.accelerator.is_available()
    ):
        return "cpu"
    return torch.accelerator.current_accelerator().type


def decide_precision(requested: str, device: str, num_processes: int = 1) -> Precision:
    """Choose the number format: bf16 where it is fast, else fp16 with CUDA, else fp32.

    A processor is measured: the same instructions are four times as fast as fp32 on one, and slower than it on another
    (AVX512-BF16 without AMX). Several processes, which could measure differently, go by AMX alone.

    Args:
        requested: `auto`, `bf16`, `fp16` or `fp32`.
        device: as from `device_type`.

    Raises:
        UsageError: a format that the device does not have. (The Trainer silently trains in fp32 with fp16 on a CPU.)
    """
    tf32 = device == "cuda" and is_torch_tf32_available()
    if requested == "fp16" and device != "cuda":
        raise UsageError(
            f"--precision fp16: needs a CUDA GPU with a gradient scaler, and this run uses {device}. "
            "Use --precision auto, bf16 or fp32."
        )
    if requested == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise UsageError("--precision bf16: this GPU has no bf16 arithmetic. Use --precision fp16 or auto.")
    if requested != "auto":
        return Precision(requested, "as asked", tf32)
    if device == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Precision("bf16", "auto: the GPU has it", tf32)
        return Precision("fp16", "auto: the GPU has no bf16", tf32)
    if device == "cpu":
        instructions = bf16_instructions()
        if not instructions:
            return Precision("fp32", "auto: this processor has no bf16 instructions")
        if num_processes > 1:
            chosen = "bf16" if instructions == "amx_bf16" else "fp32"
            return Precision(chosen, f"auto: several processes on one processor that has {instructions}")
        fp32, bf16 = (product_ceiling(torch.device(device), dtype) for dtype in (torch.float32, torch.bfloat16))
        measured = f"auto: this processor's products in bf16 ({instructions}) are {bf16 / fp32:.1f} times as fast"
        return Precision("bf16" if bf16 > MUCH_FASTER * fp32 else "fp32", measured)
    return Precision("fp32", f"auto: on {device}")


def bf16_instructions() -> str | None:
    """The instruction set for bf16 matrix products on this processor, if it has one."""
    capabilities = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    if capabilities:
        return next((name for name in ("amx_bf16", "avx512_bf16", "sve_bf16", "bf16") if capabilities.get(name)), None)
    return "avx512_bf16" if torch.cpu._is_avx512_bf16_supported() else None  # torch 2.11


@cache
@torch.no_grad()
def product_ceiling(device: torch.device, dtype: torch.dtype) -> float:
    """FLOP/s of the fastest of some matrix products: what the arithmetic of a model is measured against. Of a tenth of
    a second of them, for another job may have the processor for a while."""
    rows, inner, columns = PRODUCTS.get(device.type, PRODUCTS["cpu"])
    own = torch.Generator(device)  # the run's own goes on from where it is
    left = torch.randn(rows, inner, device=device, generator=own).to(dtype)
    right = torch.randn(inner, columns, device=device, generator=own).to(dtype)
    seconds: list[float] = []
    while len(seconds) < 6 or sum(seconds) < MEASURED_SECONDS:
        start = time.perf_counter()
        left @ right
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
        seconds.append(time.perf_counter() - start)
    return 2 * rows * inner * columns / min(seconds)


def keep_freed_memory() -> None:
    """Have glibc keep the memory of freed tensors for the next ones. Given back to the system in every step it is
    faulted in again page by page: a quarter of a training step on short texts. Does nothing elsewhere."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # musl has no mallopt
            libc = ctypes.CDLL(None)
            libc.mallopt(M_MMAP_MAX, 0)
            libc.mallopt(M_TRIM_THRESHOLD, -1)  # never


def running_sums(count: int, device: torch.device) -> torch.Tensor:
    """Zeros to add figures to on the device, so that no step waits for them; in fp64, which only MPS lacks."""
    return torch.zeros(count, dtype=torch.float64 if device.type != "mps" else torch.float32, device=device)


def loader_settings(device: str, num_processes: int = 1, workers: int | None = None) -> dict:
    """`TrainingArguments` for the data loaders.

    Beside an accelerator, worker processes collate ahead into pinned memory. On a CPU a worker would take time from
    the arithmetic, and there is nothing to copy to. `workers` is the number that the user asked for, if any.
    """
    accelerated = device != "cpu"
    if workers is None:
        workers = max(1, min(MAX_LOADER_WORKERS, (os.cpu_count() or 2) // 2 // num_processes)) if accelerated else 0
    settings = {"dataloader_num_workers": workers, "dataloader_pin_memory": device == "cuda"}
    if workers:
        settings |= {"dataloader_prefetch_factor": 2, "dataloader_persistent_workers": True}
    return settings | ({"accelerator_config": {"non_blocking": True}} if device == "cuda" else {})


def device_arguments(device: str, precision: Precision, num_processes: int = 1, workers: int | None = None) -> dict:
    """`TrainingArguments` that follow from the device: its number format and its loaders."""
    return {
        "use_cpu": device == "cpu",
        "bf16": precision.name == "bf16",
        "fp16": precision.name == "fp16",
        "tf32": True if precision.tf32 else None,
        **loader_settings(device, num_processes, workers),
    }


def refuse_unfit(args: TrainingArguments) -> None:
    """Refuse what this machine or its processes cannot do right.

    Raises:
        UsageError: one process with several GPUs (it would run `DataParallel`: slow, and it scales the loss by their
            number), an order of rows that repeats rows over several processes, a tracker that is not installed.
    """
    if args.n_gpu > 1:
        raise UsageError(
            f"{args.n_gpu} GPUs are visible to one process. Use them all with: bash scripts/run_multi_gpu.sh ... "
            f"(accelerate launch --num_processes {args.n_gpu} run_classification.py ...), or one: "
            "CUDA_VISIBLE_DEVICES=0"
        )
    if args.world_size > 1 and args.train_sampling_strategy not in ("random", "group_by_length"):
        raise UsageError(
            f"--train_sampling_strategy {args.train_sampling_strategy}: would repeat rows over several processes. "
            "Use random or group_by_length."
        )
    missing = set(args.report_to) - {"all", "none"} - set(get_available_reporting_integrations())
    if missing:
        raise UsageError(f"--report_to {some(sorted(missing))}: is not installed. pip install it, or leave it out.")
