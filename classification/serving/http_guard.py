"""A middleware around all paths: every error has one shape, no text is logged, and every request is counted."""

from __future__ import annotations

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from classification.serving.refusals import STOPPING, ClientGone, Refusal, error_response, report
from classification.serving.request_body import CLOSE
from classification.serving.server_metrics import CLIENT_LEFT, ServerMetrics

SENTENCES = {
    404: "there is no such path. GET /docs lists all paths.",
    405: "the path does not allow this method. GET /docs lists all paths and methods.",
}
HEADERS = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]


def refused(request: Request, error: Exception) -> Response:
    """The answer to a `Refusal`, and to an error of the router, such as an unknown path."""
    if isinstance(error, HTTPException):
        text = SENTENCES.get(error.status_code, "the request cannot be answered.")
        error = Refusal(error.status_code, text, error.headers)
    assert isinstance(error, Refusal)
    return error_response(error)


class HttpGuard:
    """Counts requests, and answers errors that the paths do not handle."""

    def __init__(self, app: ASGIApp, metrics: ServerMetrics):
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), *HEADERS]
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        except ClientGone:
            status = status or CLIENT_LEFT
        except asyncio.CancelledError:  # the server stops, and the time for it is over
            self.metrics.cut_off += 1
            if not status:
                await error_response(Refusal(503, STOPPING, CLOSE))(scope, receive, send_counted)
        except Exception as error:
            report(error)
            if not status:
                problem = Refusal(500, "the server failed on this request. Its log has the reason.")
                await error_response(problem)(scope, receive, send_counted)
        finally:
            self.metrics.count_request(scope["path"], status or CLIENT_LEFT, time.perf_counter() - begin)
