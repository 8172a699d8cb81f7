"""The flat engine gives the answers of the padded one, and is not used where it would not."""

from __future__ import annotations

import logging
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import zoo
from corpus import BAD, FILLER, GOOD

from classification.data.encoding import encode_batch
from classification.data.tasks import task_from_config
from classification.data.truncation import Truncation
from classification.inference.flat_engine import FEW, FlatEngine
from classification.inference.int8_engine import Int8Engine
from classification.inference.padded_engine import PaddedEngine
from classification.models.kernels import flat_encoder
from classification.models.precision import Precision

FP32, BF16 = (Precision(name, "as requested") for name in ("fp32", "bf16"))


@pytest.fixture(scope="module")
def loaded():
    return zoo.load(zoo.saved("bert"))


def some_texts(count=60, seed=0):
    draw = np.random.default_rng(seed)
    words = [*GOOD, *BAD, *FILLER]
    return [" ".join(draw.choice(words, size=int(draw.integers(1, 90)))) for _ in range(count)]


def encoded(loaded, texts, truncation=Truncation()):  # noqa: B008
    return encode_batch({"text": texts}, tokenizer=loaded.tokenizer, max_length=64, truncation=truncation)


def engine(kind, loaded, precision=FP32, max_tokens=500):
    return kind(loaded.model, loaded.tokenizer, task_from_config(loaded.model.config), precision, max_tokens)


@pytest.mark.parametrize("truncation", [Truncation(), Truncation("window", 20), Truncation("head_tail")])
def test_logits_are_those_of_the_padded_engine(loaded, truncation):
    rows = encoded(loaded, some_texts(), truncation)
    flat = engine(FlatEngine, loaded)
    assert np.abs(flat.logits(rows) - engine(PaddedEngine, loaded).logits(rows)).max() < 1e-5
    assert flat.is_right


def test_labels_in_bf16_are_those_of_fp32(loaded):
    rows = encoded(loaded, some_texts(400))
    flat = engine(FlatEngine, loaded, BF16)
    expected = engine(PaddedEngine, loaded).logits(rows)
    assert flat.task.decide(flat.logits(rows)).tolist() == flat.task.decide(expected).tolist()
    assert 0 < flat.repeated < 400


def test_labels_in_bf16_are_those_of_fp32_also_where_logits_are_large(monkeypatch):
    own = zoo.load(zoo.saved("bert"))
    rows = encoded(own, some_texts(400))
    with torch.no_grad():
        own.model.classifier.weight *= 500
        difference = engine(PaddedEngine, own).logits(rows) @ [-1, 1]
        own.model.classifier.bias[1] -= float(np.median(difference))  # half of the texts have each label
    expected = engine(PaddedEngine, own).logits(rows).argmax(axis=1)
    assert np.array_equal(engine(FlatEngine, own, BF16).logits(rows).argmax(axis=1), expected)
    monkeypatch.setattr(PaddedEngine, "rounding", 0.0)
    assert not np.array_equal(engine(FlatEngine, own, BF16).logits(rows).argmax(axis=1), expected)


def test_a_wrong_forward_pass_is_found_and_not_used(loaded, monkeypatch, caplog):
    def without_softmax(scores, bias):
        return torch.softmax(scores * 1.2, dim=-1)

    monkeypatch.setattr(flat_encoder, "softmax_of", without_softmax)
    rows, flat = encoded(loaded, some_texts()), engine(FlatEngine, loaded)
    with caplog.at_level(logging.WARNING):
        found = flat.logits(rows)
    assert not flat.is_right and "gives other outputs" in caplog.text
    assert np.array_equal(found, engine(PaddedEngine, loaded).logits(rows))


def test_an_engine_in_use_can_be_sent_to_another_process(loaded):
    rows, flat = encoded(loaded, some_texts()), engine(FlatEngine, loaded)
    expected = flat.logits(rows)
    assert flat.flat and np.array_equal(pickle.loads(pickle.dumps(flat)).logits(rows), expected)


def test_few_texts_are_not_worth_the_packing(loaded):
    flat = engine(FlatEngine, loaded)
    flat.logits(encoded(loaded, some_texts(FEW - 1)))
    assert not flat.flat and not flat.is_checked


def test_every_row_is_in_one_batch_and_no_batch_is_too_long(loaded):
    flat = engine(FlatEngine, loaded, max_tokens=100)
    flat.is_right = True
    lengths = np.random.default_rng(0).integers(1, 120, size=200)
    batches = flat.plan(lengths)
    assert sorted(sum(batches, [])) == list(range(200))
    assert all(len(batch) == 1 or lengths[batch].sum() <= 100 for batch in batches)
    assert all((np.diff(lengths[batch]) <= 0).all() for batch in batches)


