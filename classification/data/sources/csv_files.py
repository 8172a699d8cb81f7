"""CSV and TSV files: the separator and the quoting that fit the whole file, and its rows as strings.

Every field stays as it is written: "NA", "null" and "007" are not converted.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, replace

import pyarrow as pa

from classification.data.sources.csv_checks import check_reading, find_row_columns, warn_about
from classification.data.sources.csv_reading import DELIMITERS, Dialect, Reading
from classification.data.sources.csv_rows import read_rows
from classification.data.sources.data_files import DataFile

logger = logging.getLogger(__name__)

MOST_ODD = 0.5  # share of odd rows from which on the dialect is not that of the file
EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a first line that Excel writes and reads


@dataclass(frozen=True)
class Search:
    """How a file is read while its dialect is looked for.

    Args:
        build: whether the rows are kept as a table.
        odd_share: see `Reading`.
    """

    file: DataFile
    build: bool = True
    odd_share: float | None = None

    def read(self, dialect: Dialect, *, build: bool = True) -> Reading:
        return read_rows(self.file, dialect, build=build and self.build, odd_share=self.odd_share)


def read_csv(file: DataFile, delimiter: str | None = None) -> pa.Table:
    """The rows of a file with a header.

    Args:
        delimiter: the separator that the data set declares; None to begin with that of the suffix.

    Raises:
        UsageError: not text, no rows, duplicate column names, or a row that does not fit; names the line.
    """
    reading = find_reading(file, delimiter)
    assert reading.table is not None
    return reading.table


def find_reading(
    file: DataFile, delimiter: str | None = None, *, build: bool = True, keep_odd_rows: bool = False
) -> Reading:
    """The reading with the dialect that fits the file, checked.

    Args:
        delimiter: see `read_csv`. build: whether its rows are kept as a table.
        keep_odd_rows: whether up to half of the rows may be odd.

    Raises:
        UsageError: as `read_csv`.
    """
    usual = "\t" if file.kind == "tsv" else ","
    skip, first_line = 0, read_first_line(file, 0, keep_odd_rows)
    if excel := EXCEL_SEPARATOR.fullmatch(first_line):
        skip, delimiter = 1, delimiter or excel[1]
        first_line = read_first_line(file, 1, keep_odd_rows)
    refuse_json(file, first_line)
    for share in (0.0, MOST_ODD, None) if keep_odd_rows else (None,):
        reading = choose_delimiter(Search(file, build, share), delimiter or usual, first_line, skip)
        if reading.is_valid or (share == MOST_ODD and reading.breaks_quotes):
            break
    check_reading(file, reading)
    warn_about(file, reading)
    say_dialect(file, reading.dialect, (usual, delimiter))
    return reading


def say_dialect(file: DataFile, dialect: Dialect, expected: tuple[str | None, ...]) -> None:
    """Say how fields are separated, where that is unusual."""
    if dialect.delimiter not in expected:
        logger.info(
            "data         %s: fields are separated by %s",
            file.place,
            DELIMITERS.get(dialect.delimiter, repr(dialect.delimiter)),
        )
    if dialect.spaced:
        logger.info("data         %s: spaces between a separator and a field are not read", file.place)
    if dialect.pads:
        logger.info("data         %s: every row ends in one more separator, which is not read", file.place)


def read_first_line(file: DataFile, skip: int, lenient: bool) -> str:
    """The first line after `skip` that is not blank."""
    with file.text(lenient=lenient) as handle:
        for _ in range(skip):
            handle.readline()
        return next((line for line in handle if line.strip()), "")


def refuse_json(file: DataFile, line: str) -> None:
    """Raise a UsageError if a line of the file is JSON."""
    if line.lstrip().startswith(("{", "[")):
        try:
            json.loads(line)
        except ValueError:
            return
        raise file.error(f"holds JSON, not a table with columns. {file.remedy_of_format('jsonl')}")


def choose_delimiter(search: Search, usual: str, first_line: str, skip: int) -> Reading:
    """The reading with the usual separator, or with another where only that one gives columns in every row."""
    reading = read_delimited(search, usual, skip) if usual in first_line else None
    if reading and reading.is_valid and len(reading.header) > 1:
        return reading
    others = []
    for delimiter in DELIMITERS:
        if delimiter != usual and delimiter in first_line:
            other = read_delimited(search, delimiter, skip)
            if len(other.header) > 1 and other.is_valid and other.rows:
                return other
            others.append(other)
    if reading is None or len(reading.header) == 1:
        for other in others:  # a few rows do not fit: the error names them
            if len(other.header) > 1 and 2 * other.ragged <= other.rows:
                return other
    return reading or read_delimited(search, usual, skip)


def read_delimited(search: Search, delimiter: str, skip: int) -> Reading:
    """The reading with one separator. Fields are quoted as RFC 4180 describes; between tabs, only where that fits."""
    if delimiter != "\t":
        return read_spaced(search, Dialect(delimiter, True, skip))
    plain = read_padded(search, Dialect(delimiter, False, skip))
    if not plain.opened and not any(name.startswith('"') for name in plain.header):
        return plain
    quoted = read_padded(search, Dialect(delimiter, True, skip), build=False)
    refuse_two_readings(search.file, plain, quoted)
    if not is_quoted(plain, quoted):
        if plain.is_valid:
            logger.info("data         %s: not quoted, quotation marks are part of the text", search.file.place)
        return plain
    return search.read(quoted.dialect) if quoted.is_valid and search.build else quoted


def read_padded(search: Search, dialect: Dialect, *, build: bool = True) -> Reading:
    """A reading, in which rows may all end in one more separator than the header has."""
    reading = search.read(dialect, build=build)
    if reading.rows and reading.padding == reading.rows:
        return search.read(replace(dialect, pads=True), build=build)
    return reading


def read_spaced(search: Search, dialect: Dialect) -> Reading:
    """A reading without the spaces after separators, where the header has such spaces and marks follow them.

    Marks that follow spaces enclose fields where only that reading fits, or in the header, or in a whole column.
    """
    reading = read_padded(search, dialect)
    if not reading.spaced_by_column or not all(name.startswith(" ") for name in reading.header[1:]):
        return reading
    spaced = read_padded(search, replace(dialect, spaced=True))
    is_regular = not reading.is_valid or any(count >= reading.rows for count in reading.spaced_by_column.values())
    has_names = any(name.lstrip(" ").startswith('"') for name in reading.header[1:])
    return spaced if spaced.is_valid and (is_regular or has_names) else reading


def refuse_two_readings(file: DataFile, plain: Reading, quoted: Reading) -> None:
    """Refuse a file that is whole with quotation marks around fields and without, but with other rows.

    Raises:
        UsageError: every mark has a reason to enclose a field, and no column shows that each line is a row.
    """
    if not (plain.is_valid and quoted.is_valid and quoted.num_spans) or len(plain.header) == 1:
        return
    if any(name.startswith('"') for name in plain.header) or plain.opened > quoted.num_spans + plain.reasoned:
        return
    if find_row_columns(quoted, share=0.5):
        return
    start, lines = quoted.spans[0]
    raise file.error(
        f"line {start}: a quotation mark opens a field that ends in line {start + len(lines) - 1}, but each line can "
        "also be a row. If the marks enclose fields, put the column names in quotation marks too. If they are part of "
        "the texts, write the file as CSV."
    )


def is_quoted(plain: Reading, quoted: Reading) -> bool:
    """Whether the quotation marks around fields between tabs belong to the file, as pandas and Excel write them.

    They do where the header is quoted, or only that reading fits. Where both fit, a field that no writer would have
    quoted, or rows that would become one, show that the marks are part of the texts.
    """
    if any(name.startswith('"') for name in plain.header):
        return True
    if plain.is_valid != quoted.is_valid:
        return quoted.is_valid
    if plain.error and quoted.error:
        return quoted.error[0] > plain.error[0]
    if plain.ragged != quoted.ragged:
        return quoted.ragged < plain.ragged
    if quoted.rows != plain.rows:
        return len(plain.header) == 1
    is_full = any(count == plain.rows for count in plain.quoted_by_column.values())
    return plain.reasoned == plain.opened or is_full
