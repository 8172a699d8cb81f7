"""Ctrl-C and SIGTERM while rows are predicted: the part at hand is finished, and one line says how to go on."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from classification.errors import Stopped
from classification.messages.redaction import redact_command
from classification.models.kernels.allocator import is_own_process
from classification.system.stop_signals import SIGNALS, Request

SWITCHES = ("resume", "overwrite")  # that the command which goes on replaces


@contextmanager
def prediction_stoppable(argv: Sequence[str], *, keeps_parts: bool) -> Iterator[None]:
    """Inside, a signal stops the prediction: between two parts once there are parts, and at once before.

    Args:
        argv: the command line. keeps_parts: whether complete parts stay.

    Raises:
        Stopped: with the exit code of the signal and how the prediction continues.
        KeyboardInterrupt: after Ctrl-C, where a program has called `main`.
    """
    try:
        with SIGNALS.handled():
            yield
    except (Stopped, KeyboardInterrupt) as error:
        number = error.number if isinstance(error, Stopped) else Request.INTERRUPT.code
        can_resume = keeps_parts and SIGNALS.has_trained  # `polite` was entered
        title = "SIGTERM" if number == Request.TERMINATE.code else "Ctrl-C"
        message = f"{title}: stopped. {how_to_continue(argv) if can_resume else ''}".rstrip()
        if number == Request.INTERRUPT.code and not is_own_process():
            raise KeyboardInterrupt(message) from None
        raise Stopped(number, message, can_resume=can_resume, is_shared=False) from None


def how_to_continue(argv: Sequence[str]) -> str:
    if "LOCAL_RANK" in os.environ:
        return "Complete parts are kept. Continue with the same launch and --resume."
    return f"Complete parts are kept. Continue with:\n  {command_text([*without(argv, SWITCHES), '--resume'])}"


def command_text(words: Sequence[str]) -> str:
    """A command line of predict.py for the shell, without secrets."""
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    script = sys.argv[0] if is_own_process() else "predict.py"
    return join(["python", script, *redact_command(words)])


def job_command(argv: Sequence[str]) -> str:
    """The command line of a job, without what differs between its shards and its beginnings."""
    return command_text(without(argv, SWITCHES, valued=("shard",)))


def without(argv: Sequence[str], switches: Sequence[str], valued: Sequence[str] = ()) -> list[str]:
    """The words of a command line without some flags."""
    words, rest = [], list(argv)
    while rest:
        word = rest.pop(0)
        name, equals, _ = word.partition("=")
        name = name[2:].replace("-", "_") if word.startswith("--") else ""
        if name in switches:
            if not equals and rest and rest[0].lower() in ("true", "false"):
                rest.pop(0)
        elif name in valued:
            if not equals and rest:
                rest.pop(0)
        else:
            words.append(word)
    return words
