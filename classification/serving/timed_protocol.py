"""The connection of a client: uvicorn's, with a time limit for all that the client owes, and our shape of errors."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from classification.serving.refusals import JSON, error_body
from classification.serving.server_metrics import ServerMetrics

INVALID = "this is no valid HTTP request."


class TimedProtocol(H11Protocol):
    """uvicorn waits without limit for the headers of a request, for the rest of one that was refused, and for a
    client that does not take its answer. Here it waits `owed_seconds`, however often a byte comes.

    The body of a request that is read has a limit of its own (`read_body`).

    Attributes:
        deadline: when a client that has not sent what it owes is disconnected.
        write_deadline: the same for a client that does not take its answer.
    """

    owed_seconds: ClassVar[float] = 30.0
    metrics: ClassVar[ServerMetrics | None] = None
    deadline: asyncio.TimerHandle | None = None
    write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.watch()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.watch()

    def eof_received(self) -> None:
        self.transport.close()  # as asyncio does afterwards
        self.watch()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self.deadline, self.write_deadline):
            if timer:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.write_deadline = self.loop.call_later(self.owed_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.write_deadline:
            self.write_deadline.cancel()

    @property
    def owes(self) -> bool:
        """Whether the client has to send something that nobody else waits for."""
        if self.conn.their_state is h11.IDLE:  # headers, unless uvicorn waits for the next request
            return self.timeout_keep_alive_task is None
        is_answered = self.cycle is not None and self.cycle.response_complete
        return self.conn.their_state is h11.SEND_BODY and is_answered

    def watch(self) -> None:
        """Start or stop the deadline. More bytes of what the client owes do not extend it.

        A connection that is being closed stays open until the client has taken all that was sent.
        """
        if not (self.owes or self.transport.is_closing()):
            if self.deadline:
                self.deadline.cancel()
            self.deadline = None
        elif self.deadline is None:
            self.deadline = self.loop.call_later(self.owed_seconds, self.leave)

    def leave(self) -> None:
        if self.metrics and not self.transport.is_closing():
            self.metrics.broken.inc()
        self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """The answer to bytes that are no HTTP; a connection whose answer is on its way is closed."""
        if self.metrics:
            self.metrics.broken.inc()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        body = error_body(INVALID)
        headers = [("content-type", JSON), ("content-length", str(len(body))), ("connection", "close")]
        events = (h11.Response(status_code=400, headers=headers), h11.Data(data=body), h11.EndOfMessage())
        for event in events:
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def protocol_for(owed_seconds: float, metrics: ServerMetrics) -> type[TimedProtocol]:
    """The class of the connections of one server."""
    return type("ServedProtocol", (TimedProtocol,), {"owed_seconds": owed_seconds, "metrics": metrics})
