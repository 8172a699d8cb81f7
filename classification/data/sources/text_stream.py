"""Texts as streams of rows: one per line of a file, or one per file of a folder."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from classification.data.sources.csv_reading import OddRow
from classification.data.sources.data_files import DataFile
from classification.data.sources.input_lines import InputLines
from classification.data.sources.input_stream import CellStream, content_hash, refuse_unreadable
from classification.data.sources.json_decoder import is_json
from classification.data.sources.row_batches import InputSource
from classification.errors import UsageError

logger = logging.getLogger(__name__)

USUAL_NAMES = {"text", "sentence", "review", "content", "label", "labels"}  # of columns of a table
SEPARATORS = (",", "\t", ";", "|")


class TextLines(CellStream):
    r"""Each line is a text, also a blank one. Lines end in \n, \r\n or \r.

    Raises:
        UsageError: no lines, only blank ones, lines of JSON, or bytes that are not UTF-8.
    """

    def __init__(self, file: DataFile, source: InputSource, place: str):
        self.file, self.keeps_bad_rows = file, source.keep_bad_rows
        self.has_mixed_line_ends = False
        count = num_bad = 0
        first_text = first_problem = None
        for row in self.rows():
            count += 1
            if isinstance(row, OddRow):
                num_bad += 1
                first_problem = first_problem or row.problem
            if first_text is None and row[0] and row[0].strip("\ufeff \t"):
                first_text = row[0]
        if first_text is None:
            raise file.error("the file is empty, or all of its lines are blank. Give a file with one text per line.")
        refuse_unreadable([file], place, count, num_bad, first_problem)
        if source.kind is None:
            self.refuse_table(first_text)
        if self.has_mixed_line_ends:
            logger.warning("%s: some lines end in a carriage return alone; each ends a text", place)
        identity = content_hash([file.path])
        super().__init__(place, "text", [file.path], ("text",), count, identity, num_bad=num_bad)

    def refuse_table(self, line: str) -> None:
        """Refuse a text that begins with an object of JSON; warn where it begins with column names."""
        if line.lstrip().startswith("{") and is_json(line):
            raise self.file.error("holds JSON, not one text per line. Pass --input_format jsonl.")
        for mark in SEPARATORS:
            if mark in line and USUAL_NAMES & {name.strip(' "').lower() for name in line.split(mark)}:
                logger.warning(
                    "%s: the first line looks like the column names of a table, and is read as a text. For a table "
                    "pass --input_format %s.", self.file.place, "tsv" if mark == "\t" else "csv"
                )  # fmt: skip
                return

    def rows(self) -> Iterator[list[str] | OddRow]:
        with self.file.text(lenient=self.keeps_bad_rows) as handle:
            lines = InputLines(handle)
            for line in lines if self.keeps_bad_rows else handle:
                text = line.removesuffix("\n").removesuffix("\r")
                problem = lines.take_problem()
                yield [text] if problem is None else OddRow([text], 1, problem, "")
            self.has_mixed_line_ends = isinstance(handle.newlines, tuple) and "\r" in handle.newlines


@dataclass(frozen=True)
class TextFile:
    """One text of a folder; `label` is the name of its folder, if there are folders."""

    name: str
    path: Path
    label: str | None = None


class TextFiles(CellStream):
    """The text files of a folder, with their ids and, where they are in class folders, their labels.

    Raises:
        UsageError: a file cannot be read.
    """

    def __init__(self, texts: Sequence[TextFile], source: InputSource, place: str):
        self.texts, self.keeps_bad_rows, self.place = texts, source.keep_bad_rows, place
        self.has_labels = any(text.label is not None for text in texts)
        num_bad, first_problem = 0, None
        identity = hashlib.sha256()
        for row in self.rows():
            if isinstance(row, OddRow):
                num_bad += 1
                first_problem = first_problem or row.problem
            for cell in row:
                content = (cell or "").encode()
                identity.update(f"{len(content)} ".encode() + content)
        refuse_unreadable([], place, len(texts), num_bad, first_problem)
        columns = ("id", "text", "label") if self.has_labels else ("id", "text")
        paths = [text.path for text in texts]
        super().__init__(place, "text", paths, columns, len(texts), identity.hexdigest(), num_bad=num_bad)

    def rows(self) -> Iterator[list[str] | OddRow]:
        for text in self.texts:
            content, problem = self.read(text)
            row = [text.name, content] + ([text.label or ""] if self.has_labels else [])
            yield row if problem is None else OddRow(row, len(row), problem, "")

    def read(self, text: TextFile) -> tuple[str, str | None]:
        """The text with line feeds, and what is wrong with it."""
        if not text.path.exists():
            raise UsageError(f"{self.place}: {text.path} is a link to a file that is not there. Remove it.")
        if text.path.stat().st_size == 0:
            return "", None
        with DataFile(text.path, f"{self.place}: {text.name}").text(lenient=self.keeps_bad_rows) as handle:
            lines = InputLines(handle)
            content = "".join(lines) if self.keeps_bad_rows else handle.read()
        problem = lines.take_problem()
        return content.replace("\r\n", "\n").replace("\r", "\n"), problem and f"{text.name}: {problem}"
