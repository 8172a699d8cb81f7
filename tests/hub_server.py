"""A Hub on the loopback interface: the requests that `huggingface_hub` makes to push a model and to load it again.

Large files go by the basic LFS transfer. Xet is a protocol of its own between the client and a storage service, and is
turned off here (`HF_HUB_DISABLE_XET`).
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import huggingface_hub
from hub_answers import CUT, ROUTES, HubServer, Refused
from huggingface_hub.utils import close_session


class Handler(BaseHTTPRequestHandler):
    """Reads a request, finds its route and sends the answer."""

    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        hub, path = self.server.hub, self.path.partition("?")[0]
        method = "GET" if self.command == "HEAD" else self.command
        hub.requests.append((self.command, path))
        fault = hub.fault_of(method, path)
        if fault and fault.status == CUT:
            with suppress(OSError):
                self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        body = self.read_body()
        try:
            if fault:
                raise Refused(fault.status, message="on purpose")
            self.send(200, self.find_answer(hub, method, path, body))
        except Refused as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": error.message}
            content = {"error": error.message, "errors": [{"message": error.message}], **error.content}
            self.send(
                error.status, (json.dumps(content).encode(), {name: value for name, value in headers.items() if value})
            )

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def find_answer(self, hub: HubServer, method: str, path: str, body: bytes) -> Any:
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if not path.startswith("/large/") and (token is None or (hub.tokens and token not in hub.tokens)):
            raise Refused(401, message="Invalid username or password.")
        for wanted, pattern, function in ROUTES:
            if wanted == method and (found := pattern.fullmatch(path)):
                return function(hub, body, token, **found.groupdict())
        raise Refused(404, message=f"{method} {path} is not known here")

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def send(self, status: int, answer: Any) -> None:
        content, headers = answer if isinstance(answer, tuple) else (json.dumps(answer).encode(), {})
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: HubServer


@contextmanager
def running_hub(monkeypatch) -> Iterator[HubServer]:
    """Inside, `huggingface_hub` of this process talks to a Hub of its own, without waiting between tries."""
    server = Server(("127.0.0.1", 0), Handler)
    hub = server.hub = HubServer(url=f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    constants = huggingface_hub.constants
    for name in ("TRANSFORMERS_OFFLINE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.url + "/{repo_id}/resolve/{revision}/{filename}")
    impatient = SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None})
    monkeypatch.setattr("huggingface_hub.utils._http.time", impatient)
    close_session()
    try:
        yield hub
    finally:
        close_session()
        server.shutdown()
        thread.join()
        server.server_close()