def test_a_lack_of_memory_halves_a_batch(loaded, monkeypatch):
    rows, flat = encoded(loaded, some_texts()), engine(FlatEngine, loaded)
    expected = flat.logits(rows)
    real = FlatEngine.forward_flat

    def small(self, batch, *, is_half):
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, batch, is_half=is_half)

    monkeypatch.setattr(FlatEngine, "forward_flat", small)
    assert np.abs(flat.logits(rows) - expected).max() < 1e-5


def test_int8_reports_its_agreement(loaded, caplog):
    rows, int8 = encoded(loaded, some_texts(300)), engine(Int8Engine, loaded, BF16)
    with caplog.at_level(logging.INFO):
        found = int8.logits(rows)
    compared, agreeing = int8.agreement
    expected = engine(PaddedEngine, loaded).logits(rows)
    assert compared == 256 and f"{agreeing} of 256 texts" in caplog.text
    same = (int8.task.decide(found) == int8.task.decide(expected)).mean()
    assert abs(same - agreeing / 256) < 0.05 and same > 0.8


def test_threads_that_share_an_engine_do_not_mix_their_texts(loaded):
    flat = engine(FlatEngine, loaded)
    lots = [encoded(loaded, some_texts(40, seed)) for seed in range(4)]
    expected = [flat.logits(lot) for lot in lots]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(flat.logits, lots * 10))
    assert max(np.abs(one - expected[i % 4]).max() for i, one in enumerate(found)) < 1e-5


@pytest.mark.parametrize("kind", [FlatEngine, Int8Engine])
def test_a_layer_of_another_kind_is_left_to_the_model_itself(kind, caplog):
    own = zoo.load(zoo.saved("bert"))
    own.model.bert.encoder.layer[0].attention.self.query.bias = None
    rows, flat = encoded(own, some_texts()), engine(kind, own, BF16)
    with caplog.at_level(logging.WARNING):
        found = flat.logits(rows)
    assert "the flat forward pass fails" in caplog.text
    assert np.array_equal(found, engine(PaddedEngine, own, BF16).logits(rows))


def test_a_model_that_gives_tuples_is_flat_too():
    own = zoo.load(zoo.saved("bert", return_dict=False))
    rows, flat = encoded(own, some_texts()), engine(FlatEngine, own)
    assert np.abs(flat.logits(rows) - engine(PaddedEngine, own).logits(rows)).max() < 1e-5 and flat.is_right


def test_a_wrong_pass_in_half_precision_is_found_too(loaded, monkeypatch):
    real = flat_encoder.softmax_of

    def wrong_in_bf16(scores, bias):
        return real(scores, bias) * (3 if scores.dtype == torch.bfloat16 else 1)

    monkeypatch.setattr(flat_encoder, "softmax_of", wrong_in_bf16)
    rows, flat = encoded(loaded, some_texts()), engine(FlatEngine, loaded, BF16)
    assert np.array_equal(flat.logits(rows), engine(PaddedEngine, loaded, BF16).logits(rows)) and not flat.is_right


def test_one_row_that_is_no_number_breaks_no_other_row_in_int8():
    own = zoo.load(zoo.saved("bert"))
    rows = encoded(own, ["good film", *some_texts(60), "电影 good film"])
    damaged = own.tokenizer("电影")["input_ids"][1]
    with torch.no_grad():
        own.model.bert.embeddings.word_embeddings.weight[damaged] = float("nan")
    int8 = engine(Int8Engine, own, BF16)
    int8.is_checked = int8.is_right = True
    assert np.flatnonzero(~np.isfinite(int8.logits(rows)).all(axis=1)).tolist() == [61]


def test_int8_reports_the_largest_difference_of_numbers(caplog):
    own = zoo.load(zoo.saved("bert"), names=[1.5, 2.5, 400.0])
    with caplog.at_level(logging.INFO):
        engine(Int8Engine, own, BF16).logits(encoded(own, some_texts(100)))
    assert "the numbers of 100 texts differ from those of fp32 by at most" in caplog.text


def test_few_texts_are_not_in_int8_and_have_the_labels_of_fp32(loaded):
    rows, int8 = encoded(loaded, some_texts(FEW - 1)), engine(Int8Engine, loaded, BF16)
    assert np.array_equal(int8.logits(rows), engine(PaddedEngine, loaded, BF16).logits(rows))


def test_texts_without_tokens_have_a_batch():
    assert FlatEngine.plan(type("Engine", (), {"is_right": True, "max_tokens": 9})(), np.zeros(3, int)) == [[0, 1, 2]]
