"""What a resumed run must know of its trackers: which run to go on with, and which figures they have already."""

from __future__ import annotations

import json
import os
from pathlib import Path


class Record:
    """What a resumed run must know of its trackers, in a file of the output folder.

    Attributes:
        name: of the run. identities: by tracker, as from `Tracker.begun`.
        step: of the last figures that were logged, and keys: their names. finals: the final metrics that were logged.
    """

    def __init__(self, file: Path, name: str):
        self.file, self.name = file, name
        self.identities: dict[str, str | None] = {}
        self.step, self.keys = -1, set[str]()
        self.finals: dict[str, float] = {}

    def read(self) -> bool:
        """Read the file, to go on with what it holds; returns whether there is one."""
        try:
            content = json.loads(self.file.read_text(encoding="utf-8"))
            self.name, self.identities, self.finals = content["name"], content["identities"], content["finals"]
            self.step, self.keys = content["step"], set(content["keys"])
        except (OSError, ValueError, KeyError, TypeError):
            return False
        return True

    def write(self) -> None:
        """Replace the file; it need not survive a crash of the machine, only of the process."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        content = {name: value for name, value in vars(self).items() if name != "file"} | {"keys": sorted(self.keys)}
        temporary = self.file.with_name(f".{self.file.name}.partial")
        temporary.write_text(json.dumps(content), encoding="utf-8")
        os.replace(temporary, self.file)

    def is_logged(self, step: int, keys: set[str]) -> bool:
        return step < self.step or (step == self.step and keys <= self.keys)

    def add(self, step: int, keys: set[str]) -> None:
        self.step, self.keys = step, keys | (self.keys if step == self.step else set())
        self.write()
