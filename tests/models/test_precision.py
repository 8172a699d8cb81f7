"""The number format is chosen by the instruction set, unless a measurement is far from it, and has a reason."""

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


@pytest.mark.parametrize(
    ("ratio", "expected"), [(4.0, "bf16"), (1.6, "bf16"), (1.2, "bf16"), (0.8, "bf16"), (0.6, "fp32")]
)
@pytest.mark.parametrize("instructions", ["amx_bf16", "avx512_bf16", "sve_bf16"])
def test_near_a_tie_the_instruction_set_decides(ratio, expected, instructions, monkeypatch):
    """The same machine measures other ratios when it is busy."""
    monkeypatch.setattr(precision, "bf16_instructions", lambda: instructions)
    monkeypatch.setattr(precision, "speed_of_bf16", lambda: ratio)
    chosen = decide_precision("auto", "cpu")
    assert chosen.name == expected and f"({instructions}) are {ratio:.1f} times as fast" in chosen.reason


def test_several_processes_and_a_cpu_without_bf16_measure_nothing(monkeypatch):
    monkeypatch.setattr(precision, "speed_of_bf16", lambda: pytest.fail("measured"))
    monkeypatch.setattr(precision, "bf16_instructions", lambda: "amx_bf16")
    assert decide_precision("auto", "cpu", num_processes=2).name == "bf16"
    monkeypatch.setattr(precision, "bf16_instructions", lambda: "avx512_bf16")
    assert decide_precision("auto", "cpu", num_processes=2).name == "fp32"
    monkeypatch.setattr(precision, "bf16_instructions", lambda: None)
    assert decide_precision("auto", "cpu").name == "fp32"


def test_a_resumed_run_keeps_its_format_and_a_flag_wins(monkeypatch):
    monkeypatch.setattr(precision, "speed_of_bf16", lambda: pytest.fail("measured"))
    for name in ("bf16", "fp32"):
        assert decide_precision("auto", "cpu", stored=name) == Precision(name, "auto: as in the checkpoint")
    assert decide_precision("fp32", "cpu", stored="bf16").name == "fp32"


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
