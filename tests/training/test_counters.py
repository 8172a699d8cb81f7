"""Counts of tokens, rows and losses are those of the batches."""

from __future__ import annotations

import pytest
import torch

from classification.data.tasks import infer_task
from classification.data.unlabelled import UNLABELLED
from classification.data.windows import IGNORED
from classification.training.counters import EpochTotals, Meter

CPU = torch.device("cpu")
TWO, SEVERAL = infer_task([0, 1]), infer_task([["a"], ["b"], []])


def test_a_meter_counts_tokens_and_squares():
    meter = Meter(CPU)
    meter.add(2, torch.tensor([[1, 1, 0], [1, 1, 1]]))
    meter.add(1, torch.tensor([[1, 0]]))
    assert meter.counts.tolist() == [3, 6, 8, 4 + 9 + 1]


def test_figures_follow_from_counts_and_seconds():
    meter = Meter(CPU)
    meter.add(2, torch.tensor([[1, 1, 0], [1, 1, 1]]))
    meter.seconds, meter.seconds_waiting, meter.passes = 4.0, 1.0, 3.0
    figures = meter.figures(None, ceiling=1.0)
    assert figures["rows_per_second"] == 0.5 and figures["tokens_per_second"] == 1.25
    assert figures["padding_share"] == pytest.approx(1 / 6) and figures["waiting_share"] == 0.25
    assert figures["mean_context"] == 13 / 5 and "mfu" not in figures
    flops = type("Flops", (), {"per_token": 10.0, "per_square": 2.0})
    counted = meter.figures(flops, ceiling=1000.0)
    assert counted["flops_per_second"] == 3 * (10 * 5 + 2 * 13) / 4 and counted["mfu"] == 0.057


def test_waiting_is_part_of_the_work():
    meter = Meter(CPU)
    with meter.working():
        pass
    with meter.waiting():
        pass
    assert meter.seconds > meter.seconds_waiting > 0


def test_totals_are_sums_over_rows_and_start_again():
    totals = EpochTotals(TWO, CPU)
    logits, labels = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 0.0]]), torch.tensor([0, 0, IGNORED])
    totals.add(torch.tensor(1.5), logits, labels)
    totals.add(torch.tensor(0.5), logits[:1], labels[:1])
    assert totals.counts_hits and totals.take().tolist() == [2.0, 2.0, 3.0, 0.0]  # loss, hits, rows, unlabelled
    assert totals.take().tolist() == [0.0, 0.0, 0.0, 0.0]


def test_rows_without_a_label_are_rows_without_a_hit():
    totals = EpochTotals(TWO, CPU)
    totals.add(torch.tensor(1.5), torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([0, UNLABELLED]))
    assert totals.take().tolist() == [1.5, 1.0, 2.0, 1.0]


def test_the_sums_of_an_older_checkpoint_have_no_rows_without_a_label():
    totals = EpochTotals(TWO, CPU)
    totals.load_state_dict({"sums": [1.0, 2.0, 3.0]})
    assert totals.take().tolist() == [1.0, 2.0, 3.0, 0.0]


def test_totals_of_several_labels_count_no_hits():
    totals = EpochTotals(SEVERAL, CPU)
    labels = torch.tensor([[1.0, 0.0], [IGNORED, IGNORED]])
    totals.add(torch.tensor(1.5), torch.zeros(2, 2), labels)
    assert not totals.counts_hits and totals.take().tolist() == [1.5, 0.0, 1.0, 0.0]
