"""The plain engine: the model's own logits in row order, in any batches, in windows, and with little memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from corpus import make_rows
from helpers import make_bert, make_tokenizer

from classification.data.encoding import encode_batch
from classification.data.tasks import infer_task
from classification.data.truncation import Truncation
from classification.errors import RunError
from classification.inference.padded_engine import PROBES, PaddedEngine, pool, random_rows
from classification.models import fp32_ties
from classification.models.precision import Precision

TASK = infer_task(["negative", "positive"])
FP32, BF16 = Precision("fp32", "test"), Precision("bf16", "test")
TEXTS = [row["text"] for row in make_rows(20, 1)] + ["good " * 50, "bad", "a"]


def make_engine(precision=FP32, max_tokens=200, **changes) -> PaddedEngine:
    return PaddedEngine(make_bert(**changes), make_tokenizer(), TASK, precision, max_tokens)


def encoded(texts=TEXTS, stride=None, length=64) -> dict:
    truncation = Truncation("window", stride) if stride else Truncation()
    columns = encode_batch({"text": texts}, tokenizer=make_tokenizer(), max_length=length, truncation=truncation)
    return {name: columns[name] for name in ("input_ids", "attention_mask", "token_type_ids")}


def one_by_one(engine: PaddedEngine, columns: dict) -> np.ndarray:
    with torch.no_grad():
        rows = [
            engine.model(**{name: torch.tensor([values[row]]) for name, values in columns.items()}).logits[0]
            for row in range(len(columns["input_ids"]))
        ]
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("max_tokens", [1, 70, 200, 100_000])
def test_the_logits_are_those_of_each_text_alone(max_tokens):
    engine = make_engine(max_tokens=max_tokens)
    columns = encoded()
    assert np.abs(engine.logits(columns) - one_by_one(engine, columns)).max() < 1e-6


def test_windows_are_averaged_per_text():
    engine = make_engine()
    columns = encoded(stride=5, length=12)
    counts = [len(windows) for windows in columns["input_ids"]]
    flat = {name: [window for windows in values for window in windows] for name, values in columns.items()}
    alone = np.split(one_by_one(engine, flat), np.cumsum(counts)[:-1])
    assert max(counts) > 3 and min(counts) == 1
    assert np.abs(engine.logits(columns) - [windows.mean(axis=0) for windows in alone]).max() < 1e-6


def test_half_precision_decides_near_ties_in_fp32(monkeypatch):
    exact, rounded = make_engine(), make_engine(BF16)
    columns = encoded()
    monkeypatch.setattr(fp32_ties, "TIE_MARGIN", 0.0)
    far = np.abs(rounded.logits(columns) - exact.logits(columns)).max()
    monkeypatch.setattr(fp32_ties, "TIE_MARGIN", np.inf)
    near = np.abs(rounded.logits(columns) - exact.logits(columns)).max()
    assert near < 1e-6 < far and rounded.repeated == len(TEXTS)


def test_the_rounding_is_measured_with_ordinary_tokens_that_are_always_the_same():
    first, again = make_engine(BF16), make_engine(BF16)
    assert first.rounding == again.rounding > 0
    with torch.no_grad():
        again.model.classifier.weight *= 100
    del again.rounding
    assert again.rounding > 50 * first.rounding
    again.tokenizer.model_max_length = 10
    rows = random_rows(again.model, again.tokenizer, again.columns)
    special = set(again.tokenizer.all_special_ids)
    assert [set(row) for row in rows] == [{"input_ids", "attention_mask", "token_type_ids"}] * PROBES
    assert all(len(row["input_ids"]) == 10 and not special & {*row["input_ids"][1:-1]} for row in rows)


def test_a_lack_of_memory_halves_the_batches_for_good(monkeypatch):
    engine = make_engine(max_tokens=100_000)
    honest, sizes = PaddedEngine.forward, []

    def forward(self, rows, *, is_half):
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return honest(self, rows, is_half=is_half)

    expected = engine.logits(encoded())
    monkeypatch.setattr(PaddedEngine, "forward", forward)
    assert (
        np.array_equal(engine.logits(encoded()), expected) or np.abs(engine.logits(encoded()) - expected).max() < 1e-6
    )
    assert engine.max_tokens < 100_000
    sizes.clear()
    engine.logits(encoded(TEXTS[:4]))
    assert max(sizes) <= 4


def test_one_text_that_does_not_fit_is_an_error_with_a_remedy(monkeypatch):
    def forward(self, rows, *, is_half):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(PaddedEngine, "forward", forward)
    with pytest.raises(RunError, match="one text of 52 tokens does not fit.*--max_seq_length"):
        make_engine().logits(encoded())


def test_another_error_is_not_a_lack_of_memory(monkeypatch):
    def forward(self, rows, *, is_half):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(PaddedEngine, "forward", forward)
    with pytest.raises(RuntimeError, match="shapes differ"):
        make_engine().logits(encoded())


def test_columns_that_a_model_does_not_know_are_left_out():
    engine = make_engine()

    class Narrow(torch.nn.Module):
        device = torch.device("cpu")

        def forward(self, input_ids, attention_mask):
            return (input_ids.sum(dim=1, keepdim=True) * torch.ones(1, 2),)

    narrow = PaddedEngine(Narrow(), engine.tokenizer, TASK, FP32, 100)
    assert narrow.columns == ["input_ids", "attention_mask"]
    assert narrow.logits(encoded(["a good film"])).shape == (1, 2)


def test_what_overflows_in_fp32_too_is_not_finite():
    engine = make_engine(BF16)
    with torch.no_grad():
        engine.model.classifier.bias[0] = torch.nan
    assert np.isnan(engine.logits(encoded())[:, 0]).all()


def test_no_texts_have_no_logits():
    assert make_engine().logits({"input_ids": []}).shape == (0, 2)


def test_windows_are_pooled_in_order():
    logits = np.array([[1.0, 0], [3, 0], [5, 5]], dtype=np.float32)
    assert pool(logits, np.array([2, 1])).tolist() == [[2, 0], [5, 5]] and pool(logits, None) is logits
