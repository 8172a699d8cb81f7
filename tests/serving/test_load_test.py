"""scripts/load_test.py counts what happened: answers, refusals, clients that left, and lost requests."""

from __future__ import annotations

import socket
import threading

import load_test
import pytest
from helpers import assert_refused
from served import hold, served, slow_classifier


def run(server, *words: object):
    return load_test.main([f"http://127.0.0.1:{server.port}", "--seconds", "0.5", "--words", "9", *map(str, words)])


def test_every_request_is_counted_once(capsys):
    with served() as server:
        figures = run(server, "--clients", 3, "--texts", 2)
        assert figures.statuses.keys() == {200} and figures.rows == 2 * figures.statuses[200] > 0
        assert not figures.failed and figures.quantile(0.5) <= figures.quantile(0.99) < 10
        assert server.metric("classifier_texts_total") == figures.rows
    shown = capsys.readouterr().out
    assert "lost         0" in shown and "rows/s" in shown and "p99" in shown


def test_clients_that_leave_and_garbage_cost_no_request():
    with served(read_seconds=1) as server:
        figures = run(server, "--clients", 3, "--leaving", 0.3, "--garbage", 1)
        assert figures.left > 0 and not figures.failed and figures.statuses[200] > 0
        assert server.predict({"text": "good"}).answers


def test_a_refusal_is_counted_and_waited_for():
    classifier, engine = slow_classifier()
    with served(classifier, queue_texts=1) as server:
        hold(server.service.worker, engine)
        opened = threading.Timer(0.2, engine.gate.set)
        opened.start()
        figures = run(server, "--clients", 2, "--seconds", 2)
        opened.join()
        assert figures.statuses[429] > 0 and figures.statuses[200] > 0 and not figures.failed


def test_the_token_is_sent():
    with served(token="0123456789abcdef") as server:
        assert run(server, "--clients", 1, "--seconds", 0.1).statuses.keys() == {401}
        assert run(server, "--clients", 1, "--seconds", 0.1, "--token", "0123456789abcdef").statuses.keys() == {200}


def test_a_server_that_never_answers_loses_requests(monkeypatch):
    monkeypatch.setattr(load_test, "ANSWER_SECONDS", 0.1)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        figures = load_test.main([f"http://127.0.0.1:{deaf.getsockname()[1]}", "--clients", "1", "--seconds", "0.3"])
    assert figures.lost and figures.failed


def test_texts_come_from_a_file(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("first text\n\nsecond text\n", encoding="utf-8")
    flags = load_test.make_parser().parse_args(["http://h:81", "--file", str(path), "--texts", "3"])
    target = load_test.target_of(flags)
    assert (target.host, target.port, target.texts) == ("h", 81, 3)
    assert all(b"text" in request and b'""' not in request for request in target.requests)


def test_a_connection_that_the_server_closes_between_two_requests_costs_no_request():
    """A server closes idle connections, and a client may wait longer than that after status 429."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def answer_once_each() -> None:
            while True:
                try:
                    taken, _ = listener.accept()
                except OSError:
                    return
                with taken:
                    if taken.recv(65536):
                        taken.sendall(b"HTTP/1.1 429 x\r\nRetry-After: 0.05\r\nContent-Length: 0\r\n\r\n")

        serving = threading.Thread(target=answer_once_each, daemon=True)
        serving.start()
        words = [f"http://127.0.0.1:{listener.getsockname()[1]}", "--clients", "1", "--seconds", "0.4"]
        figures = load_test.main(words)
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(5)
    assert figures.lost == 0 and figures.statuses[429] > 2


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["url"]),
        (["127.0.0.1:8000"], ["127.0.0.1:8000: is no address", "http://"]),
        (["localhost:8000"], ["localhost:8000: is no address"]),
        (["https://127.0.0.1:8000"], ["is no address", "http://127.0.0.1:8000"]),
        (["http://127.0.0.1:port"], ["is no address"]),
        (["http://127.0.0.1:8000/predict"], ["is no address"]),
        (["http://127.0.0.1:1"], ["http://127.0.0.1:1: nobody answers", "Start the server"]),
        (["http://h", "--clients", "0"], ["--clients 0: must be at least 1"]),
        (["http://h", "--clients", "many"], ["--clients", "'many'"]),
        (["http://h", "--seconds", "nan"], ["--seconds nan"]),
        (["http://h", "--leaving", "20"], ["--leaving 20", "between 0 and 1"]),
        (["http://h", "--file", "nowhere.txt"], ["--file nowhere.txt: cannot be read"]),
        (["http://h", "--file", "/dev/null"], ["--file /dev/null: has no texts"]),
        (["http://h", "--client", "3", "--users", "4"], ["--users"]),
    ],
)
def test_a_wrong_command_line_is_one_line(words, parts):
    assert_refused(parts, load_test.main, words)
