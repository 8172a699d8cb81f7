"""Google's TensorFlow checkpoints, zipped or not: they are recognised by their names, and converted by a script."""

from __future__ import annotations

import os
import re
import shlex
import zipfile
from collections.abc import Iterable
from pathlib import Path

from classification.errors import UsageError

SCRIPT = "scripts/convert_tf_checkpoint.py"
CONFIG = "bert_config.json"
PART = re.compile(r"(?P<checkpoint>.+)\.(?P<kind>index|meta|data-\d{5}-of-\d{5})")
MOST_NAMES = 100_000  # of a folder or a zip file that are looked at


def refuse_tf_checkpoint(flag: str, name: str) -> None:
    """Refuse a checkpoint of TensorFlow, and a zip file.

    Raises:
        UsageError: names the command that converts it. A model of another kind passes.
    """
    if hint := conversion_hint(name):
        raise UsageError(f"{flag} {name}: {hint}")


def conversion_hint(name: str) -> str:
    """What to do with a folder, a zip file or a file of a TensorFlow checkpoint; empty for everything else."""
    path = Path(os.path.expanduser(name))
    try:
        if path.is_dir():
            holds_weights = any(file.suffix in (".safetensors", ".bin") for file in path.iterdir())
            return "" if holds_weights or not holds_checkpoint(path) else to_convert(path)
        if PART.fullmatch(path.name) and path.is_file() or path.with_name(f"{path.name}.index").is_file():
            return to_convert(path.parent)
        if path.suffix.lower() == ".zip" and path.is_file():
            if has_parts(names_in_zip(path)):
                return to_convert(path)
            return "is a zip file. Unpack it and pass the folder in it that has config.json."
    except (OSError, ValueError):  # no folder of this user, or a name that no file can have
        return ""
    return ""


def to_convert(path: Path) -> str:
    target = f"{path.resolve().name.removesuffix(path.suffix if path.is_file() else '')}-converted"
    command = f"python {SCRIPT} {shlex.quote(str(path))} {shlex.quote(target)}"
    return f"is a checkpoint of TensorFlow. Convert it: {command}  Then pass {target} instead."


def holds_checkpoint(folder: Path) -> bool:
    """Whether a folder, or a folder directly inside it, has the files of a checkpoint or Google's config."""
    folders = [folder, *(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))]
    return any(has_parts(os.listdir(path)) for path in folders[:100] if os.access(path, os.R_OK | os.X_OK))


def has_parts(names: Iterable[str]) -> bool:
    """Whether there is Google's config, or both parts of a checkpoint: its index and its numbers."""
    kinds = set()
    for _, name in zip(range(MOST_NAMES), names, strict=False):
        base = re.split(r"[\\/]", name)[-1]
        match = PART.fullmatch(base)
        kinds.add(CONFIG if base == CONFIG else match["kind"][:4] if match else "")
    return CONFIG in kinds or {"inde", "data"} <= kinds


def names_in_zip(path: Path) -> list[str]:
    """The names in a zip file; none where it is damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError):
        return []
