"""A run that is killed and resumed until it ends, and where each kill fell, as a table.

Nothing about a kill is assumed: the last place that the process passed, the steps that were done and the files that
were left are read from its journal and its folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reliability.kill_results import differences
from reliability.kill_runs import Kill, Outcome, Server

CHECKPOINT = re.compile(r"checkpoint-\d+")


@dataclass
class Fall:
    """One kill, as a line of the table."""

    configuration: str
    how: str
    end: str
    place: str
    steps: int
    checkpoints: str
    partial: str
    resumed_at: str = ""
    repeated: int = 0
    lost: str = "?"


def read_fall(name: str, kill: Kill, outcome: Outcome, output: Path, before: int) -> Fall:
    """Where a killed run fell. `before`: steps that were done when it started."""
    found = {path.relative_to(output).as_posix(): path.name for path in output.rglob("checkpoint-*") if path.is_dir()}
    complete = [path for path, name in found.items() if CHECKPOINT.fullmatch(name)]
    complete = sorted(complete, key=lambda path: (path.rpartition("/")[0], int(path.rpartition("-")[2])))
    partial = sorted(found.keys() - set(complete))
    last = outcome.places[-1] if outcome.places else "before the first step"
    return Fall(
        name, str(kill), outcome.end, last, outcome.steps[-1] if outcome.steps else before,
        " ".join(path.replace("checkpoint-", "") for path in complete), " ".join(partial),
    )  # fmt: skip


def read_from_outside(fall: Fall, outcome: Outcome) -> Fall:
    """Of a command without a journal: its steps, from the checkpoint that it began to write or from its log."""
    written = [int(number) for number in re.findall(r"[0-9]+", f"{fall.checkpoints} {fall.partial}")]
    fault = re.search(r"kill@step=([0-9]+): now", outcome.log)
    fall.steps = int(fault[1]) if fault else max(written, default=0)
    fall.place = f"step {fall.steps}" if fault or not fall.partial else f"inside the save of step {fall.steps}"
    return fall


def kill_and_resume(
    server: Server, name: str, argv: list[str], output: Path, kills: Sequence[Kill], processes: int = 1
):
    """Kill a run at each of `kills`, resume it with `--resume auto` after each, and let it end; returns the falls."""
    falls: list[Fall] = []
    words, before = [*argv, "--resume=auto", f"--output_dir={output}"], 0
    for kill in [*kills, None]:
        outcome = server.run(words, kill, processes)
        if falls and not falls[-1].resumed_at:
            complete_last(falls[-1], outcome)
        if kill is None or not any(outcome.codes):
            assert outcome.codes == [0] * processes, outcome.log
            continue
        falls.append(read_fall(name, kill, outcome, output, before))
        before = falls[-1].steps
    return falls


def complete_last(fall: Fall, resumed: Outcome) -> None:
    """What the run after a kill did with it."""
    first = first_step(resumed)
    fall.resumed_at = str(first - 1) if first else "no step" if any(resumed.codes) else "the end"
    fall.repeated = fall.steps - (first - 1) if first else 0


def first_step(resumed: Outcome) -> int | None:
    """The first step that a run did; where it has no journal, or did none, the step that it announced."""
    if resumed.places:
        return next(iter(resumed.steps), None)
    found = re.search(r"^resume  .*checkpoint-([0-9]+)$", resumed.log, re.MULTILINE)
    if found:
        return int(found[1]) + 1
    return 1 if "no checkpoint to continue from" in resumed.log else None


def judge(new: Sequence[Fall], killed: Path, whole: Path) -> None:
    """Fill in what the kills of one chain have cost: its folder is compared with that of an uninterrupted run."""
    lost = differences(killed, whole)
    for fall in new:
        fall.lost = "nothing" if not lost else f"{len(lost)} differences"
    assert not lost, "\n".join(lost)


HEAD = ("configuration", "fault", "end", "last place", "steps done", "checkpoints", "half-written", "resumed at",
        "steps repeated", "lost")  # fmt: skip
TOTALS = ("configuration", "faults", "after the first checkpoint", "inside a save", "steps repeated", "lost")


def cells(fall: Fall) -> tuple[str, ...]:
    return (
        fall.configuration, fall.how, fall.end, fall.place, str(fall.steps), fall.checkpoints or "none",
        fall.partial or "-", fall.resumed_at, str(fall.repeated), fall.lost,
    )  # fmt: skip


def totals(name: str, falls: Sequence[Fall]) -> tuple[str, ...]:
    inside = [fall for fall in falls if re.match("save:(?!begin|rotate)|inside", fall.place)]
    return (
        name, str(len(falls)), str(sum(bool(fall.checkpoints) for fall in falls)), str(len(inside)),
        str(sum(fall.repeated for fall in falls)), ", ".join(sorted({fall.lost for fall in falls})),
    )  # fmt: skip


def table(falls: Sequence[Fall]) -> str:
    """The falls as a Markdown table."""
    return markdown(HEAD, map(cells, falls))


def summary(falls: Sequence[Fall]) -> str:
    """One line for each configuration, and one for all."""
    names = dict.fromkeys(fall.configuration for fall in falls)
    lines = [totals(name, [fall for fall in falls if fall.configuration == name]) for name in names]
    return markdown(TOTALS, [*lines, totals("all", falls)])


def markdown(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *lines))
