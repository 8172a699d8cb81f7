"""The record of an unfinished command in its output folder, which `--resume auto` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from classification.errors import UsageError, first_line

Record = TypeVar("Record")


def read_record(folder: Path, name: str, build: Callable[[dict[str, Any]], Record]) -> Record | None:
    """What `build` makes of a JSON file; None where there is no such file.

    Raises:
        UsageError: the file is damaged.
    """
    try:
        return build(json.loads((folder / name).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(
            f"--output_dir {folder}: its {name} cannot be read: {first_line(error)} Choose another --output_dir, or "
            "pass --overwrite_output_dir without --resume."
        ) from error
