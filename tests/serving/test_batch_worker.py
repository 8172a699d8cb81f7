"""Batches by tokens, turns between requests, a bounded queue, and a bad text that harms nobody."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from made_classifiers import tiny_classifier, without_special_tokens
from served import hold, slow_classifier, wait_until

from classification.errors import own_error
from classification.serving import batch_worker
from classification.serving.batch_worker import BatchWorker
from classification.serving.refusals import Refusal
from classification.serving.server_metrics import ServerMetrics
from classification.serving.text_jobs import TextJob, cut, joined, split


@pytest.fixture
def worker_of():
    """A function that starts a worker; it is closed after the test."""
    workers = []

    def start(classifier, queue_texts: int = 1000, batch_tokens: int | None = None) -> BatchWorker:
        workers.append(BatchWorker(classifier, ServerMetrics(), queue_texts=queue_texts, batch_tokens=batch_tokens))
        workers[-1].start()
        return workers[-1]

    yield start
    for worker in workers:
        if gate := getattr(worker.classifier.engine, "gate", None):
            gate.set()
        assert worker.close(10)


def result(job: TextJob):
    return job.future.result(20)


def test_texts_are_answered_in_their_order(worker_of):
    classifier = tiny_classifier()
    texts = [f"{'good ' * (i % 9)}bad film" for i in range(70)]
    outputs = result(worker_of(classifier, batch_tokens=50).submit(texts, None))
    expected = classifier.outputs(texts)
    assert np.allclose(outputs.logits, expected.logits, atol=1e-6)
    assert outputs.tokens.tolist() == expected.tokens.tolist()
    pairs = result(worker_of(classifier).submit(["good", "bad"], ["film", ""]))
    assert np.allclose(pairs.logits, classifier.outputs(["good", "bad"], ["film", ""]).logits, atol=1e-6)


def test_what_waits_together_is_computed_together(worker_of):
    classifier, engine = slow_classifier()
    worker = worker_of(classifier, batch_tokens=40)
    first = hold(worker, engine)
    others = [worker.submit(["good film"], None) for _ in range(12)]  # 4 tokens each
    wait_until(lambda: len(worker.waiting) == 12)
    engine.gate.set()
    for job in [first, *others]:
        result(job)
    assert engine.batches == [1, 10, 2]


def test_a_large_request_takes_turns_with_small_ones(worker_of):
    classifier, engine = slow_classifier()
    worker = worker_of(classifier, batch_tokens=40)
    hold(worker, engine)
    large = worker.submit(["good film bad"] * 200, None)
    wait_until(lambda: sum(len(piece.rows) for piece in large.pieces) == 200)
    small = worker.submit(["good film"], None)
    wait_until(lambda: small in worker.waiting)
    engine.gate.set()
    result(small)
    assert len(engine.batches) <= 4 and not large.future.done()
    assert len(result(large).logits) == 200


def test_a_full_queue_refuses_with_a_time_and_recovers(worker_of):
    classifier, engine = slow_classifier()
    worker = worker_of(classifier, queue_texts=5)
    engine.gate.clear()
    jobs = [worker.submit(["good", "bad"], None), worker.submit(["good", "bad"], None)]
    with pytest.raises(Refusal) as refused:
        worker.submit(["good", "bad"], None)
    assert refused.value.status == 429 and 1 <= int(refused.value.headers["Retry-After"]) <= 60
    jobs.append(worker.submit(["good"], None))  # one more fits
    engine.gate.set()
    assert all(result(job).is_finite.all() for job in jobs)
    wait_until(lambda: worker.texts == 0)
    result(worker.submit(["good"] * 5, None))


def test_who_has_left_is_not_computed(worker_of):
    classifier, engine = slow_classifier()
    worker = worker_of(classifier, queue_texts=10)
    hold(worker, engine)
    gone, other = worker.submit(["bad"] * 8, None), worker.submit(["good"], None)
    wait_until(lambda: len(worker.waiting) == 2)
    assert gone.future.cancel() and worker.texts == 2  # its place in the queue is free at once
    engine.gate.set()
    result(other)
    assert engine.batches == [1, 1]


def test_a_text_that_the_model_fails_on_harms_no_other(worker_of):
    classifier, engine = slow_classifier()
    worker, sound = worker_of(classifier), engine.logits
    bad_token = classifier.tokenizer.convert_tokens_to_ids("awful")

    def fails_on_awful(encoded):
        if any(bad_token in row for row in encoded["input_ids"]):
            raise own_error("Out of memory: one text does not fit.")
        return sound(encoded)

    hold(worker, engine)
    engine.logits = fails_on_awful
    jobs = [worker.submit([text], None) for text in ("good", "good", "awful film", "bad")]
    wait_until(lambda: len(worker.waiting) == 4)
    engine.gate.set()
    assert [len(result(job).logits) for job in (jobs[0], jobs[1], jobs[3])] == [1, 1, 1]
    with pytest.raises(Refusal) as refused:
        result(jobs[2])
    assert refused.value.status == 500 and "awful" not in refused.value.message
    assert worker.is_working  # it computes other words


def test_a_row_that_is_no_number_is_computed_alone(worker_of):
    """In a batch it may be another row that breaks it."""
    classifier, engine = slow_classifier()

    worker, sound = worker_of(classifier), engine.logits

    def breaks_all(encoded):
        return sound(encoded) * (np.nan if any(len(row) > 20 for row in encoded["input_ids"]) else 1)

    engine.logits = breaks_all
    hold(worker, engine)
    jobs = [worker.submit([text], None) for text in ("good", "good " * 30)]
    wait_until(lambda: len(worker.waiting) == 2)
    engine.gate.set()
    assert result(jobs[0]).is_finite.all() and not result(jobs[1]).is_finite.any()
    assert worker.is_working  # one text is no reason to start the server again


def test_a_model_that_computes_nothing_any_more_is_seen(worker_of):
    classifier, engine = slow_classifier()
    worker = worker_of(classifier)
    working = engine.logits

    def fails(encoded):
        raise RuntimeError("an illegal memory access was encountered")

    engine.logits = fails
    with pytest.raises(Refusal):
        result(worker.submit(["good"], None))
    wait_until(lambda: not worker.is_working)
    engine.logits = working
    result(worker.submit(["good"], None))
    assert worker.is_working


def test_a_model_that_gives_no_numbers_says_so(worker_of):
    classifier = tiny_classifier()
    worker = worker_of(classifier)
    with torch.no_grad():
        classifier.model.classifier.weight.fill_(torch.nan)
    assert not result(worker.submit(["good", "bad"], None)).is_finite.any()
    wait_until(lambda: not worker.is_working)


def test_a_text_without_tokens_has_no_answer_and_the_others_have(worker_of):
    outputs = result(worker_of(without_special_tokens()).submit(["good", "!!", "bad"], None))
    assert outputs.is_finite.tolist() == [True, False, True] and outputs.tokens.tolist() == [1, 0, 1]


def test_a_thread_that_ends_leaves_nobody_waiting(monkeypatch, caplog):
    classifier, engine = slow_classifier()
    worker = BatchWorker(classifier, ServerMetrics(), queue_texts=100)
    worker.start()
    computed = hold(worker, engine)
    waiting = [worker.submit(["good", "bad"], None) for _ in range(3)]
    wait_until(lambda: len(worker.waiting) == 3)

    def fails():
        raise MemoryError("no room for a list")

    monkeypatch.setattr(worker, "next_batch", fails)
    engine.gate.set()
    assert len(result(computed).logits) == 1
    for job in waiting:
        with pytest.raises(Refusal) as refused:
            result(job)
        assert refused.value.status == 503 and "does not compute any more" in refused.value.message
    with pytest.raises(Refusal) as late:
        worker.submit(["good"], None)
    worker.thread.join(10)
    assert late.value.status == 503 and worker.texts == 0 and not worker.is_working and "MemoryError" in caplog.text
    assert worker.close(1)


def test_a_request_alone_fills_its_batches(worker_of):
    """It is encoded in slices of 64 texts, which are computed together."""
    classifier, engine = slow_classifier()
    worker = worker_of(classifier, batch_tokens=1000)
    hold(worker, engine)
    alone = worker.submit(["good film"] * 200, None)  # 4 tokens each
    wait_until(lambda: sum(len(piece.rows) for piece in alone.pieces) == 200)
    engine.gate.set()
    assert result(alone).is_finite.all() and engine.batches == [1, 200]


def test_a_request_with_a_text_that_fails_is_not_computed_further(worker_of):
    classifier, engine = slow_classifier()
    worker, batches = worker_of(classifier, batch_tokens=1000), []
    hold(worker, engine)

    def fails(encoded):
        batches.append(len(encoded["input_ids"]))
        raise ValueError("no such layer")

    engine.logits = fails
    job = worker.submit(["good film"] * 130, None)
    wait_until(lambda: len(job.pieces) == 3)
    engine.gate.set()
    with pytest.raises(Refusal):
        result(job)
    wait_until(lambda: len(batches) >= 3)
    assert batches == [130, 64, 1]  # together, its first slice, and the words that show whether the model works


def test_closing_answers_what_was_accepted_and_then_refuses():
    classifier, engine = slow_classifier(0.05)
    worker = BatchWorker(classifier, ServerMetrics(), queue_texts=100, batch_tokens=8)
    with pytest.raises(Refusal) as early:
        worker.submit(["good"], None)
    assert early.value.status == 503
    worker.start()
    jobs = [worker.submit(["good", "bad"], None) for _ in range(5)]
    assert worker.close(20) and all(job.future.done() for job in jobs) and not worker.thread.is_alive()
    with pytest.raises(Refusal) as late:
        worker.submit(["good"], None)
    assert late.value.status == 503 and "stopping" in late.value.message


def test_closing_does_not_wait_longer_than_it_may():
    classifier, engine = slow_classifier()
    worker = BatchWorker(classifier, ServerMetrics(), queue_texts=100)
    worker.start()
    engine.gate.clear()
    worker.submit(["good"], None)
    assert not worker.close(0.1)
    engine.gate.set()


def test_freed_memory_is_returned_once_when_no_request_comes(worker_of, monkeypatch):
    returned = []
    monkeypatch.setattr(batch_worker, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(batch_worker, "return_freed_memory", lambda: returned.append(True))
    worker = worker_of(tiny_classifier())
    wait_until(lambda: returned)
    time.sleep(0.3)
    assert len(returned) == 1
    result(worker.submit(["good film"], None))
    wait_until(lambda: len(returned) == 2)


def test_pieces_have_every_text_once_and_at_most_so_many_tokens():
    classifier = tiny_classifier()
    texts = [f"{'good ' * (i % 7)}bad" for i in range(30)]
    encoded = classifier.encode(texts)
    job = TextJob(texts, None, 2)
    pieces = list(cut(job, 0, encoded, 25))
    assert sorted(row for piece in pieces for row in piece.rows.tolist()) == list(range(30))
    assert max(piece.tokens for piece in pieces) <= 25
    whole = joined(pieces)
    assert whole.tokens.sum() == encoded.tokens.sum()
    for piece, outputs in split(classifier.compute(whole), pieces):
        piece.give(outputs)
    assert np.allclose(job.future.result(0).logits, classifier.outputs(texts).logits, atol=1e-6)
    assert [len(piece.rows) for piece in cut(job, 0, classifier.encode(["good " * 50]), 10)] == [1]  # it does not fit


def test_a_request_is_encoded_in_slices():
    job = TextJob(["a"] * 100 + ["b" * 60_000] * 4, None, 2)
    slices = [job.next_slice() for _ in range(4)]
    assert [(some.start, some.stop) for some in slices] == [(0, 64), (64, 102), (102, 104), (104, 104)]
