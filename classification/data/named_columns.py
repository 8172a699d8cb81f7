"""From the name that the user typed to a column of the data: as it is, in quotes, without spaces, or a field inside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from classification.errors import UsageError, did_you_mean, join_first
from classification.messages.shown_texts import column_title

QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"\s*')  # as in a CSV file: a quote inside is doubled
WITHOUT_WIDTH = dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2060\ufeff"))  # a byte order mark among them
PART = re.compile(rf"({QUOTED.pattern})(?=,|$)|([^,]*)")


def split_names(text: str | None) -> tuple[str, ...]:
    """The names of a comma-separated flag, as they are written; a name with a comma is in double quotes.

    >>> split_names('a, b'), split_names('"a,b",c'), split_names(" ")
    (('a', ' b'), ('"a,b"', 'c'), ())
    """
    names, place = [], 0
    while text and place <= len(text):
        part = PART.match(text, place)
        assert part is not None
        names.append(part[0])
        place = part.end() + 1
    return tuple(name for name in names if name.strip())


def bare_names(text: str | None) -> list[str]:
    """The names of a comma-separated flag, without quotes; outer spaces count in quotes only.

    >>> bare_names('a, " b","c,d"')
    ['a', ' b', 'c,d']
    """
    return [unquoted(name) if QUOTED.fullmatch(name) else name.strip() for name in split_names(text)]


def unquoted(name: str) -> str:
    """A name without the double quotes around it."""
    quoted = QUOTED.fullmatch(name)
    return quoted[1].replace('""', '"') if quoted else name


def shown(name: str) -> str:
    """A column name as it must be typed: in quotes where it has a comma or outer spaces, or is empty."""
    if name and name == name.strip() and not set(name) & set(',"'):
        return name
    return '"' + name.replace('"', '""') + '"'


def loosened(name: str) -> str:
    """A name without outer spaces and characters without width, in the composed form of Unicode."""
    return unicodedata.normalize("NFC", name.translate(WITHOUT_WIDTH).strip())


def match_column(name: str, columns: Sequence[str], flag: str) -> str | None:
    """The column that `name` means: the exact name first, then without quotes, then without outer spaces.

    Raises:
        UsageError: several columns differ from `name` in outer spaces only.
    """
    for exact in (name, unquoted(name)):
        if exact in columns:
            return exact
    near = [column for column in columns if loosened(column) == loosened(unquoted(name))]
    if len(near) > 1:
        raise UsageError(
            f"{flag} {name}: {len(near)} columns have this name with other spaces ({join_first(map(repr, near))}). "
            f"Type the spaces, in double quotes: {flag} '\"{near[0]}\"'"
        )
    return near[0] if near else None


def existing_column(columns: Sequence[str], name: str, flag: str, split: str | None = None) -> str:
    """The column that `name` means.

    Args:
        split: whose columns these are, for the error.

    Raises:
        UsageError: there is no such column; the message begins with `flag`.
    """
    column = match_column(name, columns, flag)
    if column is None:
        raise UsageError(f"{flag} {name}: {not_a_column(name, columns, split)}")
    return column


def existing_columns(columns: Sequence[str], names: Sequence[str], flag: str) -> list[str]:
    """The columns that a comma-separated flag means.

    Raises:
        UsageError: there is no such column.
    """
    return [existing_column(columns, name, flag) for name in joined_name(names, columns)]


def joined_name(names: Sequence[str], columns: Collection[str]) -> tuple[str, ...]:
    """The parts of a comma-separated flag, or the one column whose own name has these commas.

    >>> joined_name(("a", "b"), ["a", "b", "a,b"]), joined_name(("a", "b"), ["a", "a,b"])
    (('a', 'b'), ('"a,b"',))
    """
    whole = ",".join(names)
    has_parts = all(loosened(unquoted(name)) in map(loosened, columns) for name in names)
    return (shown(whole),) if len(names) > 1 and whole in columns and not has_parts else tuple(names)


def describe_columns(columns: Iterable[str]) -> str:
    """The column names of a split, for an error."""
    return f"the columns are {join_first(map(shown, map(column_title, columns)), 12)}"


def not_a_column(name: str, columns: Sequence[str], split: str | None = None) -> str:
    """The message for a column that does not exist."""
    suggestion = did_you_mean(name, [column for column in columns if column_title(column) == column])
    for column in columns:
        if suggestion.endswith(f" '{column}'?"):
            suggestion = suggestion.replace(f" '{column}'?", f" '{shown(column)}'?")
            break
    place = f" in {split}" if split else ""
    return f"there is no such column{place}; {describe_columns(columns)}.{suggestion}"
