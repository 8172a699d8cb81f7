"""`--costs`: a CSV or JSON file with a cost per true and predicted class, read as it is written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from classification.cli.json_values import without_repeats
from classification.data.label_values import as_float
from classification.data.rules.cost_tables import CostTable
from classification.errors import UsageError, first_line

FORM = (
    "Write a CSV whose header has the predicted classes and whose first column has the true ones, or JSON such as "
    '{"ham": {"spam": 5}, "spam": {"ham": 1}}.'
)
DELIMITERS = (",", ";", "\t")


def read_costs(value: str) -> CostTable:
    """The costs in a file; a value that begins with a brace is JSON itself.

    Raises:
        UsageError: no such file, another format, a name that is there twice, or a cost that is no number from 0 on.
    """
    source = f"--costs {value}"
    is_json = value.lstrip().startswith("{")
    text = value if is_json else read_text(value, source)
    is_json = is_json or value.endswith(".json") or text.lstrip().startswith("{")
    return CostTable(source, read_json(text, source) if is_json else read_csv(text, source)).checked()


def read_text(path: str, source: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{source}: is not UTF-8 text. Save it as UTF-8.") from error
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or first_line(error).rstrip(".")
        raise UsageError(f"{source}: cannot be read: {problem}. Give a CSV or JSON file.") from error


def read_json(text: str, source: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=without_repeats)
    except (ValueError, RecursionError) as error:
        problem = "it is nested too deep." if isinstance(error, RecursionError) else first_line(error)
        raise UsageError(f"{source}: cannot be read as JSON: {problem} {FORM}") from error


def read_csv(text: str, source: str) -> dict[str, dict[str, object]]:
    """True name -> predicted name -> cost; an empty cell on the diagonal is left out."""
    header, *rows = read_table(text, source)
    names = header[1:]
    for kind, given in (("predicted", names), ("true", [row[0] for row in rows])):
        twice = next((name for name in given if given.count(name) > 1), None)
        if twice is not None:
            raise UsageError(f"{source}: {kind} class {twice!r} is there twice. Keep one of them.")
    costs: dict[str, dict[str, object]] = {}
    for name, *cells in rows:
        row = dict(zip(names, cells, strict=True))
        if not row.get(name, "0").strip():
            del row[name]
        costs[name] = {other: cell if (cost := as_float(cell)) is None else cost for other, cell in row.items()}
    return costs


def read_table(text: str, source: str) -> list[list[str]]:
    """The rows of a CSV, with the delimiter that gives all rows the same number of cells.

    Raises:
        UsageError: no delimiter does.
    """
    tables = []
    for delimiter in DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
            tables.append([row for row in reader if any(cell.strip() for cell in row)])
        except csv.Error:
            continue
    for table in tables:
        if len(table) > 1 and len(table[0]) > 1 and len({len(row) for row in table}) == 1:
            return table
    table = next((table for table in tables if table and len(table[0]) > 1), [])
    if len(table) < 2:
        raise UsageError(f"{source}: has no table of costs. {FORM}")
    wrong = next(row for row in table[1:] if len(row) != len(table[0]))
    raise UsageError(
        f"{source}: the row of {wrong[0]!r} has {len(wrong)} cells, and the header has {len(table[0])}. {FORM}"
    )
