"""A signal lets the server answer what it has accepted, within a limit; and the address that it listens on."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time

from helpers import assert_refused
from served import Served, hold, make_service, served, slow_classifier, wait_until

from classification.errors import RunError, UsageError
from classification.serving import http_server
from classification.serving.http_server import (
    address_of,
    bind_error,
    is_loopback,
    listen,
    make_server,
    open_socket,
    serve,
)


def test_a_signal_answers_what_was_accepted_and_closes_idle_connections():
    classifier, engine = slow_classifier()
    with served(classifier) as server:
        hold(server.service.worker, engine)
        idle, replies = server.socket(), []
        asking = threading.Thread(target=lambda: replies.append(server.predict({"texts": ["good", "bad"]})))
        asking.start()
        wait_until(lambda: server.service.worker.texts == 3)
        assert server.ask("GET", "/health").status == 200
        server.server.handle_exit(signal.SIGTERM, None)
        assert server.service.status == "stopping"
        wait_until(lambda: idle.recv(1) == b"")
        engine.gate.set()
        asking.join(20)
        assert len(replies[0].answers) == 2
    assert server.service.metrics.cut_off == 0 and not server.service.worker.thread.is_alive()


def test_health_is_503_as_soon_as_a_signal_has_come():
    with served() as server:
        server.service.is_stopping = True
        reply = server.ask("GET", "/health")
        assert reply.status == 503 and reply.json["status"] == "stopping"
        assert server.predict({"text": "good"}).answers  # still answered


def test_a_signal_at_the_moment_of_readiness_ends_the_server_politely():
    """By uvicorn's handler: with the one of the command, requests that have come already would be lost."""
    ready, lost = [], []
    before = signal.signal(signal.SIGTERM, lambda *_: lost.append(True))

    def when_ready() -> None:
        ready.append(True)
        signal.raise_signal(signal.SIGTERM)
        assert not lost

    try:
        serve(make_service(), open_socket("127.0.0.1", 0), when_ready)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ready == [True]


def test_what_takes_too_long_is_answered_with_503_and_counts(monkeypatch):
    classifier, engine = slow_classifier()
    service, replies = make_service(classifier, stop_seconds=1), []
    started, listener = [], open_socket("127.0.0.1", 0)
    port = listener.getsockname()[1]
    make = http_server.make_server
    monkeypatch.setattr(http_server, "make_server", lambda *given: started.append(make(*given)) or started[0])

    def run() -> None:
        try:
            serve(service, listener)
        except RunError as error:
            replies.append(str(error))

    serving = threading.Thread(target=run)
    serving.start()
    wait_until(lambda: started and started[0].started)
    hold(service.worker, engine)
    asking = threading.Thread(target=lambda: replies.append(Served(port).predict({"text": "good"})))
    asking.start()
    wait_until(lambda: service.worker.texts == 2)
    begin = time.monotonic()
    started[0].handle_exit(signal.SIGINT, None)
    asking.join(20)
    serving.join(20)
    engine.gate.set()
    assert replies[0].status == 503 and "stopping" in replies[0].error
    assert replies[1].startswith("1 requests were not answered in --stop_seconds 1") and time.monotonic() - begin < 8


# -------------------------------------------------------------------------------------------------------- the address


def test_a_port_that_is_taken_is_named_before_the_model_is_loaded():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert_refused(
            [f"--port {port}", "another program uses it", "Pass another one"], open_socket, "127.0.0.1", port
        )


def test_a_port_that_is_taken_while_the_model_is_loaded_is_named_too():
    with open_socket("127.0.0.1", 0) as slow:
        port = slow.getsockname()[1]
        with open_socket("127.0.0.1", port) as quick:  # a socket that does not listen yet does not keep it out
            listen(quick)
            assert_refused([f"--port {port}", "another program uses it"], listen, slow)


def test_a_client_that_connects_before_the_server_runs_is_answered():
    """The line `ready` is printed then."""
    with open_socket("127.0.0.1", 0) as listener:
        listen(listener)
        early = socket.create_connection(listener.getsockname(), timeout=20)
        early.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        server = make_server(make_service())
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        assert early.recv(65536).startswith(b"HTTP/1.1 200")
        server.should_exit = True
        thread.join(20)


def test_a_host_that_is_none_is_named():
    assert_refused(["--host nowhere.invalid", "has no address", "127.0.0.1"], open_socket, "nowhere.invalid", 0)
    assert_refused(["--host 192.0.2.1", "cannot be used"], open_socket, "192.0.2.1", 0)
    assert "from 1024 on" in str(bind_error("127.0.0.1", 80, PermissionError(13, "no")))
    assert isinstance(bind_error("x", 1, OSError(98, "x")), UsageError)


def test_an_address_is_written_as_a_browser_reads_it():
    with open_socket("127.0.0.1", 0) as listener:
        assert address_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}" and is_loopback(listener)
    with open_socket("0.0.0.0", 0) as listener:
        assert not is_loopback(listener)
    if os.path.exists("/proc/net/if_inet6"):
        with open_socket("::1", 0) as listener:
            assert address_of(listener).startswith("http://[::1]:") and is_loopback(listener)
