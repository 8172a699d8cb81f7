"""A server on loopback for tests: in a thread of this process, or as a process; and clients that behave badly."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from helpers import ROOT
from made_classifiers import tiny_classifier

from classification.serving.batch_worker import BatchWorker
from classification.serving.http_app import Service
from classification.serving.http_server import GracefulServer, make_server, open_socket
from classification.serving.server_limits import ServerLimits
from classification.serving.server_metrics import ServerMetrics

SCRIPT = str(ROOT / "scripts" / "serve.py")
JSON = {"Content-Type": "application/json"}
LIMITS = ServerLimits(
    max_texts=32,
    max_characters=2000,
    max_body_bytes=100_000,
    queue_texts=64,
    queue_bytes=300_000,
    read_seconds=5,
    stop_seconds=5,
)


def head_of(length: int, *lines: str) -> bytes:
    """The head of a POST /predict with a body of so many bytes; `lines` are more headers."""
    own = ("POST /predict HTTP/1.1", "Host: x", "Content-Type: application/json", f"Content-Length: {length}")
    return "\r\n".join([*own, *lines, "", ""]).encode()


@dataclass
class Reply:
    """What came back: status, headers in lower case, and the body as text."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def answers(self) -> list[dict]:
        assert self.status == 200, self.text
        return self.json["answers"]

    @property
    def error(self) -> str:
        """The sentence of a refusal, which is all that it has."""
        assert self.headers["content-type"] == "application/json" and self.json.keys() == {"error"}, self.text
        return self.json["error"]


@dataclass
class Served:
    """A running server."""

    port: int
    service: Service | None = None
    server: GracefulServer | None = None
    process: subprocess.Popen | None = None
    shown: list[str] = field(default_factory=list)

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=20)

    def socket(self, *parts: bytes) -> socket.socket:
        """A connection on which some bytes have been sent."""
        opened = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        for part in parts:
            opened.sendall(part)
        return opened

    def ask(self, method: str, path: str, body: object = None, headers: dict | None = None, connection=None) -> Reply:
        own = connection or self.connect()
        content = body if body is None or isinstance(body, bytes | str) else json.dumps(body)
        own.request(method, path, content, JSON if headers is None and content is not None else headers or {})
        answer = own.getresponse()
        reply = Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode())
        if connection is None:
            own.close()
        return reply

    def predict(self, body: object, headers: dict | None = None, connection=None) -> Reply:
        return self.ask("POST", "/predict", body, headers, connection)

    def metric(self, name: str) -> float:
        """The value of a line of /metrics."""
        text = self.ask("GET", "/metrics").text
        found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0


def make_service(classifier=None, *, batch_tokens: int | None = None, **changes) -> Service:
    """A service whose worker has been started; `changes` are those of `LIMITS` and of the `Service`."""
    classifier = classifier or tiny_classifier()
    limits = ServerLimits(**{name: changes.pop(name, getattr(LIMITS, name)) for name in LIMITS.__dataclass_fields__})
    metrics = ServerMetrics()
    worker = BatchWorker(classifier, metrics, queue_texts=limits.queue_texts, batch_tokens=batch_tokens)
    worker.start()
    return Service(classifier, worker, limits, metrics, **changes)


@contextmanager
def served(classifier=None, **changes) -> Iterator[Served]:
    """A server in a thread; the arguments are those of `make_service`."""
    service = make_service(classifier, **changes)
    server, listener = make_server(service), open_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield Served(port, service, server)
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


def wait_until(condition, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


@contextmanager
def started_process(*words: object, environment: dict | None = None, script: str = "") -> Iterator[Served]:
    """`scripts/serve.py` as a process that is ready; `shown` gets the lines that it prints.

    Args:
        script: another one, which gets the command line of `scripts/serve.py` behind its own name.
    """
    process = subprocess.Popen(
        [sys.executable, *([script] if script else []), SCRIPT, *map(str, words), "--port", "0"], text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | (environment or {}),
    )  # fmt: skip
    served = Served(0, process=process)
    try:
        for line in process.stdout:
            served.shown.append(line)
            if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
                served.port = int(found[1])
            if line.startswith("ready"):
                break
        assert served.port, "".join(served.shown)
        yield served
    finally:
        if process.poll() is None:
            process.kill()
        served.shown += process.stdout.readlines()
        process.wait(20)


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


class SlowEngine:
    """An engine that waits before it answers. `gate` is closed by a test that wants requests to pile up."""

    def __init__(self, engine, seconds: float = 0.0):
        self.engine, self.seconds, self.name, self.max_tokens = engine, seconds, "slow", engine.max_tokens
        self.gate = threading.Event()
        self.gate.set()
        self.batches: list[int] = []
        self.entered = 0

    def logits(self, encoded):
        self.entered += 1
        self.gate.wait(20)
        time.sleep(self.seconds)
        self.batches.append(len(encoded["input_ids"]))
        return self.engine.logits(encoded)


def hold(worker, engine):
    """A job that keeps the model busy until the gate is opened: what comes next piles up."""
    engine.gate.clear()
    before = engine.entered
    job = worker.submit(["good"], None)
    wait_until(lambda: engine.entered > before)
    engine.batches.clear()
    return job


def slow_classifier(seconds: float = 0.0, **changes):
    """A tiny classifier and its slow engine."""
    classifier = tiny_classifier(**changes)
    engine = SlowEngine(classifier.engine, seconds)
    return dataclasses.replace(classifier, engine=engine), engine
