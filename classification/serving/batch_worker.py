"""Two threads of the server: one encodes texts, and one computes them with the model, in batches by tokens.

A batch takes what is waiting when the model is free, and does not wait to be full. Requests take turns with their
pieces, so that a large request delays a small one by one batch, not by all of its batches.

One thread encodes, because the tokenizer has one lock. It works while the model computes, so that the batches are made
from true numbers of tokens.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Lock, Thread

import numpy as np

from classification.errors import UsageError
from classification.inference.classifier import Classifier, Encoded, Outputs
from classification.models.kernels.allocator import return_freed_memory
from classification.serving.refusals import MODEL_FAILED, NOT_READY, STOPPING, Refusal, report
from classification.serving.server_metrics import ServerMetrics
from classification.serving.text_jobs import Piece, TextJob, cut, joined, split

USUAL_TOKENS = 4096  # of a batch, where the engine does not say
NEW = 0.2  # weight of the latest batch in the running mean of the seconds per text
LONGEST_RETRY = 60  # seconds
POLL_SECONDS = 0.01
QUIET_SECONDS = 1.0  # without a request, after which freed memory is returned
WARM_TEXTS = 32  # so many that an engine decides how it computes from then on
WARM_WORDS = "a few words for the first batch "


class BatchWorker:
    """Answers jobs with the outputs of one model, a batch at a time.

    Args:
        queue_texts: texts that may wait, of all jobs together.
        batch_tokens: tokens of a batch; None for what the engine computes at once.
    """

    def __init__(
        self, classifier: Classifier, metrics: ServerMetrics, *, queue_texts: int, batch_tokens: int | None = None
    ):
        self.classifier, self.metrics, self.queue_texts = classifier, metrics, queue_texts
        self.batch_tokens = batch_tokens or int(getattr(classifier.engine, "max_tokens", USUAL_TOKENS))
        self.waiting: deque[TextJob] = deque()  # with pieces that can be computed
        self.changed = Condition()
        self.counting = Lock()
        self.accepted: dict[Future[Outputs], TextJob] = {}  # and not answered
        self.texts = 0  # of these jobs
        self.seconds_per_text = 0.0
        self.is_broken = self.is_closed = self.has_ended = False
        self.probe: Encoded | None = None
        self.encoder = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self.thread = Thread(target=self.run, name="model", daemon=True)

    def start(self) -> None:
        """Compute a first batch, with which the engine decides how it computes, and begin to answer.

        Raises:
            RunError: the model does not fit into memory.
        """
        self.classifier.compute(self.classifier.encode([WARM_WORDS * (1 + i % 4) for i in range(WARM_TEXTS)]))
        self.probe = self.classifier.encode([WARM_WORDS])
        self.thread.start()

    @property
    def is_working(self) -> bool:
        """Whether the model answers: its thread is alive, and it has not failed on words that it can compute."""
        return self.thread.is_alive() and not self.is_broken

    # ------------------------------------------------------------------------------------------ from the event loop

    def submit(self, texts: list[str], pairs: list[str] | None) -> TextJob:
        """Accept N texts, N >= 1. Their outputs come through `TextJob.future`, which may be cancelled.

        Raises:
            Refusal: 429 if the queue is full, 503 if the server is stopping or the thread of the model has ended.
        """
        job = TextJob(texts, pairs, self.classifier.task.num_labels)
        self.accept(job)
        job.future.add_done_callback(self.forget)
        self.encode_later(job)
        return job

    def accept(self, job: TextJob) -> None:
        """Count a job in; raises the Refusals of `submit`."""
        with self.counting:
            if self.is_closed:
                raise Refusal(503, STOPPING)
            if self.has_ended or not self.thread.is_alive():
                raise Refusal(503, NOT_READY)
            if self.texts + len(job.texts) > self.queue_texts:
                raise Refusal(
                    429, f"the server is busy: {self.texts:,} texts are waiting. Send the request again later.",
                    {"Retry-After": str(self.retry_seconds())},
                )  # fmt: skip
            self.accepted[job.future] = job
            self.count(len(job.texts))

    def forget(self, future: Future[Outputs]) -> None:
        """Count the job of a future out, which is answered or cancelled."""
        with self.counting:
            self.count(-len(self.accepted.pop(future).texts))

    def count(self, texts: int) -> None:
        """Add to the texts in the queue; the caller holds `counting`."""
        self.texts += texts
        self.metrics.queue.set(self.texts)

    def retry_seconds(self) -> int:
        """Seconds until the waiting texts are answered, by the speed of the latest batches; 1 to `LONGEST_RETRY`."""
        return int(min(max(1.0, np.ceil(self.texts * self.seconds_per_text)), LONGEST_RETRY))

    def close(self, seconds: float) -> bool:
        """Accept nothing more, and wait for what was accepted. Returns whether all of it was answered in time."""
        self.is_closed = True
        end = time.monotonic() + seconds
        while self.texts and self.thread.is_alive() and time.monotonic() < end:
            time.sleep(POLL_SECONDS)
        with self.changed:
            self.changed.notify_all()
        self.encoder.shutdown(wait=False, cancel_futures=True)
        if self.thread.is_alive():
            self.thread.join(max(POLL_SECONDS, end - time.monotonic()))
        return not self.texts

    # ------------------------------------------------------------------------------------------ the encoding thread

    def encode_later(self, job: TextJob) -> None:
        try:
            self.encoder.submit(self.encode, job)
        except RuntimeError:  # the threads have been stopped
            job.settle(Refusal(503, STOPPING))

    def encode(self, job: TextJob) -> None:
        """Encode the next slice of a job; the following one is encoded after those of other jobs."""
        if not job.is_wanted:
            return
        try:
            some = job.next_slice()
            encoded = self.classifier.encode(job.texts[some], None if job.pairs is None else job.pairs[some])
            pieces = list(cut(job, some.start, encoded, self.batch_tokens))
        except UsageError:
            job.settle(Refusal(400, "text_pairs: the model has no room for two texts. Send single texts."))
            return
        except Exception as error:
            report(error)
            job.settle(Refusal(500, MODEL_FAILED))
            return
        with self.changed:
            if not job.pieces:
                self.waiting.append(job)
            job.pieces.extend(pieces)
            self.changed.notify()
        if job.encoded_texts < len(job.texts):
            self.encode_later(job)

    # --------------------------------------------------------------------------------------------- the model's thread

    def run(self) -> None:
        """Answer batches until the server stops."""
        try:
            while pieces := self.next_batch():
                self.answer_batch(pieces)
        except Exception as error:
            report(error)
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Refuse the jobs that are left: nothing computes them any more."""
        with self.counting:
            self.has_ended = True
            left = [*self.accepted.values()]
        for job in left:
            job.settle(Refusal(503, STOPPING if self.is_closed else NOT_READY))

    def answer_batch(self, pieces: list[Piece]) -> None:
        texts = sum(len(piece.rows) for piece in pieces)
        self.metrics.batch_texts.observe(texts)
        self.metrics.batch_tokens.observe(sum(piece.tokens for piece in pieces))
        begin = time.perf_counter()
        try:
            self.answer(pieces)
        except Exception as error:  # the thread must go on
            report(error)
            for piece in pieces:
                piece.job.settle(Refusal(500, MODEL_FAILED))
        self.measure(time.perf_counter() - begin, texts)

    def next_batch(self) -> list[Piece]:
        """Pieces of the jobs that have waited longest; waits for one. Empty when the server has stopped.

        After `QUIET_SECONDS` without a request, the memory that earlier ones have freed is returned to the system.
        """
        is_tidy = False
        with self.changed:
            while True:
                pieces = self.take_pieces()
                if pieces or (self.is_closed and not self.texts):
                    return pieces
                if not self.changed.wait(None if is_tidy and not self.is_closed else QUIET_SECONDS) and not is_tidy:
                    return_freed_memory()
                    is_tidy = True

    def take_pieces(self) -> list[Piece]:
        """At most `batch_tokens` tokens, or one piece. A job goes to the back after each of its pieces."""
        pieces: list[Piece] = []
        room = self.batch_tokens
        while self.waiting:
            job = self.waiting[0]
            if not job.is_wanted:  # its client has left
                self.waiting.popleft()
                job.pieces.clear()
                continue
            piece = job.pieces[0]
            if pieces and (piece.tokens > room or piece.encoded.columns.keys() != pieces[0].encoded.columns.keys()):
                break
            self.waiting.popleft()
            pieces.append(job.pieces.popleft())
            room -= piece.tokens
            if job.pieces:
                self.waiting.append(job)
        return pieces

    def answer(self, pieces: list[Piece]) -> None:
        """Compute pieces together. Where that fails, each is computed alone, so that only a bad one has no answer."""
        try:
            outputs = self.classifier.compute(joined(pieces))
        except Exception as error:
            if len(pieces) > 1:
                self.answer_each(pieces)
                return
            self.metrics.failures.inc()
            report(error)
            pieces[0].job.settle(Refusal(500, MODEL_FAILED))
            self.is_broken = not self.can_compute()
            return
        for piece, own in split(outputs, pieces):
            is_sound = own.is_finite[own.tokens > 0].all()
            if len(pieces) > 1 and not is_sound:  # another piece of the batch may have caused it
                self.answer([piece])
                continue
            self.is_broken = not is_sound and not self.can_compute()
            piece.give(own)

    def answer_each(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.job.is_wanted:  # another piece of it may have failed
                self.answer([piece])

    def can_compute(self) -> bool:
        """Whether the model still computes ordinary words. After some errors of a GPU it never does again."""
        try:
            outputs = self.classifier.compute(self.probe or self.classifier.encode([WARM_WORDS]))
        except Exception:
            return False
        return bool(outputs.is_finite[outputs.tokens > 0].all())

    def measure(self, seconds: float, texts: int) -> None:
        self.metrics.model_seconds.inc(seconds)
        latest = seconds / max(texts, 1)
        old = self.seconds_per_text
        self.seconds_per_text = latest if not old else (1 - NEW) * old + NEW * latest
