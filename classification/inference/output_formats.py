"""The file formats of an output: which one is meant, what it can hold, and the writer of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from classification.data.sources.file_formats import ENDINGS
from classification.data.sources.row_batches import RowStream
from classification.errors import UsageError, join_first
from classification.inference.format_protocol import Layout, OutputFormat
from classification.inference.table_formats import ArrowFormat, ParquetFormat
from classification.inference.text_formats import CsvFormat, JsonArrayFormat, JsonLinesFormat

FORMATS: dict[str, type[OutputFormat]] = {
    "csv": CsvFormat,
    "tsv": CsvFormat,
    "jsonl": JsonLinesFormat,
    "json": JsonArrayFormat,
    "parquet": ParquetFormat,
    "arrow": ArrowFormat,
}
NESTED = ("jsonl", "json")  # formats in which the probabilities of a row are one object
TYPED = ("parquet", "arrow")  # kinds of input whose values have types
PREFIXES = ("predicted_", "model_", "new_", "answer_")  # that an error suggests


def choose_format(given: str | None, out: str, kind: str) -> str:
    """The format that is written: `--format`, else by the end of the name of `out`, else that of the input.

    >>> choose_format(None, "a.jsonl", "csv"), choose_format(None, "-", "text"), choose_format(None, "a.out", "tsv")
    ('jsonl', 'csv', 'tsv')

    Args:
        kind: of the input; text lines become CSV.
    """
    return given or ENDINGS.get(Path(out).suffix.lower()) or ("csv" if kind == "text" else kind)


def make_format(
    name: str, stream: RowStream, new: Sequence[str], *, prefix: str = "", safe: bool = False
) -> OutputFormat:
    """The writer of an output.

    Args:
        name: of the format. new: names of the new columns in their order, which begin with `prefix`.
        safe: put an apostrophe before cells that a spreadsheet would run as a formula; of CSV and TSV.

    Raises:
        UsageError: a column of the input has the name of a new one, or the format cannot hold a column.
    """
    check_names(stream.columns, new, prefix)
    delimiter = "\t" if name == "tsv" else (stream.delimiter if stream.kind == "csv" else "") or ","
    delimiter = delimiter if name in ("csv", "tsv") else ""
    layout = Layout(name, delimiter, tuple(stream.columns), tuple(new), safe=safe)
    made = FORMATS[name](layout, is_typed=stream.kind in TYPED)
    made.check(stream.schema)
    return made


def check_names(own: Sequence[str], new: Sequence[str], prefix: str) -> None:
    """Raise a UsageError that names `--output_prefix` where a column of the input has the name of a new one."""
    taken = [name for name in new if name in set(own)]
    if not taken:
        return
    bare = [name.removeprefix(prefix) for name in new]
    free = next((each for each in PREFIXES if not {each + name for name in bare} & set(own)), "my_predictions_")
    given = f"--output_prefix {prefix}: " if prefix else ""
    raise UsageError(
        f"{given}the input has columns with the names of new ones ({join_first(taken)}). Give the new ones other "
        f"names: --output_prefix {free}"
    )


def format_of(facts: Mapping[str, Any]) -> OutputFormat:
    """The writer that has this layout (as JSON), to join its parts."""
    layout = Layout(**{**facts, "own": tuple(facts["own"]), "new": tuple(facts["new"])})
    return FORMATS[layout.name](layout, is_typed=False)
