"""The labels of an input that is predicted: which columns have them, and whether the model knows them.

Needs `datasets`, and is imported only where an input may have labels.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
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
from classification.data.named_columns import existing_column, joined_name, loosened, shown
from classification.data.sources.row_batches import RowBatch, RowStream
from classification.data.trained_labels import name_as_in_data
from classification.data.yes_no_columns import FLAG as YES_NO_FLAG
from classification.errors import UsageError, did_you_mean, join_first
from classification.inference.scoring import Scorer
from classification.messages.log import Line, log_lines
from classification.messages.shown_texts import quoted

logger = logging.getLogger(__name__)

FLAG, DELIMITER_FLAG = "--label_column_name", "--label_delimiter"
MOST_LABELS = 20_000  # different ones; a column with more has no classes
NO_SCORES = "the rows are predicted, not scored"
UNKNOWN = object()  # a label that the task does not have


@dataclass
class Seen:
    """The different labels of a column.

    Args:
        first: label -> number of its first row, from 1; of a list each item, as a tuple. counts: label -> rows.
        unread: why a cell is no label.
    """

    first: dict[Any, int] = field(default_factory=dict)
    counts: dict[Any, int] = field(default_factory=dict)
    class_names: tuple[str, ...] | None = None
    unread: str = ""

    def add(self, value: Any, row: int) -> None:
        keys: list[Any] = [(name,) for name in value] or [()] if isinstance(value, list) else [value]
        for key in keys:
            if not is_missing(key):
                self.first.setdefault(key, row)
                self.counts[key] = self.counts.get(key, 0) + 1

    @property
    def values(self) -> list[Any]:
        return [list(key) if isinstance(key, tuple) else key for key in self.first]


def find_scorer(
    stream: RowStream, task: LabelSpace, model: str, *, given: Columns | None = None, trained: Columns | None = None,
    text_columns: Sequence[str] = (),
) -> Scorer | None:  # fmt: skip
    """The scorer of an input with labels that the model knows; reads their columns once, in constant memory.

    Args:
        given: the label columns that the user names. trained: those of the training. model: its name.

    Returns:
        None without labels. A column that the user did not name and whose labels the model does not know is only
        noted.

    Raises:
        UsageError: no such column, or labels that the model does not know in the column that the user named.
    """
    given, trained = given or Columns(), trained or Columns()
    columns = find_columns(stream.columns, given, trained, text_columns)
    if columns is None:
        return None
    named, problem = task, ""
    seen = look_through(stream, columns, task)
    title = in_columns(columns)
    if seen.unread:
        problem = seen.unread
    elif not seen.first:
        log_lines([Line("labels", f"there are no labels {title}: {NO_SCORES}")])
        return None
    else:
        named, problem = named_task(task, seen, model)
    if not problem:
        return Scorer(named, columns)
    if flag := given.label_flag:
        raise UsageError(f"{flag}: {problem} Fix the labels, or leave the flag out to predict without scores.")
    log_lines([Line("labels", f"{NO_SCORES}: {title}, {problem}")])
    return None


def find_columns(
    columns: Sequence[str], given: Columns, trained: Columns, text_columns: Sequence[str]
) -> Columns | None:
    """The columns of the labels: those that the user names, those of the training, or one with a usual name."""
    if given.labels:
        names = joined_name(given.labels, columns)
        return Columns(labels=tuple(existing_column(columns, name, YES_NO_FLAG) for name in names))
    if given.label is not None:
        label = existing_column(columns, given.label, FLAG)
        delimiter = trained.label_delimiter if label == trained.label else None
        return Columns(label=label, label_delimiter=given.label_delimiter or delimiter)
    if trained.label_columns and {*trained.label_columns} <= {*columns} - {*text_columns}:
        delimiter = given.label_delimiter or trained.label_delimiter
        return Columns(label=trained.label, labels=trained.labels, label_delimiter=delimiter)
    usual = [column for column in columns if loosened(column) in LABEL_COLUMNS and column not in text_columns]
    if len(usual) > 1:
        log_lines([Line("labels", f"{NO_SCORES}: several columns could be the label ({join_first(usual)}). Name the "
                                  f"one you mean: {FLAG}")])  # fmt: skip
        return None
    return Columns(label=usual[0], label_delimiter=given.label_delimiter) if usual else None


def in_columns(columns: Columns) -> str:
    names = columns.label_columns
    return f"in the column{'s' if len(names) > 1 else ''} {join_first(map(shown, names))}"


def look_through(stream: RowStream, columns: Columns, task: LabelSpace) -> Seen:
    """The different labels of an input; of numbers only the first that is none."""
    seen, has_classes = Seen(), task.output_scale is None
    for batch in stream.batches():
        try:
            raw = raw_labels(batch, columns)
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


def raw_labels(batch: RowBatch, columns: Columns) -> RawLabels:
    """The labels of a batch as training reads them.

    Raises:
        UsageError: cells that are no labels in any form.
    """
    names = columns.label_columns
    table = batch.table().select(names)
    data = dataset_of({name: table.column(name) for name in names}, Features.from_arrow_schema(table.schema))
    numbers = pa.chunked_array([pa.array([str(batch.first + i + 1) for i in range(len(batch))])])
    label = None if columns.label is None else shown(columns.label)
    as_typed = replace(columns, label=label, labels=tuple(map(shown, columns.labels)))
    raw = read_labels(data, as_typed, "test", numbers)
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


def label_ids_of(batch: RowBatch, columns: Columns, task: LabelSpace) -> list[Any]:
    """The label id of each row, None where it has none."""
    known: dict[Any, Any] = {}
    ids = []
    for value in raw_labels(batch, columns).values:
        key = (type(value), tuple(value) if isinstance(value, list) else value)
        if key not in known:
            known[key] = encoded(task, value)
        ids.append(None if known[key] is UNKNOWN else known[key])
    return ids


def without_flag(message: str) -> str:
    """An error of the label column without the flag in front."""
    is_flag = message.startswith((FLAG, YES_NO_FLAG, DELIMITER_FLAG)) and ": " in message
    return message.partition(": ")[2] if is_flag else message
