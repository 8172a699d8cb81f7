"""Names on the Hub, told apart from local paths, and what the card of a base model says about language and licence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import huggingface_hub
import yaml
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

CARD = "README.md"
SNAPSHOT = re.compile(r"(models|datasets)--([\w.-]+?)(?:--([\w.-]+))?/snapshots/[0-9a-f]{40}/?")  # in the Hub's cache
METADATA = re.compile(r"^\ufeff?---[ \t]*\r?\n(.*?)\r?\n---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
TAKEN = ("language", "license", "license_name", "license_link")
FROM_SCRATCH = "bilstm"  # `--model_name_or_path`: no model on the Hub
SHORT = 200  # characters; more is no language and no licence


def hub_id(name: object) -> str | None:
    """The name on the Hub; also of a folder in the Hub's cache. None for another local path, which stays private.

    >>> hub_id("google-bert/bert-base-uncased"), hub_id("./bert"), hub_id("/home/me/bert")
    ('google-bert/bert-base-uncased', None, None)
    """
    text = str(name or "")
    if snapshot := SNAPSHOT.search(text.replace("\\", "/") + "/"):
        return "/".join(part for part in snapshot.groups()[1:] if part)
    if not text or Path(text).exists() or text.startswith((".", "~")):
        return None
    try:
        validate_repo_id(text)
    except HFValidationError:
        return None
    return text


def origins(arguments: Mapping[str, object]) -> dict[str, object]:
    """Names on the Hub of the base model and of the data set, and what the base model's card says, for run.json.

    Args:
        arguments: every flag and its value.
    """
    given, cache_dir = arguments.get("model_name_or_path"), arguments.get("cache_dir")
    name = None if given == FROM_SCRATCH else given
    revision = str(arguments.get("model_revision") or "main")
    facts = {
        "base_model": hub_id(name),
        "dataset": hub_id(arguments.get("dataset_name")),
        **card_facts(str(name or ""), revision, str(cache_dir) if cache_dir else None),
    }
    return {key: value for key, value in facts.items() if value}


def card_facts(name: str, revision: str, cache_dir: str | None) -> dict[str, object]:
    """Language and licence from a model's own card, where it is on this disk; nothing is downloaded or guessed."""
    path = Path(name, CARD)
    if not Path(name).exists():
        try:
            cached = huggingface_hub.try_to_load_from_cache(name, CARD, cache_dir=cache_dir, revision=revision)
        except HFValidationError:
            return {}
        if not isinstance(cached, str):
            return {}
        path = Path(cached)
    try:
        block = METADATA.match(path.read_text(encoding="utf-8"))
        content = yaml.safe_load(block[1]) if block else {}
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key in TAKEN if (value := plain_names(content.get(key)))}


def plain_names(value: object) -> str | list[str] | None:
    """A short text or a list of them; None for anything else. YAML reads the language code `no` as false."""
    if isinstance(value, list):
        names = [name for item in value if isinstance(name := plain_names(item), str)]
        return names or None
    if value is False:
        return "no"
    return value.strip() if isinstance(value, str) and 0 < len(value.strip()) <= SHORT and value.isprintable() else None
