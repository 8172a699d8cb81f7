"""Rows near a tie are computed in fp32: every predicted label is that of the saved model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from corpus import make_rows

from classification.data.tasks import infer_task
from classification.models import fp32_ties
from classification.models.fp32_ties import near_ties


def test_only_rows_near_another_decision_are_near_a_tie():
    logits = np.array([[1.0, 0.0], [0.1, 0.0], [0.0, 0.3], [0.0, 0.2]])
    assert near_ties(logits, infer_task(["a", "b"])).tolist() == [1, 3]
    assert near_ties(logits, infer_task(["a", "b"]), rounding=0.09).tolist() == [1, 2, 3]
    several = infer_task([["a"], ["b"], []]).with_thresholds({"a": 0.5, "b": 0.9})
    assert near_ties(np.array([[0.1, 9.0], [9.0, 9.0], [9.0, np.log(9)]]), several).tolist() == [0, 2]
    assert not len(near_ties(np.zeros((3, 1)), infer_task([1.5, 2.5])))


def test_a_threshold_is_a_tie_of_its_own():
    task = infer_task([["a"], ["b"], ["c"], []]).with_thresholds({"a": 0.2, "b": 0.5, "c": 1.0})
    logits = np.array([[np.log(0.25), 9.0, 0.0], [9.0, 0.5, 0.0]], dtype=np.float32)
    assert task.margin(logits) == pytest.approx([0, 0.5], abs=1e-6)
    assert near_ties(logits, task).tolist() == [0]


def test_all_rows_can_be_computed_in_fp32(make_trainer, encode, monkeypatch):
    """In bf16, with every row called near a tie: the logits are those of fp32, in row order."""
    rows = encode(make_rows(24, 3)).remove_columns("labels")
    exact, rounded = make_trainer(bf16=False), make_trainer(bf16=True)
    rounded.model.load_state_dict(exact.model.state_dict())
    expected = exact.predict(rows).predictions
    monkeypatch.setattr(fp32_ties, "TIE_MARGIN", 0.0)
    bf16 = rounded.predict(rows).predictions
    monkeypatch.setattr(fp32_ties, "TIE_MARGIN", np.inf)
    repaired = rounded.predict(rows).predictions
    assert np.abs(repaired - expected).max() < 1e-5 < np.abs(bf16 - expected).max()
    assert rounded.model.dtype == torch.float32


def test_a_fixed_number_of_rows_gives_the_same(make_trainer, encode, monkeypatch):
    rows = encode(make_rows(24, 3)).remove_columns("labels")
    monkeypatch.setattr(fp32_ties, "TIE_MARGIN", np.inf)
    by_tokens, by_rows = (make_trainer({"eval_tokens": tokens}, bf16=True) for tokens in (256, None))
    assert np.abs(by_tokens.predict(rows).predictions - by_rows.predict(rows).predictions).max() < 1e-5


def test_a_run_with_tf32_has_it_again_after_every_repair(monkeypatch):
    """The library's own switch works once per value: after it, TF32 would stay off."""
    places = torch.backends, torch.backends.mkldnn.matmul
    monkeypatch.setattr(torch.backends, "fp32_precision", "tf32")
    for _ in range(2):
        with fp32_ties.full_fp32(tf32=True):
            assert [place.fp32_precision for place in places] == ["ieee", "ieee"]
        assert [place.fp32_precision for place in places] == ["tf32", "tf32"]
    with fp32_ties.full_fp32(tf32=None):
        assert torch.backends.fp32_precision == "tf32"
