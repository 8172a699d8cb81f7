"""What is measured of the machine leaves the run unchanged."""

from __future__ import annotations

import pytest
import torch

from classification.models.kernels import machine as this_machine
from classification.models.kernels.machine import (
    USUAL,
    int8_can_overflow,
    is_worth_it,
    product_ceiling,
    speed_of_bf16,
    times_as_fast,
)


def test_the_measured_products_leave_the_random_numbers_of_the_run_unchanged():
    product_ceiling.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(())
    torch.manual_seed(3)
    assert product_ceiling(torch.device("cpu"), torch.float32) > 1e6
    assert torch.rand(()) == expected


def test_the_ratio_of_two_functions_is_measured_in_one_thread():
    threads, seen = torch.get_num_threads(), set()
    x = torch.randn(64, 64)

    def product(times: int) -> None:
        seen.add(torch.get_num_threads())
        for _ in range(times):
            torch.matmul(x, x)

    assert times_as_fast(lambda: product(60), lambda: product(6)) > 3
    assert seen == {1} and torch.get_num_threads() == threads


def test_a_measurement_overrules_the_instruction_set_only_far_from_a_tie():
    assert [is_worth_it(True, ratio) for ratio in (0.7, 0.8, 1.5, 9)] == [False, True, True, True]
    assert [is_worth_it(False, ratio) for ratio in (0.7, 1.5, 2.9, 3.1)] == [False, False, False, True]
    assert not USUAL[None].bf16 and USUAL["amx_bf16"].together and not USUAL["avx512_bf16"].together


def test_the_speed_of_bf16_leaves_the_random_numbers_of_the_run_unchanged():
    speed_of_bf16.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(())
    torch.manual_seed(3)
    with torch.inference_mode():
        assert speed_of_bf16() > 0
    assert torch.rand(()) == expected


@pytest.mark.parametrize(
    ("machine", "capabilities", "overflows"),
    [
        ("x86_64", {"avx2": True, "avx512_vnni": False}, True),
        ("x86_64", {"avx512_vnni": True}, False),
        ("AMD64", {"avx_vnni": True, "cpu_name": "vnni"}, False),
        ("AMD64", {"cpu_name": "a vnni cpu", "avx2": True}, True),
        ("aarch64", {"dotprod": False}, False),
    ],
)
def test_int8_can_overflow_on_an_x86_without_vnni(monkeypatch, machine, capabilities, overflows):
    monkeypatch.setattr(this_machine.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert int8_can_overflow() is overflows
