"""CSV and TSV files: the separator and the quoting that fit the whole file, and its rows as strings.

Every field stays as it is written: "NA", "null" and "007" are not converted.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace

import pyarrow as pa

from classification.data.sources.csv_checks import check_reading, find_row_columns, warn_about
from classification.data.sources.csv_rows import DELIMITERS, Dialect, Reading, read_rows
from classification.data.sources.data_files import DataFile

logger = logging.getLogger(__name__)

EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # a first line that Excel writes and reads


def read_csv(file: DataFile, delimiter: str | None = None) -> pa.Table:
    """The rows of a file with a header.

    Args:
        delimiter: the separator that the data set declares; None to begin with that of the suffix.

    Raises:
        UsageError: not text, no rows, duplicate column names, or a row that does not fit; names the line.
    """
    usual = "\t" if file.kind == "tsv" else ","
    skip, first_line = 0, read_first_line(file, 0)
    if excel := EXCEL_SEPARATOR.fullmatch(first_line):
        skip, delimiter = 1, delimiter or excel[1]
        first_line = read_first_line(file, 1)
    refuse_json(file, first_line)
    reading = choose_delimiter(file, delimiter or usual, first_line, skip)
    check_reading(file, reading)
    warn_about(file, reading)
    if reading.dialect.delimiter not in (usual, delimiter):
        logger.info(
            "data         %s: fields are separated by %s",
            file.place,
            DELIMITERS.get(reading.dialect.delimiter, repr(reading.dialect.delimiter)),
        )
    if reading.dialect.spaced:
        logger.info("data         %s: spaces between a separator and a field are not read", file.place)
    if reading.dialect.pads:
        logger.info("data         %s: every row ends in one more separator, which is not read", file.place)
    assert reading.table is not None
    return reading.table


def read_first_line(file: DataFile, skip: int) -> str:
    """The first line after `skip` that is not blank."""
    with file.text() as handle:
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
        raise file.error("holds JSON, not a table with columns. End its name in .jsonl.")


def choose_delimiter(file: DataFile, usual: str, first_line: str, skip: int) -> Reading:
    """The reading with the usual separator, or with another where only that one gives columns in every row."""
    reading = read_delimited(file, usual, skip) if usual in first_line else None
    if reading and reading.is_valid and len(reading.header) > 1:
        return reading
    others = []
    for delimiter in DELIMITERS:
        if delimiter != usual and delimiter in first_line:
            other = read_delimited(file, delimiter, skip)
            if len(other.header) > 1 and other.is_valid and other.rows:
                return other
            others.append(other)
    if reading is None or len(reading.header) == 1:
        for other in others:  # a few rows do not fit: the error names them
            if len(other.header) > 1 and 2 * other.ragged <= other.rows:
                return other
    return reading or read_delimited(file, usual, skip)


def read_delimited(file: DataFile, delimiter: str, skip: int) -> Reading:
    """The reading with one separator. Fields are quoted as RFC 4180 describes; between tabs, only where that fits."""
    if delimiter != "\t":
        return read_spaced(file, Dialect(delimiter, True, skip))
    plain = read_padded(file, Dialect(delimiter, False, skip))
    if not plain.opened and not any(name.startswith('"') for name in plain.header):
        return plain
    quoted = read_padded(file, Dialect(delimiter, True, skip), build=False)
    refuse_two_readings(file, plain, quoted)
    if not is_quoted(plain, quoted):
        if plain.is_valid:
            logger.info("data         %s: not quoted, quotation marks are part of the text", file.place)
        return plain
    return read_rows(file, quoted.dialect) if quoted.is_valid else quoted


def read_padded(file: DataFile, dialect: Dialect, *, build: bool = True) -> Reading:
    """A reading, in which rows may all end in one more separator than the header has."""
    reading = read_rows(file, dialect, build=build)
    if reading.rows and reading.padding == reading.rows:
        return read_rows(file, replace(dialect, pads=True), build=build)
    return reading


def read_spaced(file: DataFile, dialect: Dialect) -> Reading:
    """A reading without the spaces after separators, where the header has such spaces and marks follow them.

    Marks that follow spaces enclose fields where only that reading fits, or in the header, or in a whole column.
    """
    reading = read_padded(file, dialect)
    if not reading.spaced_by_column or not all(name.startswith(" ") for name in reading.header[1:]):
        return reading
    spaced = read_padded(file, replace(dialect, spaced=True))
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
    if find_row_columns(read_rows(file, quoted.dialect), share=0.5):
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
    if quoted.rows != plain.rows:
        return len(plain.header) == 1
    is_full = any(count == plain.rows for count in plain.quoted_by_column.values())
    return plain.reasoned == plain.opened or is_full
