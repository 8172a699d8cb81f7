"""The metrics of `/metrics`, for Prometheus; each server has its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TOKENS = (16, 64, 256, 1024, 2048, 4096, 8192, 16384, 65536)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
PATHS = (
    "/",
    "/docs",
    "/health",
    "/metrics",
    "/openapi.json",
    "/predict",
)  # all others are one label value, so that a client cannot add more
CLIENT_LEFT = 499  # the status of a request whose client has left


class ServerMetrics:
    """Counters and histograms of one server.

    Attributes:
        cut_off: requests that were not answered before the server had to stop.
    """

    def __init__(self) -> None:
        self.cut_off = 0
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        own = self.registry
        self.requests = Counter("classifier_requests", "Requests by path and status.", ("path", "status"), registry=own)
        self.seconds = Histogram(
            "classifier_request_seconds", "Seconds from the headers of a request to the end of its answer.", ("path",),
            registry=own, buckets=SECONDS,
        )  # fmt: skip
        self.texts = Counter("classifier_texts", "Answered texts.", registry=own)
        self.queue = Gauge("classifier_queue_texts", "Texts that wait for an answer.", registry=own)
        self.batch_tokens = Histogram(
            "classifier_batch_tokens", "Tokens of a batch, without padding.", registry=own, buckets=TOKENS
        )
        self.batch_texts = Histogram("classifier_batch_texts", "Texts of a batch.", registry=own, buckets=TEXTS)
        self.model_seconds = Counter("classifier_model_seconds", "Seconds of computation by the model.", registry=own)
        self.failures = Counter("classifier_failed_batches", "Batches that the model failed on.", registry=own)
        self.broken = Counter("classifier_broken_connections", "Connections without a valid request.", registry=own)

    def count_request(self, path: str, status: int, seconds: float) -> None:
        known = path if path in PATHS else "other"
        self.requests.labels(known, str(status)).inc()
        self.seconds.labels(known).observe(seconds)

    def text(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self.registry)
