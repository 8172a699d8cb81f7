"""A client that sends garbage, too much, too little or nothing, or leaves, harms nobody."""

from __future__ import annotations

import socket
import struct
import time

import pytest
from served import head_of, served, wait_until

BODY = b'{"text": "good film"}'


@pytest.fixture(scope="module")
def server():
    with served(read_seconds=0.5) as running:
        yield running


@pytest.fixture(autouse=True)
def others_are_served(server):
    """After every test an ordinary client gets its answer, and nothing is left behind."""
    yield
    assert server.predict({"text": "good film"}).answers
    wait_until(lambda: server.service.worker.texts == 0)
    wait_until(lambda: not server.server.server_state.tasks)


def read_all(opened: socket.socket) -> bytes:
    """What the server sends until it closes the connection; "" where it resets it."""
    parts = []
    try:
        while part := opened.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x9a" * 200,  # TLS
        b"\x00" * 100 + b"\r\n\r\n",
        b"hello\r\n\r\n",
        b"POST /predict\r\n\r\n",
        b"POST /predict HTTP/1.1\r\n\r\n",  # no host
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 30_000 + b"\r\n",
    ],
    ids=range(9),
)
def test_bytes_that_are_no_http_are_answered_with_400_and_closed(server, sent):
    opened = server.socket()
    try:
        opened.sendall(sent)
    except (ConnectionResetError, BrokenPipeError):
        return  # closed before it took all of it
    answer = read_all(opened)
    assert not answer or (answer.startswith(b"HTTP/1.1 400") and b'{"error":"' in answer)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    ],
    ids=range(4),
)
def test_odd_requests_are_answered(server, sent):
    assert server.socket(sent).recv(65536).startswith((b"HTTP/1.1 200", b"HTTP/1.1 400", b"HTTP/1.1 404"))


def test_garbage_behind_a_request_does_not_spoil_its_answer(server):
    opened = server.socket(head_of(len(BODY)) + BODY + b"\x00garbage\r\n\r\n")
    answer = read_all(opened)
    assert answer.startswith(b"HTTP/1.1 200") and answer.count(b"HTTP/1.1") == 2 and b"HTTP/1.1 400" in answer


def test_a_body_in_broken_pieces_is_answered_with_400(server):
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = read_all(server.socket(head + b'5\r\n{"tex\r\n', b"zz\r\n"))
    assert answer.startswith(b"HTTP/1.1 400") and b'{"error":"' in answer


def test_two_requests_in_one_packet_have_two_answers(server):
    opened = server.socket((head_of(len(BODY)) + BODY) * 2)
    answer = b""
    while answer.count(b'"answers"') < 2:
        answer += opened.recv(65536)
    assert answer.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("sent", [b"", b"POST /pre", head_of(50)[:-2], b"GET / HTTP/1.1\r\nHost: x\r\nX:"])
def test_headers_that_do_not_come_close_the_connection(server, sent):
    opened = server.socket(sent)
    begin = time.monotonic()
    assert read_all(opened) == b"" and time.monotonic() - begin < 3


def test_a_byte_now_and_then_does_not_buy_more_time(server):
    opened = server.socket()
    begin = time.monotonic()
    with pytest.raises(OSError):
        for byte in b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + b"a" * 100:
            opened.sendall(bytes([byte]))
            time.sleep(0.05)
    assert time.monotonic() - begin < 3


def test_nor_does_one_on_a_connection_that_was_used(server):
    opened = server.socket(head_of(len(BODY)) + BODY)
    assert opened.recv(65536).startswith(b"HTTP/1.1 200")
    opened.sendall(b"POST /predict HT")
    begin = time.monotonic()
    read_all(opened)
    assert time.monotonic() - begin < 3


def test_a_connection_that_waits_for_its_next_request_stays(server):
    connection = server.connect()
    server.predict({"text": "good"}, connection=connection)
    first = connection.sock
    time.sleep(0.8)
    assert server.predict({"text": "good"}, connection=connection).answers and connection.sock is first


