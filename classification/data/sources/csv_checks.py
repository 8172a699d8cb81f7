"""What is wrong with the rows of a CSV or TSV file: errors that name the line, and warnings."""

from __future__ import annotations

import logging
import re

from classification.data.sources.csv_facts import NUMBER, TableFacts
from classification.data.sources.csv_reading import DELIMITERS, Dialect, Reading
from classification.data.sources.data_files import DataFile
from classification.errors import join_first
from classification.messages.shown_texts import column_title, quoted

logger = logging.getLogger(__name__)

COLUMN_NAME = re.compile(r"\w[\w .-]*")
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
        is_every_row = reading.row_delimiter or reading.wider == reading.rows > 1
        error = file.error if reading.breaks_quotes or is_every_row else file.row_error
        raise error(describe_error(reading))
    if reading.rows == 0:
        raise file.error(f"a header but no rows. {file.remedy_of_no_rows}")
    check_spans(file, reading)
    check_single_column(file, reading)


def check_single_column(file: DataFile, reading: Reading) -> None:
    """Raise a UsageError if the name of the only column, and every row, are divided by a sign that separates fields."""
    name = reading.header[0].strip()
    if len(reading.header) > 1 or reading.facts is None:
        return
    for mark, fewest in reading.facts.fewest.items():
        is_between_names = mark in name and all(COLUMN_NAME.fullmatch(part) for part in name.split(mark))
        if is_between_names and fewest >= name.count(mark):
            raise file.error(
                f"fields are separated by {mark!r}, which is not read. Separate them by "
                f"{join_first(DELIMITERS.values())}."
            )


def check_names(file: DataFile, header: list[str]) -> None:
    """Raise a UsageError if a column name repeats."""
    duplicates = sorted({column for column in header if column.strip() and header.count(column) > 1})
    if duplicates:
        names = join_first(repr(column_title(name)) for name in duplicates)
        raise file.error(f"the header has a duplicate column {names}. Rename or remove one of them.")


def describe_error(reading: Reading) -> str:
    """The first row that does not fit, and what to do."""
    assert reading.error is not None
    line, problem = reading.error
    mark = DELIMITERS.get(reading.dialect.delimiter, repr(reading.dialect.delimiter))
    if reading.breaks_quotes:
        return f"line {line}: {problem}. A quote is opened and not closed before the next field. {QUOTING}"
    remedy = f"Quote fields that contain {mark} or line breaks."
    if reading.spaced_by_column:
        remedy = "Quote fields right after the separator, without a space."
    elif reading.row_delimiter:
        remedy = f"The line has {DELIMITERS[reading.row_delimiter]}: separate it as the header, or the header as it."
    elif reading.is_short:
        remedy = "Add the missing fields, or quote texts with line breaks."
    elif reading.wider == reading.rows > 1 and len(reading.header) > 1:
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
    if rows := find_row_columns(reading, share=1.0):
        start, lines = rows
        raise file.error(
            f"line {start}: a quotation mark opens a field that ends in line {start + len(lines) - 1}, but each of "
            f"these lines is a row of its own. If the mark is part of the text, quote the field. {QUOTING}"
        )


def find_row_columns(reading: Reading, *, share: float) -> tuple[int, list[list[str]]] | None:
    """A record over several lines whose lines are rows by the values in a column: labels, numbers or ids.

    Args:
        share: of the lines before the last that must have such a value.

    Returns:
        The first line and the cells of every line; None where there is no such record.
    """
    if not reading.spans or reading.facts is None or len(reading.header) == 1:
        return None
    for number, column in enumerate(reading.facts.columns):
        fits = column.value_test(reading.rows)
        if fits is None:
            continue
        for start, lines in reading.spans:
            cells = [line[number] for line in lines]
            if fits(cells[-1]) and sum(map(fits, cells[:-1])) >= share * (len(cells) - 1):
                return start, lines
    return None


def warn_about(file: DataFile, reading: Reading) -> None:
    """Say what was read and is probably not meant."""
    facts = reading.facts
    assert facts is not None
    if reading.blank:
        logger.warning("%s: %d blank lines between rows are not read", file.place, reading.blank)
    if reading.mixed_line_ends and len(reading.header) == 1:
        logger.warning("%s: some lines end in a carriage return alone; each ends a row", file.place)
    say_spans(file, reading)
    if facts.repeats:
        logger.warning("%s: %d rows repeat the header. Remove them: they are read as rows.", file.place, facts.repeats)
    elif looks_like_row(facts):
        logger.warning(
            "%s: the first line looks like a row, not like column names (%s). Put the column names in the first line.",
            file.place,
            join_first((quoted(name, 40) for name in reading.header), 3),
        )
    with_null = sum(column.with_null for column in facts.columns)
    if with_null:
        logger.warning("%s: %d fields contain null characters, which are kept", file.place, with_null)


def say_spans(file: DataFile, reading: Reading) -> None:
    """Name the first record over several lines that could be rows; warn where few rows of a single column are so."""
    if reading.num_spans:
        start, lines = reading.spans[0]
        is_usual = reading.dialect.delimiter != "\t" and reading.num_spans >= reading.rows / 10
        is_odd = len(reading.header) == 1 and not is_usual
        logger.log(
            logging.WARNING if is_odd else logging.INFO,
            "%s%s: fields in quotation marks run over several lines; each is one row (%d of %d rows, first the lines "
            "%d to %d)",
            "" if is_odd else "data         ", file.place, reading.num_spans, reading.rows, start,
            start + len(lines) - 1,
        )  # fmt: skip


def looks_like_row(facts: TableFacts) -> bool:
    """Whether a column name is a number or a text, or also a frequent value of its column, such as a label."""
    if facts.header == [str(number) for number in range(len(facts.header))]:
        return False  # pandas names columns without a name so
    if any(NUMBER.fullmatch(name.strip()) or len(name) > LONG_NAME for name in facts.header):
        return True
    return any(column.like_name > facts.rows / 1000 for column in facts.columns if column.name.strip())
