"""Whether the weights in a local folder are safetensors, known from their first bytes without a model library."""

from __future__ import annotations

import json
from pathlib import Path

from classification.errors import UsageError

SUFFIX = ".safetensors"
INDEX = f"model{SUFFIX}.index.json"


def check_weight_files(folder: str) -> None:
    """Refuse a file that only has the name of a safetensors file, and an index that names other files.

    The library reads such parts as pickles.

    Raises:
        UsageError: names the file and the remedy. A folder without weights passes.
    """
    files = [path for name in ("model", "adapter_model") if (path := Path(folder, f"{name}{SUFFIX}")).is_file()]
    index = Path(folder, INDEX)
    if index.is_file() and not files:
        parts = parts_of(index)
        others = sorted(part for part in parts if not part.endswith(SUFFIX) or Path(part).name != part)
        if others:
            raise UsageError(
                f"--model_name_or_path {folder}: {INDEX} names {others[0]!r}, which is no safetensors file beside it. "
                "Load the model where it came from and save it again with save_pretrained."
            )
        files = [Path(folder, part) for part in parts]
    for file in files:
        if file.is_file() and not is_safetensors(file):
            raise UsageError(
                f"--model_name_or_path {folder}: {file.name} is damaged or no safetensors file. Download it again, or "
                "save the model again with save_pretrained."
            )


def parts_of(index: Path) -> set[str]:
    """The files that an index names; none where it is no index."""
    try:
        weight_map = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        return {str(part) for part in weight_map.values()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return set()


def is_safetensors(file: Path) -> bool:
    """Whether a file begins with the length of a JSON header and that header."""
    with file.open("rb") as handle:
        length = int.from_bytes(handle.read(8), "little")
        return 2 <= length <= file.stat().st_size - 8 and handle.read(1) == b"{"
