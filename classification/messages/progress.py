"""How far a long piece of work is: one bar at a time on a terminal, a log line per tenth of the work elsewhere."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Sized
from typing import ClassVar, Protocol, Self, TypeVar

from tqdm.auto import tqdm

from classification.messages.streams import is_terminal

logger = logging.getLogger(__name__)

QUIET_SECONDS = 10.0  # work that takes less logs no line
Item = TypeVar("Item", covariant=True)


class Work(Sized, Protocol[Item]):
    def __iter__(self) -> Iterator[Item]: ...


def has_terminal() -> bool:
    """Whether bars can be drawn: only where a person sees both streams, because a bar between the lines of a piped
    stream is noise."""
    return is_terminal(sys.stdout) and is_terminal(sys.stderr)


def progress(work: Work[Item], description: str, unit: str, *, disable: bool = False) -> Iterator[Item]:
    """The items of `work`, counted by a `Progress`."""
    with Progress(len(work), description, unit, disable=disable) as counter:
        for item in work:
            yield item
            counter.update()


class Progress:
    """Counts work and shows how much is done. A context manager; `close` can also be called by hand.

    Work that begins inside other work replaces its bar, and the outer bar comes back when the inner work is closed. In
    several processes only the main one shows anything.

    Args:
        total: units in all.
        description: what the work is, one or two words.
        unit: one piece of the work.
        done: units that an earlier run has done.
        disable: neither bars nor lines.
        quiet_seconds: from which time on lines are logged where there is no terminal.
        keep: leave the finished bar on the screen.
        time_left: whether lines say how long the rest will take, as bars do.
    """

    _open: ClassVar[list[Progress]] = []  # outermost first; the bar of the last one is on the screen

    def __init__(
        self,
        total: int,
        description: str,
        unit: str,
        *,
        done: int = 0,
        disable: bool = False,
        quiet_seconds: float = QUIET_SECONDS,
        keep: bool = False,
        time_left: bool = False,
    ):
        self.total, self.description, self.unit = total, description, unit
        self.done = self.done_before = done
        self.disable = disable or int(os.environ.get("RANK", 0)) != 0
        self.quiet_seconds, self.keep, self.time_left = quiet_seconds, keep, time_left
        self.figures: dict[str, float] = {}
        self.start = time.monotonic()
        self.bar: tqdm | None = None
        self.draws_bars = has_terminal() and not self.disable
        if self.draws_bars:
            if self._open:
                self._open[-1]._hide()
            self._open.append(self)
            self._show()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def update(self, units: int = 1, **figures: float) -> None:
        """Count `units` more as done; `figures` are shown beside the count until new ones come."""
        before, self.done = self.done, self.done + units
        self.figures |= figures
        if self.bar is not None:
            if figures:
                self.bar.set_postfix(self._figure_texts(), refresh=False)
            self.bar.update(units)
        elif not self.draws_bars and not self.disable:
            tenth = 10 * self.done // max(self.total, 1)
            if tenth > 10 * before // max(self.total, 1) and self._seconds() >= self.quiet_seconds:
                logger.info("%-12s %3d%%: %s", self.description.lower(), 10 * tenth, self._text())

    def skip(self, units: int) -> None:
        """Count units that an earlier run has done: they are no work of this one."""
        self.done, self.done_before = self.done + units, self.done_before + units
        if self.bar is not None:
            self.bar.initial = self.done_before
            self.bar.update(units)

    def close(self) -> None:
        """The work is over, finished or not. A second call does nothing."""
        if self not in self._open:
            return
        inner = self._open[self._open.index(self) + 1 :]  # left open by an error
        for work in (*reversed(inner), self):
            work._hide(keep=work.keep)
            self._open.remove(work)
        if self._open:
            self._open[-1]._show()

    def _seconds(self) -> float:
        return time.monotonic() - self.start

    def _figure_texts(self) -> dict[str, str]:
        return {name: f"{value:.4f}" for name, value in self.figures.items()}

    def _text(self) -> str:
        figures = "".join(f", {name} {text}" for name, text in self._figure_texts().items())
        speed = (self.done - self.done_before) / max(self._seconds(), 1e-9)
        plural = self.unit + ("es" if self.unit.endswith("ch") else "s")
        per_second = f"{speed:{',.0f' if speed >= 1000 else '.3g'}} {plural}/s"
        rate = per_second if speed >= 1 else f"{1 / max(speed, 1e-9):.3g} s per {self.unit}"
        left = f", {rough_duration((self.total - self.done) / speed)} left" if self.time_left and speed > 0 else ""
        return f"{self.unit} {self.done} of {self.total}{figures}, {rate}{left}"

    def _show(self) -> None:
        self.bar = tqdm(
            total=self.total, initial=self.done, desc=self.description, unit=self.unit, leave=False, dynamic_ncols=True,
            postfix=self._figure_texts(),
        )  # fmt: skip
        self.bar.initial = self.done_before  # the rate is that of the whole work, not only since the bar came back
        self.bar.start_t -= self._seconds()

    def _hide(self, *, keep: bool = False) -> None:
        if self.bar is not None:
            self.bar.leave = keep
            self.bar.close()
            self.bar = None


def rough_duration(seconds: float) -> str:
    """A length of time for people, in its largest unit.

    >>> rough_duration(42), rough_duration(600), rough_duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
