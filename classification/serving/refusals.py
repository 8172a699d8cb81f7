"""What an error becomes: for the client a status and one sentence, for the log a traceback without texts."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping

from starlette.responses import Response

from classification.errors import RunError
from classification.messages.shown_texts import format_error, texts_shown

logger = logging.getLogger(__name__)

JSON = "application/json"
STOPPING = "the server is stopping. Send the request to another one, or later."
NOT_READY = "the model does not compute any more. Send the request to another server, or later."
MODEL_FAILED = "the model failed on this request. The server's log has the reason."


class Refusal(Exception):
    """The server answers with `status` and `{"error": message}`.

    Args:
        message: what is wrong and what to do. It may name a place in the request, but never quotes a text.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None):
        super().__init__(message)
        self.status, self.message, self.headers = status, message, dict(headers or {})


class ClientGone(Exception):
    """The client has closed its connection: nobody waits for an answer."""


def error_body(message: str) -> bytes:
    """The body of every error."""
    return json_bytes({"error": message})


def error_response(refusal: Refusal) -> Response:
    return Response(error_body(refusal.message), refusal.status, refusal.headers, JSON)


def json_bytes(value: object) -> bytes:
    """Compact JSON in UTF-8, without NaN."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")  # the name of a label may have half of a character


def report(error: Exception) -> None:
    """Log an error without the texts that its message may quote."""
    with texts_shown(False):
        logger.warning("%s", str(error) if isinstance(error, RunError) else format_error(error).rstrip())
