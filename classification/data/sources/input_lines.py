"""Lines of a text in which some bytes may not be UTF-8: the line is named, and the rest of it is kept."""

from __future__ import annotations

import io


class InputLines:
    """The lines of a text that was opened with `lenient`. In each one, bytes that are not UTF-8 become U+FFFD.

    Args:
        number: of the lines that were read before.

    Attributes:
        last: the line that was read last. number: its number, from 1.
        problem: that of the first line with such bytes since `take_problem`.
    """

    def __init__(self, handle: io.TextIOWrapper, number: int = 0):
        self.handle, self.number = handle, number
        self.last = ""
        self.problem: str | None = None

    def __iter__(self) -> InputLines:
        return self

    def __next__(self) -> str:
        return self.accept(next(self.handle))

    def accept(self, line: str) -> str:
        """Count a line, note what is wrong with its bytes, and repair it."""
        self.number += 1
        if not line.isascii() and (problem := describe_bytes(line, self.number)):
            self.problem = self.problem or problem
            line = repaired(line)
        self.last = line
        return line

    def take_problem(self) -> str | None:
        problem, self.problem = self.problem, None
        return problem


def describe_bytes(line: str, number: int) -> str | None:
    """What is wrong with the bytes of a line; None where it is UTF-8."""
    try:
        line.encode("utf-8")
    except UnicodeEncodeError as error:
        place = len(line[: error.start].encode("utf-8")) + 1
        return f"line {number} is not valid UTF-8 (byte {place} of the line)"
    return None


def repaired(line: str) -> str:
    """A line with U+FFFD for bytes that are not UTF-8."""
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
