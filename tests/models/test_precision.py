"""The number format is chosen by measured speed and described with a reason."""

from __future__ import annotations

import pytest
import torch

from classification.errors import UsageError
from classification.models import precision
from classification.models.precision import Precision, decide_precision, device_type


def test_precision_is_decided_with_a_reason():
    assert decide_precision("fp32", "cpu") == Precision("fp32", "as requested")
    automatic = decide_precision("auto", "cpu")
    assert automatic.name in ("bf16", "fp32") and "this CPU" in automatic.reason
    assert decide_precision("auto", "mps").name == "fp32"
    assert automatic.summary("cpu").text == f"{automatic.name} on cpu ({automatic.reason})"
    assert Precision("bf16", "auto: the GPU has it", tf32=True).summary("cuda").text.endswith(", TF32 on")


@pytest.mark.parametrize(("bf16", "expected"), [(4.0, "bf16"), (1.2, "fp32"), (0.6, "fp32")])
def test_a_cpu_gets_the_format_of_its_faster_products(bf16, expected, monkeypatch):
    """AVX512-BF16 without AMX has the instructions, which are slower than fp32."""
    speeds = {torch.float32: 1e9, torch.bfloat16: bf16 * 1e9}
    monkeypatch.setattr(precision, "bf16_instructions", lambda: "amx_bf16")
    monkeypatch.setattr(precision, "product_ceiling", lambda device, dtype: speeds[dtype])
    chosen = decide_precision("auto", "cpu")
    assert chosen.name == expected and f"(amx_bf16) are {bf16:.1f} times as fast" in chosen.reason
    assert decide_precision("auto", "cpu", num_processes=2).name == "bf16"  # not measured: all processes agree
    monkeypatch.setattr(precision, "bf16_instructions", lambda: "avx512_bf16")
    assert decide_precision("auto", "cpu", num_processes=2).name == "fp32"
    monkeypatch.setattr(precision, "bf16_instructions", lambda: None)
    assert decide_precision("auto", "cpu").name == "fp32"


def test_a_format_that_the_device_does_not_have_is_refused(monkeypatch):
    with pytest.raises(UsageError, match="--precision fp16: needs a CUDA GPU.*uses cpu"):
        decide_precision("fp16", "cpu")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: False)
    with pytest.raises(UsageError, match="--precision bf16: this GPU has no bf16"):
        decide_precision("bf16", "cuda")
    assert decide_precision("auto", "cuda").name == "fp16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert decide_precision("auto", "cuda").name == "bf16"


def test_the_device_is_the_cpu_where_it_is_forced(monkeypatch):
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available=False: torch.device("cuda"))
    assert device_type(use_cpu=True) == "cpu" and device_type(use_cpu=False) == "cuda"
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    assert device_type(use_cpu=False) == "cpu"
