"""all_results.json and run.json: what a run found, and everything needed to run it again."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from classification.data.hub_access import cached_commit
from classification.data.hub_names import origins
from classification.messages.redaction import redact, redact_command, secrets_in, secrets_of
from classification.reporting.environment import environment
from classification.system.files import replacing
from classification.training.finished_run import FORMAT


def write_json(path: Path, content: Mapping[str, object]) -> None:
    """Write the whole file or nothing; numbers that JSON lacks (nan, inf) become null."""
    text = json.dumps(plain(content), indent=2, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:  # the name of a folder need not be UTF-8
        text = json.dumps(plain(content), indent=2)
    with replacing(path) as handle:
        handle.write(text + "\n")


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
    """What run.json holds: the command and arguments without secrets, the environment, and `facts`.

    The facts come last and replace what has the same name; `flags`, what was given, is written without secrets too.
    """
    known = [*secrets_of(argv), *secrets_in(arguments)]
    if "flags" in facts:
        facts["flags"] = redact(facts["flags"], known)
    return {
        "format": FORMAT,
        "command": ["run_classification.py", *redact_command(argv, known)],
        "arguments": redact(arguments, known),
        "commits": hub_commits(arguments),
        "origins": origins(arguments),
        **environment(),
        **facts,
    }


def hub_commits(arguments: Mapping[str, object]) -> dict[str, str]:
    """The commits of the models on the Hub that the flags name; branches move, commits do not."""
    branch, cache_dir = str(arguments.get("model_revision") or "main"), str(arguments.get("cache_dir") or "") or None
    branches = {"model_name_or_path": branch, "config_name": branch, "tokenizer_name": branch, "teacher": "main"}
    commits = {
        flag: cached_commit(str(arguments[flag]), name, cache_dir)
        for flag, name in branches.items()
        if arguments.get(flag)
    }
    return {flag: commit for flag, commit in commits.items() if commit}
