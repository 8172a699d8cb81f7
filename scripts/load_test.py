"""Load a server with many clients, and print rows per second, latencies, statuses and lost requests.

    python scripts/load_test.py http://127.0.0.1:8000 --clients 200 --seconds 60
    python scripts/load_test.py http://127.0.0.1:8000 --clients 50 --leaving 0.2 --garbage 10

Each client has one connection and sends its next request when it has its answer; after status 429 it waits as
`Retry-After` says. A request is lost if it was sent and has no answer. Exit code 1: a request was lost, or a status is
500 or more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.typed_values import Parser
from classification.cli.usage_errors import exit_on_usage_error
from classification.errors import UsageError
from classification.system.open_files import allow_open_files

ANSWER_SECONDS = 120  # for one answer; then the request is lost
WORDS = (
    "a film that is good bad long short slow great story actors scene music ending never always the and of to".split()
)
GARBAGE = (
    b"\x00\xff\x16\x03\x01 no http\r\n\r\n",
    b"GET",
    b"POST /predict HTTP/1.1\r\nContent-Length: 99\r\n\r\n{",
    b"",
)


@dataclass
class Figures:
    """What all clients have seen.

    Args:
        seconds: of each request that was answered with 200.
        lost: requests without an answer. left: requests whose client went away on purpose.
    """

    statuses: Counter = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    rows: int = 0
    lost: int = 0
    left: int = 0

    def quantile(self, share: float) -> float:
        """The latency in seconds that this share of the requests did not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")

    @property
    def failed(self) -> bool:
        return bool(self.lost) or any(status >= 500 for status in self.statuses)


@dataclass(frozen=True)
class Target:
    """A server, and the body of every request to it."""

    host: str
    port: int
    requests: tuple[bytes, ...]
    texts: int


