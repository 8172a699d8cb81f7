"""Advice names what was measured, and the line on speed has the figures."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from helpers import make_bert

from classification.training.counters import Meter
from classification.training.throughput import advise, measure_throughput, summary

CPU = torch.device("cpu")


def arguments(strategy: str = "random", device: str = "cpu"):
    return SimpleNamespace(
        train_sampling_strategy=strategy, dataloader_num_workers=0, device=torch.device(device), bf16=False, fp16=False,
        world_size=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("figures", "strategy", "pads_to_max", "device", "words"),
    [
        ({"waiting_share": 0.3}, "group_by_length", False, "cuda", "30% of training waits for data"),
        ({"padding_share": 0.38}, "random", False, "cpu", "38% of the tokens are padding: pass --train_sampling"),
        ({"padding_share": 0.38}, "group_by_length", True, "cpu", "leave out --pad_to_max_length"),
        ({"mfu": 0.1}, "group_by_length", False, "cuda", "10% of the GPU's arithmetic"),
        ({"mfu": 0.1}, "group_by_length", False, "cpu", None),
        ({"padding_share": 0.38}, "group_by_length", False, "cpu", None),
        ({"mean_context": 100}, "group_by_length", False, "cpu", "pass --attention_dropout 0"),
        ({"mean_context": 100}, "group_by_length", False, "cuda", None),
    ],
)
def test_advice_names_what_was_measured(figures, strategy, pads_to_max, device, words):
    training = {"waiting_share": 0.0, "padding_share": 0.0, "mfu": 0.5, "mean_context": 10}
    advice = advise(training | figures, arguments(strategy, device), pads_to_max, attention_dropout=0.1)
    assert advice is None if words is None else words in advice


def test_a_run_is_measured_and_summarised():
    training, evaluation = Meter(CPU), Meter(CPU)
    training.add(4, torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]))
    training.seconds = 2.0
    figures = measure_throughput(make_bert(), training, evaluation, arguments(), longest=64, pads_to_max=False)
    assert figures["training"]["rows"] == 4 and 0 < figures["training"]["mfu"] < 1 and "evaluation" not in figures
    assert figures["advice"].startswith("50% of the tokens are padding")
    speed, faster = summary(figures)
    assert speed.topic == "speed" and speed.text.startswith("training 2 rows/s (4 tokens/s, 50% padding, 0.0% waiting")
    assert "GFLOP/s of a matrix product" in speed.text and "peak memory" in speed.text
    assert (faster.topic, faster.text) == ("faster", figures["advice"])


def test_a_model_that_cannot_be_counted_is_measured_without_arithmetic():
    class Odd(torch.nn.Module):
        base_model = config = None
        device = CPU

        def forward(self, **inputs):
            raise ValueError("needs pixels")

    evaluation = Meter(CPU)
    evaluation.add(1, torch.ones(1, 3))
    figures = measure_throughput(Odd(), Meter(CPU), evaluation, arguments(), longest=64, pads_to_max=False)
    assert figures["evaluation"]["rows"] == 1 and "mfu" not in figures["evaluation"] and figures["advice"] is None
    (speed,) = summary(figures)
    assert speed.text.startswith("evaluation ")
