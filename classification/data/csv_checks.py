"""What is wrong with the rows of a CSV or TSV file: errors that name the line, and warnings."""

from __future__ import annotations

import logging
import re

import pyarrow as pa
import pyarrow.compute as pc

from classification.data.csv_rows import Dialect, Reading
from classification.data.data_files import DataFile
from classification.errors import join_first

logger = logging.getLogger(__name__)

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?")
LONG_NAME = 80  # characters of a column name that is probably a text
QUOTING = 'Inside a quoted field, write a quotation mark as "".'


def check_reading(file: DataFile, reading: Reading) -> None:
    """Refuse a reading with an error, without rows or names, or in which a quotation mark swallowed rows.

    Raises:
        UsageError: with the line.
    """
    if not reading.header:
        if reading.error:
            raise file.error(f"line {reading.error[0]}: {reading.error[1]}. {QUOTING}")
        raise file.error("the file is empty, it has no column names and no rows. Give a header and at least one row.")
    check_names(file, reading.header)
    if reading.error:
        raise file.error(describe_error(reading))
    if reading.rows == 0:
        raise file.error("a header but no rows. Add rows, or leave the file out.")
    check_spans(file, reading)


def check_names(file: DataFile, header: list[str]) -> None:
    """Raise a UsageError if a column name repeats."""
    duplicates = sorted({column for column in header if column.strip() and header.count(column) > 1})
    if duplicates:
        raise file.error(
            f"the header has a duplicate column {join_first(map(repr, duplicates))}. Rename or remove one of them."
        )


def describe_error(reading: Reading) -> str:
    """The first row that does not fit, and what to do."""
    assert reading.error is not None
    line, problem = reading.error
    mark = DELIMITERS.get(reading.dialect.delimiter, repr(reading.dialect.delimiter))
    if not reading.ragged:
        return f"line {line}: {problem}. A quote is opened and not closed before the next field. {QUOTING}"
    remedy = f"Quote fields that contain {mark} or line breaks."
    if reading.is_short:
        remedy = "Add the missing fields, or quote texts with line breaks."
    elif reading.wider == reading.rows > 1:
        remedy = "Every row has one field more: name the first column too (R: col.names = NA), or leave it out."
    elif reading.dialect == Dialect("\t", False, reading.dialect.skip):
        remedy = "Remove tabs and line breaks inside texts, or write the file as CSV."
    if reading.mixed_line_ends:
        remedy += " Some lines end in a carriage return alone: write all line ends alike."
    return f"line {line} has {problem}, separated by {mark}. {remedy}"


def check_spans(file: DataFile, reading: Reading) -> None:
    """Refuse records over several lines, each of which is a whole row by the values in its other fields.

    Raises:
        UsageError: an opening quotation mark that belongs to a text took the following rows into one field.
    """
    if not reading.spans or reading.table is None:
        return
    for number, column in enumerate(reading.table.columns):
        known = pc.unique(column)
        few = len(known) <= max(2, reading.rows / 2)
        values = set(known.to_pylist()) if few or len(known) <= 100_000 else set()
        numbers = bool(values) and all(NUMBER.fullmatch(value) for value in values)
        for start, lines in reading.spans:
            cells = [line[number] for line in lines]
            if (few and values.issuperset(cells)) or (numbers and all(NUMBER.fullmatch(cell) for cell in cells)):
                end = start + len(lines) - 1
                raise file.error(
                    f"line {start}: a quotation mark opens a field that ends in line {end}, but each of these lines is "
                    f"a row of its own. If the mark is part of the text, quote the field. {QUOTING}"
                )


def warn_about(file: DataFile, reading: Reading) -> None:
    """Say what was read and is probably not meant."""
    table = reading.table
    assert table is not None
    if reading.blank:
        logger.warning("%s: %d blank lines between rows are not read", file.place, reading.blank)
    if reading.mixed_line_ends and len(reading.header) == 1:
        logger.warning("%s: some lines end in a carriage return alone; each ends a row", file.place)
    repeats = repeats_of_header(reading.header, table)
    if repeats:
        logger.warning("%s: %d rows repeat the header. Remove them: they are read as rows.", file.place, repeats)
    elif looks_like_row(reading.header, table):
        logger.warning(
            "%s: the first line looks like a row, not like column names (%s). Put the column names in the first line.",
            file.place,
            join_first((repr(name[:40]) for name in reading.header), 3),
        )
    with_null = sum(pc.sum(pc.match_substring(column, "\x00")).as_py() or 0 for column in table.columns)
    if with_null:
        logger.warning("%s: %d fields contain null characters, which are kept", file.place, with_null)


def repeats_of_header(header: list[str], table: pa.Table) -> int:
    """Rows that are equal to the header, as where files were joined."""
    equal = pc.equal(table.column(0), header[0])
    for column, name in zip(table.columns[1:], header[1:], strict=True):
        equal = pc.and_(equal, pc.equal(column, name))
    return pc.sum(equal).as_py() or 0


def looks_like_row(header: list[str], table: pa.Table) -> bool:
    """Whether a column name is a number or a text, or also a frequent value of its column, such as a label."""
    if header == [str(number) for number in range(len(header))]:
        return False  # pandas names columns without a name so
    if any(NUMBER.fullmatch(name.strip()) or len(name) > LONG_NAME for name in header):
        return True
    counts = (
        pc.sum(pc.equal(column, name)).as_py() or 0
        for column, name in zip(table.columns, header, strict=True)
        if name.strip()
    )
    return any(count > table.num_rows / 1000 for count in counts)
