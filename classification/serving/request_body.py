"""Reading a request without trusting its client: the token, the kind of body, its length and its pace."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from classification.serving.refusals import JSON, ClientGone, Refusal

CLOSE, RETRY = {"Connection": "close"}, {"Retry-After": "1"}
TOKEN_WANTED = "the token is missing or wrong. Send the header: Authorization: Bearer TOKEN"


def has_token(request: Request, token: str | None) -> bool:
    """Whether a request may see what the token guards. A comparison takes as long for every wrong token."""
    if token is None:
        return True
    kind, _, given = request.headers.get("authorization", "").partition(" ")
    return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode("utf-8", "replace"), token.encode())


def check_token(request: Request, token: str | None) -> None:
    """Raise a Refusal with 401 for a missing or wrong token."""
    if not has_token(request, token):
        raise Refusal(401, TOKEN_WANTED, {"WWW-Authenticate": "Bearer"})


def check_kind(request: Request) -> None:
    """Raise a Refusal with 415 for a body that is not plain JSON.

    The header is required because of other web sites: without it, a browser lets their pages send any body here.
    """
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    if kind.strip().lower() != JSON:
        raise Refusal(
            415, f"the content type is {kind.strip()[:40] or 'missing'}. Send the header: Content-Type: {JSON}"
        )
    charset = parameters.lower().replace(" ", "").replace('"', "").removeprefix("charset=")
    if charset not in ("", "utf-8", "utf8"):
        raise Refusal(415, "the charset is not UTF-8. Send the body in UTF-8.")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refusal(415, "the body is compressed. Send it as it is.")


class BodyRoom:
    """Limits the memory of the bodies of all requests together, from their first byte to their answer.

    Args:
        most: bytes.
    """

    def __init__(self, most: int):
        self.most, self.used = most, 0

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """Yield a function that takes more bytes for one request; they are given back at the end.

        The function raises a Refusal with 429 if they do not fit.
        """
        own = 0

        def take(count: int) -> None:
            nonlocal own
            if self.used + count > self.most:
                raise Refusal(429, "the server is busy with large requests. Send the request again later.", RETRY)
            self.used += count
            own += count

        try:
            yield take
        finally:
            self.used -= own


async def read_body(request: Request, most: int, seconds: float, take: Callable[[int], None]) -> bytes:
    """The body of a request, of at most `most` bytes and in at most so many seconds.

    Args:
        take: as from `BodyRoom.held`.

    Raises:
        Refusal: 413, 408 or 429.
        ClientGone: the client has closed the connection.
    """
    too_large = Refusal(413, f"the body has more than {most:,} bytes. Send several requests.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > most:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise too_large
                take(len(chunk))
    except TimeoutError:
        raise Refusal(408, f"the body did not arrive in {seconds:g} seconds.", CLOSE) from None
    except ClientDisconnect:
        raise ClientGone from None
    return bytes(body)
