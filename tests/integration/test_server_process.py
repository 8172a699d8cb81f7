"""A real process: a signal lets it answer what it has accepted, and it ends with code 0 in time."""

from __future__ import annotations

import signal
import threading

import pytest
from helpers import ROOT
from made_classifiers import save_tiny
from served import accepts, head_of, started_process, wait_until

# The server's engine sleeps before each batch, so that requests are in flight when the signal comes.
SLOW = """
import runpy, sys, time
sys.path.insert(0, ROOT)
from classification.inference.padded_engine import PaddedEngine
compute, started = PaddedEngine.logits, time.monotonic()
def slow(self, encoded):
    if len(encoded["input_ids"]) < 30:  # not the first batch of all
        time.sleep(SECONDS)
    return compute(self, encoded)
PaddedEngine.logits = slow
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("model") / "reviews"))


@pytest.fixture
def slow_script(tmp_path):
    def write(seconds: float) -> str:
        path = tmp_path / f"slow_{seconds}.py"
        path.write_text(SLOW.replace("ROOT", repr(str(ROOT))).replace("SECONDS", str(seconds)))
        return str(path)

    return write


def ask_together(server, count: int) -> tuple[list, list[threading.Thread]]:
    """Requests that are sent at once, each on a connection of its own, and where their replies will be."""
    replies: list = [None] * count

    def ask(number: int) -> None:
        try:
            replies[number] = server.predict({"text": "good film " * (number + 1)})
        except OSError as error:
            replies[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return replies, threads


def test_requests_in_flight_at_sigterm_are_all_answered(model, slow_script):
    """Also the one whose body is still on its way. Idle connections are closed, and no text is logged."""
    with started_process(
        model, "--precision", "fp32", "--batch_tokens", 16, "--top_k", 1, script=slow_script(0.3)
    ) as server:
        body = b'{"text": "good wonderfulsecret"}'
        assert server.predict({"text": 3}).status == 400
        server.socket(b"garbage wonderfulsecret\r\n\r\n").recv(1000)
        idle, sending = server.socket(), server.socket(head_of(len(body)), body[:5])
        replies, threads = ask_together(server, 4)
        wait_until(lambda: server.metric("classifier_queue_texts") == 4)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(server.port))
        sending.sendall(body[5:])
        for thread in threads:
            thread.join(20)
        assert [len(reply.answers[0]["probabilities"]) for reply in replies] == [1] * 4
        assert sending.recv(65536).startswith(b"HTTP/1.1 200") and idle.recv(100) == b""
        assert server.process.wait(10) == 0
    shown = "".join(server.shown)
    assert "address      http://127.0.0.1:" in shown and "2 classes: negative, positive" in shown
    assert "wonderfulsecret" not in shown and "warning" not in shown
    assert "all accepted requests were answered" in server.shown[-1]


def test_a_second_signal_stops_at_once(model, slow_script):
    with started_process(model, "--precision", "fp32", script=slow_script(30)) as server:
        _, threads = ask_together(server, 1)
        wait_until(lambda: server.metric("classifier_queue_texts") == 1)
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: not accepts(server.port))
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(5) == 143
        threads[0].join(20)
