"""The number format of the matrix products, chosen by what the device does fast."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from transformers.utils import is_torch_tf32_available

from classification.errors import UsageError
from classification.messages.log import Line
from classification.models.kernels.machine import USUAL, bf16_instructions, is_worth_it, speed_of_bf16

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Precision:
    """The number format of the matrix products (weights and the loss stay fp32), with the reason for it."""

    name: str
    reason: str
    tf32: bool = False

    @property
    def is_half(self) -> bool:
        return self.name in ("bf16", "fp16")

    @property
    def dtype(self) -> torch.dtype:
        return DTYPES[self.name]

    def summary(self, device: str) -> Line:
        return Line("precision", f"{self.name} on {device} ({self.reason}){', TF32 on' if self.tf32 else ''}")


def device_type(use_cpu: bool) -> str:
    """The device that the Trainer will use: `cuda`, `mps`, `xpu` or `cpu`."""
    forced = use_cpu or os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true")
    accelerator = None if forced else torch.accelerator.current_accelerator(check_available=True)
    return "cpu" if accelerator is None else accelerator.type


def decide_precision(requested: str, device: str, num_processes: int = 1, stored: str | None = None) -> Precision:
    """Choose the number format: bf16 where it is fast, else fp16 with CUDA, else fp32.

    Args:
        requested: `auto`, `bf16`, `fp16` or `fp32`.
        device: as `device_type` returns it.
        stored: what `auto` chose on this kind of device when the run began; None for a run that begins.

    Raises:
        UsageError: a format that the device does not have. (The Trainer silently uses fp32 for fp16 on a CPU.)
    """
    tf32 = device == "cuda" and is_torch_tf32_available()
    if requested == "fp16" and device != "cuda":
        raise UsageError(
            f"--precision fp16: needs a CUDA GPU with a gradient scaler, and this run uses {device}. "
            "Use --precision auto, bf16 or fp32."
        )
    if requested == "bf16" and device == "cuda" and not _gpu_has_bf16():
        raise UsageError("--precision bf16: this GPU has no bf16 arithmetic. Use --precision fp16 or auto.")
    if requested != "auto":
        return Precision(requested, "as requested", tf32)
    if stored in DTYPES:
        return Precision(stored, "auto: as in the checkpoint", tf32)
    if device == "cuda":
        if _gpu_has_bf16():
            return Precision("bf16", "auto: the GPU has it", tf32)
        return Precision("fp16", "auto: the GPU has no bf16", tf32)
    return _precision_of_cpu(num_processes) if device == "cpu" else Precision("fp32", f"auto: on {device}")


def _gpu_has_bf16() -> bool:
    return torch.cuda.is_bf16_supported(including_emulation=False)


def _precision_of_cpu(num_processes: int) -> Precision:
    """Decide by the instruction set, unless products in bf16 are measured to be far slower than it promises."""
    instructions = bf16_instructions()
    if not instructions:
        return Precision("fp32", "auto: this CPU has no bf16 instructions")
    usual = USUAL[instructions]
    if num_processes > 1:
        name = "bf16" if usual.together else "fp32"
        return Precision(name, f"auto: several processes on one CPU that has {instructions}")
    ratio = speed_of_bf16()
    name = "bf16" if is_worth_it(usual.bf16, ratio) else "fp32"
    return Precision(name, f"auto: bf16 products ({instructions}) are {ratio:.1f} times as fast on this CPU")
