"""all_results.json and run.json: what a run found, and everything needed to run it again."""

from __future__ import annotations

import json
import math
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from classification.files import replacing

SECRETS = ("token", "hub_token", "push_to_hub_token")
LIBRARIES = (
    "torch", "transformers", "datasets", "accelerate", "evaluate", "peft", "scikit-learn", "numpy", "matplotlib",
)  # fmt: skip


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write the whole file or nothing; numbers that JSON lacks (nan, inf) become null."""
    with replacing(path) as handle:
        handle.write(json.dumps(plain(content), indent=2, ensure_ascii=False) + "\n")


def plain(value: object) -> object:
    """A value as JSON can hold it."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def run_record(argv: Sequence[str], arguments: Mapping[str, object], **facts: object) -> dict[str, object]:
    """What run.json holds: the command and arguments without secrets, the environment, and `facts`."""
    return {
        "command": ["run_classification.py", *redact_command(argv)],
        "arguments": redact(arguments),
        **environment(),
        **facts,
    }


def redact(arguments: Mapping[str, object]) -> dict[str, object]:
    """The arguments, nested ones too, with tokens and secrets replaced by `<redacted>`."""
    return {
        name: redact(value) if isinstance(value, Mapping) else "<redacted>" if name in SECRETS and value else value
        for name, value in arguments.items()
    }


def redact_command(argv: Sequence[str]) -> list[str]:
    """The command line with the values of secret flags replaced, in both spellings (`--token X`, `--token=X`)."""
    redacted, hide_next = [], False
    for word in argv:
        name, equals, _ = word.partition("=")
        is_secret = name.startswith("--") and name[2:].replace("-", "_") in SECRETS
        redacted.append("<redacted>" if hide_next else f"{name}=<redacted>" if is_secret and equals else word)
        hide_next = is_secret and not equals
    return redacted


def environment() -> dict[str, object]:
    """Library versions, machine and git commit."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "versions": {name: version(name) for name in LIBRARIES},
        "git_commit": git_commit(),
    }


def git_commit() -> str | None:
    """The commit of this code, marked `-dirty` where files differ from it; None outside a checkout or without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
