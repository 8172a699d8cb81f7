"""JSON files of a run, and fields of them that may be missing or of another kind in an old or a damaged file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classification.errors import UsageError


def mapping_in(record: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    """The mapping below `keys`; empty where there is none."""
    for key in keys:
        value = record.get(key)
        if not isinstance(value, Mapping):
            return {}
        record = value
    return record


def list_in(record: Mapping[str, Any], key: str) -> list[Any]:
    """The list of a key; empty where there is none."""
    value = record.get(key)
    return value if isinstance(value, list) else []


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; None where there is no file.

    Raises:
        UsageError: the file is damaged or cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: is damaged ({first_words(error)}). Take it from a copy, or run again.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path}: is damaged (it holds no JSON object). Take it from a copy, or run again.")
    return content


def first_words(error: BaseException) -> str:
    return str(error).split("\n")[0][:100]
