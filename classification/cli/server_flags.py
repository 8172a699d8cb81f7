"""The command line of scripts/serve.py: every flag in one table, read into a frozen value without a slow library."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from classification.cli.command_table import CommandTable, TableFlag
from classification.cli.loading_flags import BATCH_TOKENS, DOWNLOADS, MODEL, PRECISION, READING, REVISION
from classification.cli.prediction_paths import check_model
from classification.cli.prediction_values import READERS, Reader, whole_number, word_of
from classification.errors import UsageError

TOKEN_VARIABLE = "SERVE_TOKEN"
TOKEN = re.compile(r"[\x21-\x7e]{16,512}")
LARGEST_PORT = 65_535
LONGEST_SECONDS = 3600
LARGEST_BODY = 1024  # megabytes
MEGABYTE = 1_000_000
USAGE = "python scripts/serve.py MODEL [--flag value ...]"
DESCRIPTION = """Serve a trained classifier over HTTP: POST /predict, GET /health, GET /metrics, and a page at /.

  python scripts/serve.py out
  python scripts/serve.py out --host 0.0.0.0 --token_file token.txt
  curl -H 'Content-Type: application/json' -d '{"texts": ["A wonderful film"]}' http://127.0.0.1:8000/predict

MODEL is the folder of a saved model, or its name on the Hub. After Ctrl-C or SIGTERM the server answers what it has
received, and ends.
"""


@dataclass(frozen=True)
class ServerOptions:
    """The checked command line of scripts/serve.py. Each field has the name of its flag; None was not given.

    Args:
        server_token: the token that requests must have, from `--token_file` or the variable `SERVE_TOKEN`; None for
            none.
    """

    model: str
    host: str = "127.0.0.1"
    port: int = 8000
    token_file: str | None = None
    server_token: str | None = field(default=None, repr=False)
    max_texts: int = 256
    max_characters: int = 100_000
    max_body_megabytes: int = 4
    queue_texts: int = 2048
    queue_megabytes: int = 64
    read_seconds: int = 30
    stop_seconds: int = 30
    top_k: int | None = None
    abstain_below: float | None = None
    precision: str = "auto"
    device: str | None = None
    batch_tokens: int | None = None
    max_seq_length: int | None = None
    truncation_strategy: str | None = None
    model_revision: str = "main"
    cache_dir: str | None = None
    trust_remote_code: bool = False

    @property
    def max_body_bytes(self) -> int:
        return self.max_body_megabytes * MEGABYTE

    @property
    def queue_bytes(self) -> int:
        return self.queue_megabytes * MEGABYTE


def from_to(lowest: int, highest: int) -> Reader:
    """A whole number in a range."""

    def read(name: str, word: str) -> object:
        number = whole_number(lowest).read(name, word)
        if isinstance(number, int) and number > highest:
            raise UsageError(f"--{name} {word}: must be at most {highest:,}.")
        return number

    return Reader(read)


ADDRESS, REQUESTS = "address", "requests"
R, D = READERS, ServerOptions("")
FLAGS = (
    TableFlag("host", ADDRESS, "Address to listen on; 0.0.0.0 for all addresses of this machine "
                   f"(default: {D.host}).", R["name"], "HOST"),
    TableFlag("port", ADDRESS, f"Port; 0 for any free one (default: {D.port}).", from_to(0, LARGEST_PORT), "N"),
    TableFlag("token_file", ADDRESS, "File with the token that requests must have; or set the variable "
                   f"{TOKEN_VARIABLE}. Default: no token.", R["name"], "FILE"),
    TableFlag("max_texts", REQUESTS, f"Texts or pairs per request (default: {D.max_texts}).", R["count"], "N"),
    TableFlag("max_characters", REQUESTS, f"Characters per text (default: {D.max_characters}).", R["count"], "N"),
    TableFlag("max_body_megabytes", REQUESTS, f"Megabytes per request (default: {D.max_body_megabytes}).",
                   from_to(1, LARGEST_BODY), "N"),
    TableFlag("queue_texts", REQUESTS, "Texts that may wait for an answer; others are refused with status 429 "
                   f"(default: {D.queue_texts}).", R["count"], "N"),
    TableFlag("queue_megabytes", REQUESTS, "Megabytes of requests that may wait; others are refused with status "
                   f"429 (default: {D.queue_megabytes}).", R["count"], "N"),
    TableFlag("read_seconds", REQUESTS, "Seconds that a client may take to send a request "
                   f"(default: {D.read_seconds}).", from_to(1, LONGEST_SECONDS), "N"),
    TableFlag("stop_seconds", REQUESTS, "Seconds to answer what has been received, after Ctrl-C or SIGTERM "
                   f"(default: {D.stop_seconds}).", from_to(1, LONGEST_SECONDS), "N"),
    TableFlag("top_k", REQUESTS, "Only the K most probable labels, unless a request has its own top_k.",
                   R["count"], "K"),
    TableFlag("abstain_below", REQUESTS, "No label where the model is less sure than this probability.",
                   R["probability"], "P"),
    PRECISION,
    TableFlag("device", MODEL, "Such as cpu or cuda:1. Default: the fastest of this machine.", R["name"], "NAME"),
    BATCH_TOKENS,
    *READING,
    REVISION,
    *DOWNLOADS,
)  # fmt: skip
TABLE = CommandTable(USAGE, DESCRIPTION, FLAGS)


def read_server_flags(argv: Sequence[str]) -> ServerOptions:
    """The checked command line; imports no library that takes long.

    Raises:
        UsageError: a flag that is wrong, unknown or contradicts another; names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    values, places = TABLE.read(argv)
    if not places:
        raise UsageError("MODEL: is missing. Pass the folder of a saved model: python scripts/serve.py out")
    if len(places) > 1:
        raise UsageError(f"{places[1]}: one model is served at a time. Start one server per model, each with a --port.")
    model = os.path.expanduser(places[0])
    check_model(model)
    check_queue(values)
    if cache := word_of(values, "cache_dir"):
        values["cache_dir"] = os.path.expanduser(cache)
    return ServerOptions(model, server_token=read_token(word_of(values, "token_file"), os.environ), **values)


