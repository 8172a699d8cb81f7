"""predictions.csv read back, column by column, after a check that it is the file that the run wrote."""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from classification.data.formula_cells import unguarded
from classification.data.labels import LabelSpace
from classification.errors import UsageError
from classification.report.json_fields import mapping_in

logger = logging.getLogger(__name__)

# N rows of the file, C labels.

FILE = "predictions.csv"
REMEDY = "Put the file of the run back, or remove it: the page is then drawn without rows."
LARGEST_CELL = 2**31 - 1  # the csv module refuses cells of more than 131,072 letters


@dataclass(frozen=True)
class PredictionTable:
    """predictions.csv, column by column.

    Args:
        texts: of each row, one or for pairs two; empty tuples where the report has no texts.
        label_ids: as from `LabelSpace.encode`, None where the row has no label.
        decisions: as from `LabelSpace.decide`, [N] or [N, C].
        probabilities: [N, C]; None for a task without them.
        slices: the columns of `--slice_columns`, by name; "" is a missing value.
    """

    ids: list[str]
    texts: list[tuple[str, ...]]
    label_ids: list[Any]
    decisions: np.ndarray
    probabilities: np.ndarray | None
    tokens: np.ndarray
    truncated: np.ndarray
    slices: dict[str, list[str]]


def read_predictions(
    folder: Path, record: Mapping[str, Any], metrics: Mapping[str, Any], task: LabelSpace, *, file: str = FILE
) -> PredictionTable | None:
    """The table of a run; None where the run predicted nothing, or with a warning where its file is missing.

    Raises:
        UsageError: the file is not the one that the run wrote.
    """
    path = folder / file
    digest = mapping_in(record, "predictions").get(file)
    try:
        if digest and sha256(path) != digest:
            refuse(path, "it has changed since the run, or is of another run (its sha256 is not that in run.json)")
        header, columns = read_columns(path)
    except FileNotFoundError:
        if digest or "test_samples" in metrics:
            logger.warning("%s is missing: the page has no rows of test", path)
        return None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}). Check its permissions.") from error
    except (csv.Error, UnicodeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        refuse(path, f"it is damaged ({error})")
    rows = mapping_in(record, "data", "test").get("rows")
    found = len(columns[0]) if columns else 0
    if rows is not None and found != rows:
        refuse(path, f"it has {found} rows, but the run predicted {rows}")
    if not found:
        return None
    arguments = mapping_in(record, "arguments")
    try:
        return table_of(
            header, columns, task, scored=metrics.get("test_scored"), safe=bool(arguments.get("csv_safe")),
            with_texts=bool(arguments.get("report_texts", True)),
        )  # fmt: skip
    except (KeyError, ValueError, TypeError, IndexError):  # whose message may quote a row
        refuse(path, "it does not have the columns and labels of this run")


def refuse(path: Path, problem: str) -> NoReturn:
    raise UsageError(f"{path}: {problem}. {REMEDY}")


def sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def read_columns(path: Path) -> tuple[list[str], list[list[str]]]:
    """The header and the columns of a CSV file.

    Raises:
        ValueError: a row has more or fewer cells than the header.
    """
    limit = csv.field_size_limit(LARGEST_CELL)
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            reader = csv.reader(handle)
            header = next(reader, [])
            columns: list[list[str]] = [[] for _ in header]
            for row in reader:
                if len(row) != len(header):
                    raise ValueError(f"line {reader.line_num} has {len(row)} cells, the first one {len(header)}")
                for column, cell in zip(columns, row, strict=True):
                    column.append(cell)
    finally:
        csv.field_size_limit(limit)
    return header, columns


def table_of(
    header: Sequence[str],
    columns: Sequence[Sequence[str]],
    task: LabelSpace,
    *,
    scored: int | None,
    safe: bool,
    with_texts: bool,
) -> PredictionTable:
    """The columns as values.

    Args:
        scored: rows with a label; it tells a missing label from a row without labels, which share the empty cell.
        safe: whether cells that look like formulas have an apostrophe in front (`--csv_safe`).

    Raises:
        ValueError, KeyError: a column is missing, or a cell is not a label of the task.
    """
    label = header.index("label")
    probabilities = list(header[label + 2 : -2])
    wanted = [f"prob_{name}" for name in task.names]
    if header[0] != "id" or header[label + 1] != "prediction" or list(header[-2:]) != ["tokens", "truncated"]:
        raise ValueError("the names of the columns differ")
    if probabilities not in ([], wanted):
        raise ValueError("the labels differ")
    pair = 3 if label > 2 and header[2] == "text_pair" else 2
    clean = (lambda cells: [unguarded(cell) for cell in cells]) if safe else list
    labels, predicted = clean(columns[label]), clean(columns[label + 1])
    is_missing = scored != len(labels)
    ids = {cell: task.read_cell(cell) for cell in {*labels, *predicted}}
    decisions = np.array([ids[cell] for cell in predicted])
    return PredictionTable(
        ids=clean(columns[0]),
        texts=list(zip(*map(clean, columns[1:pair]), strict=True)) if with_texts else [()] * len(labels),
        label_ids=[None if cell == "" and is_missing else ids[cell] for cell in labels],
        decisions=decisions.astype(bool) if decisions.ndim == 2 else decisions,
        probabilities=np.array(columns[label + 2 : -2], dtype=np.float64).T if probabilities else None,
        tokens=np.array(columns[-2], dtype=np.int64),
        truncated=np.array(columns[-1]) == "True",
        slices={clean([header[place]])[0]: clean(columns[place]) for place in range(pair, label)},
    )  # fmt: skip