def test_a_body_that_does_not_come_is_answered_with_408(server):
    opened = server.socket(head_of(500), BODY)
    answer = read_all(opened)
    assert answer.startswith(b"HTTP/1.1 408") and b"did not arrive in 0.5 seconds" in answer


def test_half_a_body_and_gone(server):
    server.socket(head_of(500), BODY).close()


def test_a_client_that_resets_its_connection(server):
    for part in (b"", BODY[:5], BODY):
        opened = server.socket(head_of(len(BODY)), part)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        opened.close()


def test_ten_megabytes_are_cut_off_while_they_are_read(server):
    opened = server.socket(head_of(10_000_000))
    assert opened.recv(65536).startswith(b"HTTP/1.1 413")  # before any of it was sent
    opened.close()
    chunked = server.socket(
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    for _ in range(12):
        chunked.sendall(b"2710\r\n" + b"[" * 10_000 + b"\r\n")
    assert chunked.recv(65536).startswith(b"HTTP/1.1 413")  # after 100,000 bytes


def test_the_rest_of_a_refused_body_does_not_keep_the_connection_for_ever(server):
    opened = server.socket(head_of(10**9))
    assert opened.recv(65536).startswith(b"HTTP/1.1 413")
    begin = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - begin < 5:
            opened.sendall(b"x" * 1000)
            time.sleep(0.02)
    assert time.monotonic() - begin < 4


def test_who_asks_first_is_told_before_it_sends(server):
    opened = server.socket(head_of(10**9, "Expect: 100-continue"))
    assert opened.recv(65536).startswith(b"HTTP/1.1 413")
    polite = server.socket(head_of(len(BODY), "Expect: 100-continue"))
    assert polite.recv(65536).startswith(b"HTTP/1.1 100")
    polite.sendall(BODY)
    assert polite.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_client_that_never_reads_its_answers(server):
    opened = server.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    opened.settimeout(0.2)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    begin = time.monotonic()
    while time.monotonic() - begin < 8:
        try:
            opened.sendall(request * 100)
        except TimeoutError:
            continue
        except OSError:
            return  # the server has closed it
    raise AssertionError("the connection was kept for 8 seconds")


@pytest.mark.parametrize("is_half_closed", [False, True])
def test_a_connection_that_is_closed_does_not_wait_for_ever_for_a_client_that_takes_nothing(server, is_half_closed):
    """What is left of the answer is too little for the limit of a client that never reads."""
    connections = server.server.server_state.connections
    before = set(connections)
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    opened.connect(("127.0.0.1", server.port))
    wait_until(lambda: set(connections) - before)
    (own,) = set(connections) - before
    own.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2048)
    request = b"GET / HTTP/1.1\r\nHost: x\r\n"
    opened.sendall((request + b"\r\n") * 3 + request + b"Connection: close\r\n\r\n" * (not is_half_closed))
    wait_until(lambda: own.transport.get_write_buffer_size() > 0)
    assert own.write_deadline is None
    if is_half_closed:
        opened.shutdown(socket.SHUT_WR)
    wait_until(lambda: own not in connections, seconds=4)
    opened.close()


def test_an_upgrade_is_not_made(server):
    reply = server.ask("GET", "/", headers={"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Key": "x"})
    assert reply.status == 200


def test_many_idle_connections_keep_nobody_out(server):
    idle = [server.socket() for _ in range(60)]
    assert server.predict({"text": "good"}).answers
    for opened in idle:
        opened.close()


def test_many_large_requests_at_once_do_not_fill_the_memory(server):
    """Together they may have 300,000 bytes; what is given back is there for others."""
    room = server.service.room
    waiting = [server.socket(head_of(100_000), b" " * 99_999) for _ in range(3)]
    wait_until(lambda: room.used == 3 * 99_999)
    assert server.predict({"text": "good"}).status == 429
    waiting[0].close()
    wait_until(lambda: room.used == 2 * 99_999)
    assert server.predict({"text": "good"}).answers
    assert read_all(waiting[1]).startswith(b"HTTP/1.1 408")
    wait_until(lambda: room.used == 0)