def check_queue(values: Mapping[str, object]) -> None:
    """Raise a UsageError where the largest request does not fit into the queue: it would be refused for ever."""
    for request, queue, unit in (
        ("max_texts", "queue_texts", "texts"), ("max_body_megabytes", "queue_megabytes", "megabytes")
    ):  # fmt: skip
        most, room = (values.get(name, getattr(D, name)) for name in (request, queue))
        if isinstance(most, int) and isinstance(room, int) and most > room:
            name = queue if queue in values else request
            raise UsageError(
                f"--{name} {values[name]}: a request may have {most} {unit}, and {room} fit into the queue. Pass "
                f"--{request} {room} --{queue} {room}, or a larger --{queue}."
            )


def read_token(path: str, environment: Mapping[str, str]) -> str | None:
    """The token of the server, None for none.

    Raises:
        UsageError: both places have a token, the file cannot be read, or the token is too short or cannot be sent.
    """
    given = environment.get(TOKEN_VARIABLE)
    if path and given:
        raise UsageError(f"--token_file {path}: the variable {TOKEN_VARIABLE} has a token too. Unset it.")
    if not path and given is None:
        return None
    place = f"--token_file {path}" if path else TOKEN_VARIABLE
    if path:
        try:
            given = Path(path).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise UsageError(f"{place}: cannot be read ({reason}). Name a file with one line, the token.") from error
    token = (given or "").strip()
    if not TOKEN.fullmatch(token):
        raise UsageError(
            f"{place}: a token has 16 to 512 visible ASCII characters. Make one: "
            'python -c "import secrets; print(secrets.token_urlsafe(32))"'
        )
    return token
