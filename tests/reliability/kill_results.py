"""The output folders of two runs, compared to the last bit."""

from __future__ import annotations

import json
import re
from pathlib import Path

TIMES = re.compile(r"runtime|per_second|seconds|time|flos|memory|speed|throughput|mfu|speedup")
FIGURES = {  # () for all
    "all_results.json": (), "run.json": ("epochs", "selections", "average"), "trainer_state.json": ("log_history",),
}  # fmt: skip


def read_json(path: Path):
    return json.loads(path.read_text(encoding="utf-8"))


def differences(killed: Path, whole: Path) -> list[str]:
    """What the output folder of a killed and resumed run lacks or has otherwise than that of an uninterrupted one.

    Weights and predictions are compared by their bytes, in the checkpoints too; of the JSON files the figures that do
    not depend on a clock.
    """
    first, second = files_of(killed), files_of(whole)
    found = [f"{name}: in one folder only" for name in sorted(first ^ second)]
    for name in sorted(first & second):
        one, other, file = killed / name, whole / name, Path(name).name
        if one.suffix in (".safetensors", ".csv") and one.read_bytes() != other.read_bytes():
            found.append(f"{name}: other bytes")
        if file in FIGURES:
            keys = FIGURES[file]
            figures = (read_json(path) for path in (one, other))
            found += unequal(name, *({key: values.get(key) for key in keys or values} for values in figures))
    return found


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def unequal(name: str, one, other) -> list[str]:
    """Each value that differs, with its place in dicts and lists."""
    if one == other or (one != one and other != other):  # a metric that the rows do not allow is nan
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(key for key in one.keys() | other.keys() if not TIMES.search(key))
        return [line for key in keys for line in unequal(f"{name} {key}", one.get(key), other.get(key))]
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for number, pair in pairs for line in unequal(f"{name} {number}", *pair)]
    return [f"{name}: {one} != {other}"]
