"""Tokens, passwords and keys: replaced by `<redacted>` in everything that is printed or written."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

HIDDEN = "<redacted>"
SHORTEST = 6  # letters; a shorter secret is not searched for inside other words

_WORDS = (
    r"(?:token|secret|password|passwd|passphrase|api_?key|access_?key(?:_id)?|secret_?key|private_?key|credentials?)"
)
SECRET_NAME = re.compile(rf"(?:.*[\W_]|[a-z]*){_WORDS}|key|authorization", re.IGNORECASE)
PATTERNS = (  # what looks like a secret wherever it is; the first group stays
    # user:password@host; a key of S3 may have a slash
    re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^/\s'\"<>]+|[^\s'\"<>@/:]*:[^\s'\"<>@]+)(?=@)"),
    re.compile(rf"([?&][\w.-]*(?:{_WORDS}|signature|sig|key)=)[^&\s'\"<>]+", re.IGNORECASE),
    re.compile(rf"(?<![\w-])([\w-]*{_WORDS}['\"]?\s*[:=]\s*['\"]?)(?!<redacted>)[^\s'\"<>,}}]{{8,}}", re.IGNORECASE),
    re.compile(r"(\bBearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"()\b(?:(?:hf|api_org|gh[pousr])_[A-Za-z0-9]{20,}|(?:github_pat_|glpat-|sk-|xox[abp]-)[\w-]{20,})"),
    re.compile(r"()\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
)
VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY")


def is_secret(name: str) -> bool:
    """Whether a flag or key of this name holds a secret: `--token`, `hub-token`, `api_key`, but not `max_tokens`."""
    return SECRET_NAME.fullmatch(name.lstrip("-").replace("-", "_")) is not None


def hide_secrets(text: str, known: Iterable[str] = ()) -> str:
    """The text without the `known` secrets and without anything that looks like one.

    >>> hide_secrets("cannot read https://me:abc@host/x.csv?sig=1f2e")
    'cannot read https://<redacted>@host/x.csv?sig=<redacted>'
    """
    for secret in sorted(known, key=len, reverse=True):
        if len(secret) >= SHORTEST:
            text = text.replace(secret, HIDDEN)
    for pattern in PATTERNS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text


def redact(value: object, known: Sequence[str] = ()) -> object:
    """The arguments of a run, nested ones too, without secrets. Numbers stay: a class may have the name `token`."""
    if isinstance(value, Mapping):
        return {
            name: HIDDEN if item and isinstance(item, str) and is_secret(str(name)) else redact(item, known)
            for name, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item, known) for item in value]
    return _redact_word(value, known) if isinstance(value, str) else value


def redact_command(argv: Sequence[str], known: Sequence[str] = ()) -> list[str]:
    """The command line without secrets: values of secret flags (`--token X`, `--token=X`), keys inside JSON, URLs."""
    known = [*known, *secrets_of(argv)]
    redacted, hide_next = [], False
    for word in argv:
        name, equals, value = word.partition("=")
        names_secret = name.startswith("--") and is_secret(name)
        if hide_next:
            redacted.append(HIDDEN)
        elif names_secret and equals:
            redacted.append(f"{name}={HIDDEN}")
        elif name.startswith("--") and equals:
            redacted.append(f"{name}={_redact_word(value, known)}")
        else:
            redacted.append(word if names_secret else _redact_word(word, known))
        hide_next = names_secret and not value
    return redacted


def secrets_of(argv: Sequence[str]) -> list[str]:
    """The secrets that a command line and the environment hold."""
    secrets = [os.environ.get(name, "") for name in VARIABLES]
    for word, following in pairwise([*argv, ""]):
        name, _, value = word.partition("=")
        if name.startswith("--") and is_secret(name):
            secrets.append(value or following)
        else:
            secrets += secrets_in(_as_json(value or word))
    return [secret for secret in secrets if len(secret) >= SHORTEST and not secret.startswith("--")]


def secrets_in(value: object) -> list[str]:
    """The values of secret keys in nested arguments."""
    if not isinstance(value, Mapping):
        return []
    own = [item for name, item in value.items() if isinstance(item, str) and is_secret(str(name))]
    own = [secret for secret in own if len(secret) >= SHORTEST]
    return own + [secret for item in value.values() for secret in secrets_in(item)]


def _redact_word(word: str, known: Sequence[str]) -> str:
    content = _as_json(word)
    if content is None:
        return hide_secrets(word, known)
    hidden = redact(content, known)
    return word if content == hidden else json.dumps(hidden, ensure_ascii=False)


def _as_json(word: str) -> object:
    """A word that is a JSON object; None for any other."""
    try:
        return json.loads(word) if word.lstrip().startswith("{") else None
    except ValueError:
        return None
