"""What run.json says about its run: the format that it is written in, and whether the run has reached its end."""

from __future__ import annotations

import json
from pathlib import Path

FORMAT = 2  # of run.json; the first version wrote no number


def finished_run(folder: Path) -> dict:
    """run.json of a run that has written all its results; empty for any other folder."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        results = json.loads((folder / "all_results.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    is_whole = isinstance(record, dict) and isinstance(results, dict) and record.get("finished") is True
    return record if is_whole else {}
