"""Whether the run in a folder has reached its end: run.json says so, in a last write."""

from __future__ import annotations

import json
from pathlib import Path


def finished_run(folder: Path) -> dict:
    """run.json of a run that has written all its results; empty for any other folder."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        results = json.loads((folder / "all_results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    is_whole = isinstance(record, dict) and isinstance(results, dict) and record.get("finished") is True
    return record if is_whole else {}
