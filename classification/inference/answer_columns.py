"""The new columns of an output: which there are, and what they say about the rows of a batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from classification.data.labels import LabelSpace
from classification.inference.answers import Decided, check_probabilities
from classification.inference.value_texts import own_digits

# n rows of a batch, a of them have an answer, m of them are written, C labels.

Kind = Literal["text", "number", "flag", "object"]
ARROW_TYPES = {"text": pa.string(), "number": pa.float32(), "flag": pa.bool_(), "object": pa.string()}
DIGITS = 6  # of a probability in CSV


@dataclass(frozen=True)
class AnswerColumn:
    """One new column, of the same kind and type in every batch.

    Args:
        name: with the prefix of `--output_prefix`.
        values: [m], a list or an array; None and NaN are missing.
        kind: `text`, `number`, `flag` (true or false), or `object`: lists and dictionaries of JSON, which are JSON text
            in CSV and TSV.
        type: in Parquet and Arrow, where it is not that of `ARROW_TYPES`; an `object` without one is JSON text there.
        digits: of a number in CSV and TSV after the point; None writes as many as it needs.
    """

    name: str
    values: Sequence[Any] | np.ndarray
    kind: Kind = "text"
    type: pa.DataType | None = None
    digits: int | None = DIGITS

    @property
    def arrow_type(self) -> pa.DataType:
        return self.type or ARROW_TYPES[self.kind]

    def python_values(self) -> list[Any]:
        """The values as Python objects, None where one is missing. A float32 has its own digits: 0.1, not 0.100000001.

        >>> AnswerColumn("prob_a", np.array([0.1, np.nan], np.float32), "number").python_values()
        [0.1, None]
        """
        values = self.values
        listed = own_digits(values).tolist() if isinstance(values, np.ndarray) else list(values)
        return [None if isinstance(value, float) and value != value else value for value in listed]


@dataclass(frozen=True)
class AnswerColumns:
    """What is said about a batch: the new columns in their order.

    Args:
        kept: positions in the batch of the rows that are written, increasing, int [m]; None writes all.
        facts: name -> small JSON that is kept beside the part until the end: sums about the input.
        scores: as from `Scorer.pack`, where rows have labels; kept in the same way, in a file of its own.
        uncertain: as from `find_candidates`: rows worth labelling; kept in the same way, in a file of its own.
    """

    columns: tuple[AnswerColumn, ...]
    kept: np.ndarray | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    scores: bytes | None = None
    uncertain: bytes | None = None

    def __iter__(self) -> Iterator[AnswerColumn]:
        return iter(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class AnswerChoice:
    """What the new columns say.

    Args:
        top_k: how many labels with their probabilities; None for all of them by name.
        abstain_below: no prediction where the model is less sure; None to answer always.
        prefix: before the name of each new column.
        nested: whether probabilities are one object per row, as in JSON.
        has_errors: whether rows without an answer stay, with the reason in a column `error`.
        explains: whether a column `explanation` follows.
    """

    top_k: int | None = None
    abstain_below: float | None = None
    prefix: str = ""
    nested: bool = False
    has_errors: bool = False
    explains: bool = False

    def check(self, task: LabelSpace) -> None:
        """Raise a UsageError if the task has no probabilities, and the choice needs them."""
        check_probabilities(task, top_k=self.top_k, abstain_below=self.abstain_below)

    def names(self, task: LabelSpace) -> tuple[str, ...]:
        """The new columns in their order, known before the first row is predicted."""
        empty = np.zeros((0, task.num_labels), dtype=np.float32)
        decided = Decided(task, task.decide(empty), task.probabilities(empty), np.zeros(0), np.zeros(0, dtype=bool))
        return tuple(column.name for column in self.columns(decided, np.zeros(0, dtype=np.int64), {}, np.zeros(0), 0))

    def columns(
        self, decided: Decided, answered: np.ndarray, errors: Mapping[int, str], truncated: np.ndarray, count: int,
        explanations: Sequence[Any] = (),
    ) -> list[AnswerColumn]:  # fmt: skip
        """The columns of a batch of `count` rows; a row without an answer has none of the values.

        Args:
            decided: for the rows `answered`, positions int64 [a].
            errors: position -> why a row has no answer.
            truncated: bool [a]. explanations: JSON values [a], where they are wanted.
        """
        columns = [self.prediction(decided, answered, count), *self.probabilities(decided, answered, count)]
        if self.abstain_below is not None and decided.confidences is not None:
            columns.append(number(f"{self.prefix}confidence", spread(decided.confidences, answered, count)))
        columns.append(
            AnswerColumn(f"{self.prefix}truncated", spread_list(truncated.tolist(), answered, count), "flag")
        )
        if self.has_errors:
            columns.append(AnswerColumn(f"{self.prefix}error", [errors.get(row) for row in range(count)]))
        if self.explains:
            columns.append(
                AnswerColumn(f"{self.prefix}explanation", spread_list(explanations, answered, count), "object")
            )
        return columns

    def prediction(self, decided: Decided, answered: np.ndarray, count: int) -> AnswerColumn:
        name, task = f"{self.prefix}prediction", decided.task
        values = spread_list(decided.labels, answered, count)
        if decided.probabilities is None:
            return AnswerColumn(name, values, "number", pa.float64(), digits=None)
        if task.items_per_row > 1:
            listed = [None if value is None else list(value) for value in values]
            return AnswerColumn(name, listed, "object", pa.list_(pa.string()))
        return AnswerColumn(name, values)

    def probabilities(self, decided: Decided, answered: np.ndarray, count: int) -> list[AnswerColumn]:
        if decided.probabilities is None:
            return []
        names, chances = decided.task.names, decided.probabilities.astype(np.float32)
        if self.top_k is None and not self.nested:
            by_name = zip(names, chances.T, strict=True)
            return [number(f"{self.prefix}prob_{name}", spread(values, answered, count)) for name, values in by_name]
        if self.top_k is None:
            objects = [dict(zip(names, own_digits(row).tolist(), strict=True)) for row in chances]
            return [AnswerColumn(f"{self.prefix}probabilities", spread_list(objects, answered, count), "object")]
        k = min(self.top_k, len(names))
        order = np.argsort(-decided.probabilities, axis=1, kind="stable")[:, :k]
        best = np.take_along_axis(chances, order, axis=1)
        if self.nested:
            rows = zip(order, own_digits(best).tolist(), strict=True)
            lists = [
                [{"label": names[i], "probability": chance} for i, chance in zip(ids, values, strict=True)]
                for ids, values in rows
            ]
            return [AnswerColumn(f"{self.prefix}probabilities", spread_list(lists, answered, count), "object")]
        columns = []
        for place in range(k):
            labels = spread_list([names[i] for i in order[:, place]], answered, count)
            columns.append(AnswerColumn(f"{self.prefix}label_{place + 1}", labels))
            columns.append(number(f"{self.prefix}prob_{place + 1}", spread(best[:, place], answered, count)))
        return columns


def number(name: str, values: np.ndarray) -> AnswerColumn:
    return AnswerColumn(name, values.astype(np.float32), "number")


def spread(values: np.ndarray, answered: np.ndarray, count: int) -> np.ndarray:
    """Values of the rows `answered` at their places among all rows, NaN elsewhere, float64 [count]."""
    result = np.full(count, np.nan)
    result[answered] = values
    return result


def spread_list(values: Sequence[Any], answered: np.ndarray, count: int) -> list[Any]:
    """The same for any values, None elsewhere."""
    if len(answered) == count:
        return list(values)
    result: list[Any] = [None] * count
    for row, value in zip(answered.tolist(), values, strict=True):
        result[row] = value
    return result
