"""One file of data: how errors name it, what kind it is, and its content as unpacked bytes or as text."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from classification.data.sources.file_formats import file_kind, member_name, refusal_of
from classification.data.sources.first_bytes import COMPRESSED, HEAD, REFUSALS, find_format, read_head
from classification.data.sources.text_encoding import describe_not_utf8, find_encoding
from classification.errors import UsageError, first_line

UNPACK_ERRORS = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError)


@dataclass(frozen=True)
class DataFile:
    """A file and its name in errors.

    Args:
        place: the flag with its value, and for a folder the file: `--train_file a.csv`.
        row_list: the key of the rows, where a JSON file is one object; None for the usual one.
        format: of the content, where it is known without the name of the file.
        format_flag: the flag that names the format, where there is one.
        row_remedy: how to go on without a row that cannot be read, after the word `or`; empty where that is impossible.
    """

    path: Path
    place: str
    row_list: str | None = None
    format: str | None = None
    format_flag: str | None = None
    row_remedy: str = ""

    @cached_property
    def kind(self) -> str:
        """`csv`, `tsv`, `json`, `parquet` or `arrow`; see `file_kind` for the errors."""
        return self.format or file_kind(self.path, self.place)

    @property
    def remedy_of_no_rows(self) -> str:
        return "Add rows." if self.format_flag else "Add rows, or leave the file out."

    def remedy_of_format(self, name: str) -> str:
        """How to say that the content is of the format `name`."""
        return f"Pass {self.format_flag} {name}." if self.format_flag else f"End its name in .{name}."

    def error(self, what: str) -> UsageError:
        return UsageError(f"{self.place}: {what}")

    def row_error(self, what: str) -> UsageError:
        """The error for one row, where the others can be read."""
        link = " Or" if what.endswith(".") else ", or"
        return self.error(f"{what}{link} {self.row_remedy}" if self.row_remedy else what)

    @contextmanager
    def unpacked(self) -> Iterator[io.BufferedReader]:
        """The bytes of the file from its start, unpacked where it is compressed.

        Raises:
            UsageError: a format that cannot be read, or a broken archive; the latter also while reading inside.
        """
        content = find_format(read_head(self.path))
        if refusal := refusal_of(self.path, content):
            raise self.error(refusal)
        try:
            with self.path.open("rb", buffering=HEAD) as raw, self.unpack(raw, content) as handle:
                if content in COMPRESSED:
                    self.refuse_packed_content(handle.peek(HEAD)[:HEAD])
                yield handle
        except UNPACK_ERRORS as error:
            if content not in COMPRESSED:
                raise
            reason = first_line(error).rstrip(".")
            raise self.error(f"the {content} file is broken ({reason}). Copy or download it again.") from error

    def unpack(self, raw: BinaryIO, content: str | None) -> io.BufferedReader:
        """The unpacked stream; `raw` itself where it is not compressed."""
        stream: Any
        if content == "zip":
            try:
                stream = zipfile.ZipFile(raw).open(member_name(self.path, self.place))
            except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unusual method
                raise self.error(f"cannot be unpacked: {first_line(error)} Unpack it, and give the file.") from error
        elif content == "gzip":
            stream = gzip.GzipFile(fileobj=raw)
        elif content == "bz2":
            stream = bz2.BZ2File(raw)
        elif content == "xz":
            stream = lzma.LZMAFile(raw)
        elif content == "zstd":
            stream = pa.CompressedInputStream(pa.PythonFile(raw), "zstd")
        else:
            stream = cast(io.BufferedReader, raw)
            return stream
        return io.BufferedReader(stream, HEAD)

    def refuse_packed_content(self, head: bytes) -> None:
        """Raise a UsageError where a compressed file holds something other than text."""
        inner = find_format(head)
        if inner in REFUSALS:
            raise self.error(f"unpacked, it {REFUSALS[inner]}")
        if inner:
            raise self.error(f"unpacked, it is a file of {inner}. Unpack it, and give the file inside.")

    @contextmanager
    def text(self, *, lenient: bool = False) -> Iterator[io.TextIOWrapper]:
        r"""The content as text without a byte order mark; line ends stay as they are (\n, \r or \r\n).

        Args:
            lenient: whether bytes that are not UTF-8 become surrogates (U+DC80 to U+DCFF) instead of an error.

        Raises:
            UsageError: not UTF-8, UTF-16 or UTF-32; names the line and the remedy; also while reading inside.
        """
        with self.unpacked() as handle:
            encoding = find_encoding(handle.peek(HEAD)[:HEAD])
            if encoding is None:
                raise self.error("is a binary file, not text. Convert it to CSV, TSV, JSON or Parquet.")
            is_lenient = lenient and encoding == "utf-8-sig"
            errors = "surrogateescape" if is_lenient else "strict"
            try:
                yield io.TextIOWrapper(handle, encoding=encoding, newline="", errors=errors)
                return
            except UnicodeDecodeError as error:
                cause = error
        if encoding != "utf-8-sig":
            raise self.error(f"the text is {encoding.upper()} and broken. Write it anew as UTF-8.") from cause
        with self.unpacked() as handle:
            raise self.row_error(describe_not_utf8(cast(BinaryIO, handle))) from cause
