"""What is measured of the machine leaves the run unchanged."""

from __future__ import annotations

import torch

from classification.models.kernels.machine import product_ceiling


def test_the_measured_products_leave_the_random_numbers_of_the_run_unchanged():
    product_ceiling.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(())
    torch.manual_seed(3)
    assert product_ceiling(torch.device("cpu"), torch.float32) > 1e6
    assert torch.rand(()) == expected
