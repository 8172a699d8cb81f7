"""The process that serves: its socket, and how it stops."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from classification.errors import UsageError, own_error
from classification.serving.http_app import Service, make_app
from classification.serving.timed_protocol import protocol_for
from classification.system.open_files import allow_open_files

KEEP_ALIVE_SECONDS = 30
BACKLOG = 2048  # connections that wait to be accepted
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound and does not listen yet: clients are refused until the model is ready.

    Raises:
        UsageError: an unknown host, or a port that is taken or may not be used.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "no such name"
        raise UsageError(f"--host {host}: has no address ({reason}). Pass 127.0.0.1, or 0.0.0.0 for all.") from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise bind_error(host, port, error) from error
    return listener


def listen(listener: socket.socket) -> None:
    """Let clients connect; they wait for `serve`.

    Raises:
        UsageError: another program has begun to listen on the port since `open_socket`.
    """
    try:
        listener.listen(BACKLOG)
    except OSError as error:
        host, port = listener.getsockname()[:2]
        raise bind_error(host, port, error) from error


def bind_error(host: str, port: int, error: OSError) -> UsageError:
    """The error about an address that cannot be used."""
    if isinstance(error, PermissionError):
        return UsageError(f"--port {port}: may not be used by this user. Pass one from 1024 on.")
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"--port {port}: another program uses it. Pass another one, or 0 for any that is free.")
    return UsageError(f"--host {host}: cannot be used ({error.strerror}). Pass 127.0.0.1, or 0.0.0.0 for all.")


def address_of(listener: socket.socket) -> str:
    """The URL of a socket."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine reaches a socket."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


class GracefulServer(uvicorn.Server):
    """uvicorn's server. After a signal it answers what it has accepted; a second signal ends it at once.

    uvicorn itself would end with the code of the signal instead of 0, and would ignore a second SIGTERM.

    Args:
        when_ready: is called once requests are answered and signals are handled.
    """

    def __init__(self, config: uvicorn.Config, service: Service, when_ready: Callable[[], None]):
        super().__init__(config)
        self.service, self.when_ready = service, when_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.when_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            os._exit(CODES.get(signal.Signals(sig), 1))  # the model may be computing, which nothing interrupts
        self.service.is_stopping = True
        self.should_exit = True


def make_server(service: Service, when_ready: Callable[[], None] = lambda: None) -> GracefulServer:
    """uvicorn with our limits, without its log."""
    limits = service.limits
    config = uvicorn.Config(
        make_app(service), http=protocol_for(limits.read_seconds, service.metrics), ws="none", lifespan="on",
        loop="asyncio", log_config=None, access_log=False, server_header=False, backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=limits.stop_seconds,
    )  # fmt: skip
    return GracefulServer(config, service, when_ready)


def serve(service: Service, listener: socket.socket, when_ready: Callable[[], None] = lambda: None) -> None:
    """Answer requests until a signal comes. Returns when everything that was accepted has been answered.

    Args:
        service: its worker has been started.
        listener: is closed at the end.
        when_ready: is called once requests are answered; from then on a signal loses none of them.

    Raises:
        RunError: some requests were not answered in `stop_seconds`.
    """
    limits, server = service.limits, make_server(service, when_ready)
    allow_open_files()  # a connection is one
    quiet_libraries()
    try:
        asyncio.run(server.serve(sockets=[listener]))
    finally:
        listener.close()
    if service.metrics.cut_off:
        raise own_error(
            f"{service.metrics.cut_off} requests were not answered in --stop_seconds {limits.stop_seconds}. "
            "Give them more time."
        )


def quiet_libraries() -> None:
    """uvicorn logs a line for each bad request; `/metrics` counts them instead."""
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
