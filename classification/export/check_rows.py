"""The real rows on which an export is compared with its model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classification.data.column_names import Columns
from classification.data.labels import LabelSpace
from classification.data.sources.row_batches import InputSource, RowBatch, RowStream
from classification.data.sources.row_streams import open_rows
from classification.errors import UsageError
from classification.inference.data_statistics import DataStatistics
from classification.inference.row_texts import TextColumns, find_columns
from classification.inference.scoring import can_score
from classification.models.choice import ModelChoice
from classification.models.encoder_pooling import find_file

FLAG, PREDICTIONS = "--check_file", "predictions.csv"
LabelReader = Callable[[RowBatch], list[Any]]


@dataclass(frozen=True)
class CheckRows:
    """N rows.

    Args:
        numbers: of the rows in their file, from 1. texts, pairs: [N]; pairs are None for single texts.
        labels: label ids [N], None where a row has none; None where no row has one.
        source: the name of the file.
    """

    numbers: list[int]
    texts: list[str]
    pairs: list[str] | None
    labels: list[Any] | None
    source: str


def read_check_rows(
    choice: ModelChoice, task: LabelSpace, statistics: DataStatistics | None, file: str | None, columns: str | None,
    count: int, *, label_column: str | None = None,
) -> CheckRows:  # fmt: skip
    """Rows of the file, spread evenly; without a file those of the predictions that lie in the model's folder.

    Args:
        columns: the text columns, where they are named. count: of rows at most; all where the file has fewer.
        label_column: where it is named.

    Raises:
        UsageError: no file is given and the folder has no predictions; a file that cannot be read or has no texts; no
            such column, or labels in the named column that the model does not know.
    """
    is_own = file is None
    path = str(find_predictions(choice)) if file is None else file
    with named_as_flag(path), open_rows(InputSource(path, keep_bad_rows=True)) as stream:
        if is_own:
            columns, statistics = ",".join(name for name in ("text", "text_pair") if name in stream.columns), None
        text = find_columns(
            stream.columns, columns, None, statistics, place=stream.place, is_lines=stream.kind == "text"
        )
        if is_own:
            read = own_label_reader(stream, task)
        else:
            read = label_reader(stream, task, statistics, choice.name, text, Columns(label=label_column))
        rows = chosen_rows(stream, text, read, count)
    if not rows:
        raise UsageError(f"{FLAG} {path}: no row has a text. Pass a file with texts.")
    numbers, texts, pairs, labels = zip(*rows, strict=True)
    has_labels = any(label is not None for label in labels)
    return CheckRows(
        list(numbers), list(texts), list(pairs) if text.are_pairs else None, list(labels) if has_labels else None,
        Path(path).name,
    )  # fmt: skip


@contextmanager
def named_as_flag(path: str) -> Iterator[None]:
    """Inside, errors about the input of a prediction name `--check_file`."""
    try:
        yield
    except UsageError as error:
        raise UsageError(str(error).replace(f"INPUT {path}", f"{FLAG} {path}")) from error


def find_predictions(choice: ModelChoice) -> Path:
    path = find_file(choice, PREDICTIONS)
    if path is None or not path.is_file():
        raise UsageError(
            f"{FLAG}: {choice.name} has no {PREDICTIONS}, so name the rows on which the export is compared with "
            "the model: --check_file FILE, such as the test data."
        )
    return path


def chosen_rows(
    stream: RowStream, text: TextColumns, read: LabelReader, count: int
) -> list[tuple[int, str, str | None, Any]]:
    """Number, text, second text and label of rows that are spread evenly; a row without a text is left out."""
    wanted = set(np.unique(np.linspace(0, stream.num_rows - 1, min(count, stream.num_rows)).astype(int)).tolist())
    rows = []
    for batch in stream.batches():
        places = [place for place in range(len(batch)) if batch.first + place in wanted]
        if not places:
            continue
        found, labels = text.read(batch, stream.columns), read(batch)
        for place in places:
            if place not in found.problems:
                pair = None if found.pairs is None else found.pairs[place]
                rows.append((batch.first + place + 1, found.texts[place], pair, labels[place]))
    return rows


def no_labels(batch: RowBatch) -> list[Any]:
    return [None] * len(batch)


def label_reader(
    stream: RowStream, task: LabelSpace, statistics: DataStatistics | None, name: str, text: TextColumns, given: Columns
) -> LabelReader:
    """A function from a batch to its label ids; None for each row without one that the model knows.

    Args:
        name: of the model. given: the label column, where the user has named it.

    Raises:
        UsageError: no such column, or labels in it that the model does not know.
    """
    if not can_score(given.label_flag):
        return no_labels
    from classification.inference.input_labels import find_scorer, label_ids_of

    trained = Columns()
    if statistics is not None:
        trained = Columns(
            label=statistics.label_column, labels=statistics.label_columns, label_delimiter=statistics.label_delimiter
        )
    scorer = find_scorer(stream, task, name, given=given, trained=trained, text_columns=text.names)
    return no_labels if scorer is None else lambda batch: label_ids_of(batch, scorer.columns, scorer.task)


def own_label_reader(stream: RowStream, task: LabelSpace) -> LabelReader:
    """The same for the predictions of a training, whose labels are written by the task.

    Without labels where the task does not read all of them: a cell may have an apostrophe against formulas.
    """

    def read(batch: RowBatch) -> list[Any]:
        cells = [cell or "" for cell in batch.column("label")]
        return [task.read_cell(cell) if cell or task.items_per_row > 1 else None for cell in cells]

    if "label" not in stream.columns or not can_score():
        return no_labels
    try:
        has_labels = any([any(batch.column("label")) and bool(read(batch)) for batch in stream.batches()])
    except (KeyError, ValueError):
        return no_labels
    return read if has_labels else no_labels
