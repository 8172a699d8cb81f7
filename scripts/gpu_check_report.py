"""The report of `gpu_check.py`: what the machine is, how each part went, what it measured, why it failed."""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PASSED, FAILED, TIMED_OUT, NOT_GIVEN = "passed", "failed", "timed out", "not given"
TAIL = 60  # lines of output that the report shows of a part that failed
COLOURS_AND_FRAMES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[^\n]*\r(?!\n)")


@dataclass
class Outcome:
    """How one part went: `figures` are the lines that the report shows, `reason` says why the part did not pass."""

    part: str
    verdict: str
    seconds: float
    limit: float
    reason: str = ""
    figures: list[str] = field(default_factory=list)
    output: str = ""

    @property
    def is_good(self) -> bool:
        return self.verdict not in (FAILED, TIMED_OUT)


def describe_machine() -> dict[str, str]:
    """The machine and the versions of the pinned packages. Imports torch: runs in a process of its own."""
    import torch

    facts = {"python": platform.python_version(), "system": platform.platform(), "device": "cpu"}
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        facts["device"] = (
            f"{card.name}, {card.total_memory / 2**30:.0f} GiB, compute capability {card.major}.{card.minor}"
        )
        facts["cuda"] = str(torch.version.cuda)
    pins = re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    for name, pinned in pins:
        try:
            installed = version(name)
        except PackageNotFoundError:
            installed = "missing"
        is_pinned = installed.partition("+")[0] == pinned  # a build for one device adds its name behind a plus
        facts[name] = installed if is_pinned else f"{installed} (pinned: {pinned})"
    return facts


def print_machine() -> None:
    print(json.dumps(describe_machine()))


def tail(output: str, lines: int = TAIL) -> str:
    """The last lines of a program's output, without colours and overwritten progress frames."""
    return "\n".join(COLOURS_AND_FRAMES.sub("", output).strip().splitlines()[-lines:])


def render(machine: dict[str, str], outcomes: list[Outcome], *, command: str, seconds: float) -> str:
    """The report as Markdown."""
    bad = [outcome.part for outcome in outcomes if not outcome.is_good]
    lines = ["# GPU check", "", f"`{command}`", ""]
    verdict = f"Failed: {', '.join(bad)}" if bad else "All parts passed"
    lines += [f"{verdict}; {seconds:.0f} s.", ""]
    lines += ["## Machine", "", "| what | value |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in machine.items()]
    lines += ["", "## Parts", "", "| part | seconds | limit | outcome |", "|---|--:|--:|---|"]
    for outcome in outcomes:
        reason = f": {outcome.reason}" if outcome.reason else ""
        lines += [f"| {outcome.part} | {outcome.seconds:.0f} | {outcome.limit:.0f} | {outcome.verdict}{reason} |"]
    for outcome in outcomes:
        if outcome.figures:
            lines += ["", f"## Figures: {outcome.part}", "", "```", *outcome.figures, "```"]
    for outcome in outcomes:
        if not outcome.is_good:
            lines += ["", f"## Output: {outcome.part}", "", "```", tail(outcome.output), "```"]
    return "\n".join(lines) + "\n"