def make_parser() -> Parser:
    parser = Parser(description=__doc__.split("\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("url", help="the server, such as http://127.0.0.1:8000")
    parser.add_argument("--clients", type=int, default=200, help="clients that send requests at the same time")
    parser.add_argument("--seconds", type=float, default=60, help="length of the test")
    parser.add_argument("--texts", type=int, default=1, help="texts per request")
    parser.add_argument("--words", type=int, default=60, help="words per text, without --file")
    parser.add_argument("--file", help="file with one text per line, from which requests are drawn")
    parser.add_argument("--token", help="token of the server")
    parser.add_argument("--leaving", type=float, default=0.0, help="share of requests whose client leaves")
    parser.add_argument("--garbage", type=int, default=0, help="additional clients that send no valid requests")
    parser.add_argument("--seed", type=int, default=0, help="seed of the texts")
    return parser


def read_flags(argv: list[str] | None) -> argparse.Namespace:
    """The checked command line.

    Raises:
        UsageError: names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    flags = make_parser().parse_args(argv)
    for name, lowest in (("clients", 1), ("texts", 1), ("words", 1), ("garbage", 0)):
        if getattr(flags, name) < lowest:
            raise UsageError(f"--{name} {getattr(flags, name)}: must be at least {lowest}.")
    if not 0 < flags.seconds < float("inf"):
        raise UsageError(f"--seconds {flags.seconds:g}: must be greater than 0.")
    if not 0 <= flags.leaving <= 1:
        raise UsageError(f"--leaving {flags.leaving:g}: must be a share between 0 and 1.")
    return flags


def address_of(url: str) -> tuple[str, int]:
    """Host and port of a server.

    Raises:
        UsageError: another kind of address.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme != "http" or parts.path not in ("", "/"):
        raise UsageError(f"{url}: is no address of a server. Pass one such as http://127.0.0.1:8000")
    return host, port or 80


def read_lines(path: str) -> list[str]:
    """The texts of a file, one per line.

    Raises:
        UsageError: it cannot be read, or has no texts.
    """
    try:
        lines = [line for line in Path(path).read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise UsageError(f"--file {path}: cannot be read ({reason}). Name a file with one text per line.") from error
    if not lines:
        raise UsageError(f"--file {path}: has no texts. Name a file with one text per line.")
    return lines


def target_of(flags: argparse.Namespace) -> Target:
    """The requests, drawn once before the clock runs."""
    draw = random.Random(flags.seed)
    host, port = address_of(flags.url)
    lines = read_lines(flags.file) if flags.file else []
    requests = []
    for _ in range(256):
        texts = [
            draw.choice(lines) if lines else " ".join(draw.choices(WORDS, k=flags.words)) for _ in range(flags.texts)
        ]
        body = json.dumps({"texts": texts}).encode()
        head = f"POST /predict HTTP/1.1\r\nHost: {urlsplit(flags.url).netloc}\r\nContent-Type: application/json\r\n"
        head += f"Authorization: Bearer {flags.token}\r\n" if flags.token else ""
        requests.append(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    return Target(host, port, tuple(requests), flags.texts)


async def client(target: Target, end: float, leaving: float, draw: random.Random, figures: Figures) -> None:
    """Send one request after the other on one connection, until the time is over."""
    connection = None
    while time.monotonic() < end:
        request = draw.choice(target.requests)
        begin, wait = time.monotonic(), 0.0
        try:
            if connection and connection[0].at_eof():  # the server closes connections that were idle for long
                connection = close(connection)
            if connection is None:
                connection = await asyncio.open_connection(target.host, target.port)
            reader, writer = connection
            writer.write(request)
            await writer.drain()
            if draw.random() < leaving:
                await asyncio.sleep(draw.random() * 0.05)
                figures.left += 1
                connection = close(connection)
                continue
            status, headers = await asyncio.wait_for(read_answer(reader), ANSWER_SECONDS)
        except (OSError, EOFError, ValueError, TimeoutError):
            figures.lost += 1
            connection = close(connection)
            await asyncio.sleep(0.1)
            continue
        figures.statuses[status] += 1
        if status == 200:
            figures.seconds.append(time.monotonic() - begin)
            figures.rows += target.texts
        elif status == 429:
            wait = min(float(headers.get("retry-after", 1)), max(0.0, end - time.monotonic()))
        if headers.get("connection") == "close":
            connection = close(connection)
        await asyncio.sleep(wait)
    close(connection)


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of the next answer; its body is read and forgotten."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    await reader.readexactly(int(headers.get("content-length", 0)))
    return int(lines[0].split()[1]), headers


def close(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None) -> None:
    if connection:
        connection[1].close()


async def nuisance(target: Target, end: float, draw: random.Random) -> None:
    """A client that connects, sends what is no request, and waits or leaves."""
    while time.monotonic() < end:
        try:
            reader, writer = await asyncio.open_connection(target.host, target.port)
            writer.write(draw.choice(GARBAGE))
            await writer.drain()
            await asyncio.sleep(draw.random())
            writer.close()
        except OSError:
            await asyncio.sleep(0.1)


async def load(flags: argparse.Namespace) -> tuple[Figures, float]:
    """All clients together; their figures, and the seconds that they took.

    Raises:
        UsageError: no server listens at the address, or a wrong value.
    """
    target, figures = target_of(flags), Figures()
    try:
        close(await asyncio.open_connection(target.host, target.port))
    except OSError as error:
        raise UsageError(f"{flags.url}: nobody answers ({error.strerror or error}). Start the server first.") from error
    begin = time.monotonic()
    end = begin + flags.seconds
    draws = [random.Random(f"{flags.seed} {number}") for number in range(flags.clients + flags.garbage)]
    await asyncio.gather(
        *(client(target, end, flags.leaving, draw, figures) for draw in draws[: flags.clients]),
        *(nuisance(target, end, draw) for draw in draws[flags.clients :]),
    )
    return figures, time.monotonic() - begin


def main(argv: list[str] | None = None) -> Figures:
    """Run the test and print its figures."""
    flags = read_flags(argv)
    allow_open_files()  # each client has one
    figures, seconds = asyncio.run(load(flags))
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(figures.statuses.items())) or "none"
    latencies = ", ".join(f"p{round(100 * share)} {1000 * figures.quantile(share):,.0f}" for share in (0.5, 0.95, 0.99))
    print(f"clients      {flags.clients:,} for {seconds:.1f} s, {flags.texts:,} texts per request")
    print(f"statuses     {statuses}")
    print(f"lost         {figures.lost:,} (left on purpose: {figures.left:,})")
    print(f"rows/s       {figures.rows / seconds:,.1f}")
    print(f"latency ms   {latencies}")
    return figures


if __name__ == "__main__":
    sys.exit(1 if exit_on_usage_error(main).failed else 0)
