"""What the server accepts, and for how long it waits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ServerLimits:
    """Limits that keep one client from taking the server from the others.

    Args:
        max_texts: texts per request; a pair counts as one.
        max_characters: characters per text.
        max_body_bytes: bytes per request. The rest of a larger body is not read.
        queue_texts: texts that wait for an answer, of all requests together. Others are refused with 429.
        queue_bytes: bytes of these requests, and of those that are being read; likewise.
        read_seconds: for a client to send the headers, to send the body, or to read an answer.
        stop_seconds: to answer the accepted requests after a signal.
    """

    max_texts: int
    max_characters: int
    max_body_bytes: int
    queue_texts: int
    queue_bytes: int
    read_seconds: float
    stop_seconds: int
