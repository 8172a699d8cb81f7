"""The labels of an input that is predicted: which column has them, and whether the model knows them.

Needs `datasets`, and is imported only where an input may have labels.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from datasets import DatasetDict, Features

from classification.data.arrow_columns import dataset_of
from classification.data.column_names import LABEL_COLUMNS, Columns
from classification.data.findings import quantity
from classification.data.label_cells import RawLabels
from classification.data.label_columns import read_labels
from classification.data.label_values import TRUE_FALSE, is_missing
from classification.data.labels import LabelSpace
from classification.data.named_columns import existing_column, loosened, shown
from classification.data.sources.row_batches import RowBatch, RowStream
from classification.data.trained_labels import name_as_in_data
from classification.errors import UsageError, did_you_mean, join_first
from classification.inference.scoring import Scorer
from classification.messages.log import Line, log_lines
from classification.messages.shown_texts import quoted

logger = logging.getLogger(__name__)

FLAG = "--label_column_name"
MOST_LABELS = 20_000  # different ones; a column with more has no classes
NO_SCORES = "the rows are predicted, not scored"
UNKNOWN = object()  # a label that the task does not have


@dataclass
class Seen:
    """The different labels of a column.

    Args:
        first: label -> number of its first row, from 1. counts: label -> rows. unread: why a cell is no label.
    """

    first: dict[Any, int] = field(default_factory=dict)
    counts: dict[Any, int] = field(default_factory=dict)
    class_names: tuple[str, ...] | None = None
    unread: str = ""

    def add(self, value: Any, row: int) -> None:
        key = tuple(value) if isinstance(value, list) else value
        if not is_missing(key):
            self.first.setdefault(key, row)
            self.counts[key] = self.counts.get(key, 0) + 1

    @property
    def values(self) -> list[Any]:
        return [list(key) if isinstance(key, tuple) else key for key in self.first]


def find_scorer(
    stream: RowStream, task: LabelSpace, model: str, *, given: str | None = None, trained: str | None = None,
    text_columns: Sequence[str] = (),
) -> Scorer | None:  # fmt: skip
    """The scorer of an input with labels that the model knows; reads the column once, in constant memory.

    Args:
        given: as from `--label_column_name`. trained: the label column of the training. model: its name.

    Returns:
        None without a label column. A column that the user did not name and whose labels the model does not know is
        only noted.

    Raises:
        UsageError: no such column, or labels that the model does not know in the column that the user named.
    """
    column = find_column(stream.columns, given, trained, text_columns)
    if column is None:
        return None
    named, problem = task, ""
    seen = look_through(stream, column, task)
    if seen.unread:
        problem = seen.unread
    elif not seen.first:
        log_lines([Line("labels", f"the column {shown(column)} has no labels: {NO_SCORES}")])
        return None
    else:
        named, problem = named_task(task, seen, model)
    if not problem:
        return Scorer(named, column)
    if given is not None:
        raise UsageError(f"{FLAG} {given}: {problem} Fix the labels, or leave the flag out to predict without scores.")
    log_lines([Line("labels", f"{NO_SCORES}: in the column {shown(column)}, {problem}")])
    return None


def find_column(
    columns: Sequence[str], given: str | None, trained: str | None, text_columns: Sequence[str]
) -> str | None:
    if given is not None:
        return existing_column(columns, given, FLAG)
    known = [trained] if trained in columns and trained not in text_columns else []
    usual = [column for column in columns if loosened(column) in LABEL_COLUMNS and column not in text_columns]
    if not known and len(usual) > 1:
        log_lines([Line("labels", f"{NO_SCORES}: several columns could be the label ({join_first(usual)}). Name the "
                                  f"one you mean: {FLAG}")])  # fmt: skip
        return None
    return next(iter(known or usual), None)


def look_through(stream: RowStream, column: str, task: LabelSpace) -> Seen:
    """The different labels of a column; of numbers only the first that is none."""
    seen, has_classes = Seen(), task.output_scale is None
    for batch in stream.batches():
        try:
            raw = raw_labels(batch, column)
        except UsageError as error:
            seen.unread = without_flag(str(error))
            return seen
        seen.class_names = raw.names or seen.class_names
        for place, value in enumerate(raw.values):
            if has_classes or not seen.first or encoded(task, value) is UNKNOWN:
                seen.add(value, batch.first + place + 1)
        if len(seen.first) > MOST_LABELS:
            seen.unread = f"there are more than {MOST_LABELS:,} different values."
            return seen
    return seen


def raw_labels(batch: RowBatch, column: str) -> RawLabels:
    """The labels of a batch as training reads them.

    Raises:
        UsageError: cells that are no labels in any form.
    """
    table = batch.table().select([column])
    data = dataset_of({column: table.column(column)}, Features.from_arrow_schema(table.schema))
    numbers = pa.chunked_array([pa.array([str(batch.first + i + 1) for i in range(len(batch))])])
    raw = read_labels(data, Columns(label=shown(column)), "test", numbers)
    return raw if raw is not None else RawLabels([None] * len(batch))


def named_task(task: LabelSpace, seen: Seen, model: str) -> tuple[LabelSpace, str]:
    """The task with the names that the data has for its classes, and why it does not know a label."""
    try:
        raw = dataset_of({"label": RawLabels(seen.values).as_array()})
        named = name_as_in_data(task, DatasetDict(test=raw), seen.class_names, model)
    except UsageError:
        named = task
    unknown = [key for key, value in zip(seen.first, seen.values, strict=True) if encoded(named, value) is UNKNOWN]
    if not unknown:
        return named, ""
    examples = [
        f"{quoted(name_of(key))} (row {seen.first[key]}, {quantity(seen.counts[key], 'row')})" for key in unknown
    ]
    labels = f"its labels are {join_first(task.names, 10)}" if task.output_scale is None else "it predicts numbers"
    hint = did_you_mean(name_of(unknown[0]), task.names)
    return named, f"the model does not know {join_first(examples, 3)}: {labels}.{hint}"


def name_of(key: Any) -> str:
    return ", ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def encoded(task: LabelSpace, value: Any) -> Any:
    """The label id of a raw label: None where it is missing, `UNKNOWN` where the task does not have it.

    True and false match a name in any case, where no name is equal.
    """
    if isinstance(value, str | bool) and str(value) not in task.names and str(value).lower() in TRUE_FALSE:
        value = next((name for name in task.names if name.lower() == str(value).lower()), value)
    try:
        return task.encode(value)
    except KeyError:
        return UNKNOWN


def label_ids_of(batch: RowBatch, column: str, task: LabelSpace) -> list[Any]:
    """The label id of each row, None where it has none."""
    known: dict[Any, Any] = {}
    ids = []
    for value in raw_labels(batch, column).values:
        key = (type(value), tuple(value) if isinstance(value, list) else value)
        if key not in known:
            known[key] = encoded(task, value)
        ids.append(None if known[key] is UNKNOWN else known[key])
    return ids


def without_flag(message: str) -> str:
    """An error of the label column without the flag in front."""
    text = message.removeprefix(FLAG)
    return text.partition(": ")[2] if text != message and ": " in text else message
