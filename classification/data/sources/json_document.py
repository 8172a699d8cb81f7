"""JSON values one after another in a text that is read in parts."""

from __future__ import annotations

import io
import json
from typing import Any

from classification.data.sources.data_files import DataFile
from classification.data.sources.json_decoder import Decoder, describe_broken
from classification.errors import UsageError

CHUNK = 1 << 20  # characters that are read at a time
FIX = "Fix or remove it."
LONGEST_WORD = 64  # characters of a part of JSON that is no string and no number, such as an escape or a name


class Document:
    """The values of a text.

    Args:
        text: what was read of `handle` already; it begins in `line`.
    """

    def __init__(self, file: DataFile, handle: io.TextIOBase, text: str, line: int, decoder: Decoder):
        self.file, self.handle, self.text, self.decoder = file, handle, text, decoder
        self.place = 0
        self.counted, self.lines = 0, line  # place up to which line ends are counted, and the line there

    def line_at(self, place: int) -> int:
        """The line of a place in the text that is not before the place of the last call."""
        self.lines += self.text.count("\n", self.counted, place)
        self.counted = max(place, self.counted)
        return self.lines

    def peek(self) -> str:
        """The next character that is not blank, an empty string at the end."""
        while True:
            while self.place < len(self.text) and self.text[self.place] in " \t\r\n":
                self.place += 1
            if self.place < len(self.text) or not self.read_more():
                return self.text[self.place : self.place + 1]

    def read_more(self) -> bool:
        """Read as much again as is kept, and drop what was used: a long value is not read a thousand times."""
        more = self.handle.read(max(CHUNK, len(self.text) - self.place))
        if more:
            self.line_at(self.place)
            self.text, self.place, self.counted = self.text[self.place :] + more, 0, 0
        return bool(more)

    def value(self) -> tuple[Any, str, int]:
        """The next value, its text and its line.

        Raises:
            UsageError: not JSON.
        """
        while True:
            self.peek()
            try:
                value, end = self.decoder.raw_decode(self.text, self.place)
            except json.JSONDecodeError as error:
                if self.may_be_cut(error) and self.read_more():
                    continue
                raise self.broken(error, error.pos) from error
            except (ValueError, RecursionError) as error:
                raise self.broken(error, self.place) from error
            if end == len(self.text) and self.read_more():
                continue  # a number may go on
            line = self.line_at(self.place)
            text, self.place = self.text[self.place : end], end
            return value, text, line

    def may_be_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether the text may be whole with what follows it: a broken file is not read to its end for nothing."""
        return error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - LONGEST_WORD

    def broken(self, error: Exception, place: int) -> UsageError:
        return self.file.error(f"{describe_broken(error, self.line_at(place))}. {FIX}")
