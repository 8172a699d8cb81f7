"""Batches of rows in, the same with answers out: the next one is read and encoded while the model computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from classification.data.sources.row_batches import RowBatch
from classification.inference.answer_columns import AnswerChoice, AnswerColumn
from classification.inference.answers import Decided, decide
from classification.inference.classifier import Classifier, Encoded, Outputs
from classification.inference.row_texts import RowTexts, TextColumns, bad_row

# n rows of a batch, a of them have an answer, C labels.

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class EncodedBatch:
    """A batch whose texts are token ids, for the rows `answered`, int64 [a]."""

    batch: RowBatch
    texts: RowTexts
    answered: np.ndarray
    encoded: Encoded


@dataclass(frozen=True)
class PredictedBatch:
    """A batch with its answers.

    Args:
        answered: positions of the rows that have an answer, int64 [a].
        outputs, decided, texts, pairs: of these rows, in their order.
        problems: position -> why the row has no answer.
        kept: positions of the rows that are written, None for all.
        columns: the new columns, for the rows that are written.
    """

    batch: RowBatch
    answered: np.ndarray
    outputs: Outputs
    decided: Decided
    texts: list[str]
    pairs: list[str] | None
    problems: Mapping[int, str]
    kept: np.ndarray | None
    columns: tuple[AnswerColumn, ...]


@dataclass(frozen=True)
class Predictor:
    """A classifier for the rows of one input.

    Args:
        place: how errors name the input. columns: all of its columns.
        on_bad_row: `error`, `keep` or `drop`.
    """

    classifier: Classifier
    place: str
    columns: Sequence[str]
    text: TextColumns
    choice: AnswerChoice
    on_bad_row: str = "error"

    def predict(
        self, batches: Iterable[RowBatch], done: Callable[[int], None] | None = None
    ) -> Iterator[PredictedBatch]:
        """Every batch with its answers, in order.

        Args:
            done: is told how many rows more are computed.

        Raises:
            UsageError: a row without an answer where `on_bad_row` is `error`; the batches before it are complete.
            RunError: one text does not fit into memory.
        """
        for encoded in ahead(batches, self.encode):
            yield self.answer(encoded, done)

    def encode(self, batch: RowBatch) -> EncodedBatch:
        """Read and encode the texts of a batch; runs in a thread beside the model."""
        texts = self.text.read(batch, self.columns)
        self.refuse(batch, texts.problems)
        answered = np.array([row for row in range(len(batch)) if row not in texts.problems], dtype=np.int64)
        first = [texts.texts[row] for row in answered]
        second = None if texts.pairs is None else [texts.pairs[row] for row in answered]
        return EncodedBatch(batch, texts, answered, self.classifier.encode(first, second))

    def answer(self, encoded: EncodedBatch, done: Callable[[int], None] | None = None) -> PredictedBatch:
        """The answers of an encoded batch."""
        batch, answered = encoded.batch, encoded.answered
        if done and encoded.texts.problems:
            done(len(encoded.texts.problems))
        outputs = self.classifier.compute(encoded.encoded, None if self.choice.explains else done)
        finite = outputs.is_finite
        new = {int(answered[row]): outputs.problem(int(row)) for row in np.flatnonzero(~finite)}
        self.refuse(batch, new)
        answered, outputs = answered[finite], outputs.of(finite)
        problems = {**encoded.texts.problems, **new}
        decided = decide(outputs.logits, self.classifier.task, self.choice.abstain_below)
        texts = [encoded.texts.texts[row] for row in answered]
        pairs = None if encoded.texts.pairs is None else [encoded.texts.pairs[row] for row in answered]
        explanations = self.explain(texts, pairs, done) if self.choice.explains else []
        columns = self.choice.columns(decided, answered, problems, outputs.truncated, len(batch), explanations)
        kept = None
        if self.on_bad_row == "drop" and problems:
            kept = answered
            columns = [only(column, kept) for column in columns]
        return PredictedBatch(batch, answered, outputs, decided, texts, pairs, problems, kept, tuple(columns))

    def explain(
        self, texts: Sequence[str], pairs: Sequence[str] | None, done: Callable[[int], None] | None
    ) -> list[object]:
        """The explanation of each answer, as JSON."""
        from classification.inference.explanation import explain  # needs captum

        second: Sequence[str | None] = pairs or [None] * len(texts)
        explained: list[object] = []
        for text, pair in zip(texts, second, strict=True):
            explained.append(explain(self.explained, text, pair).as_json())
            if done:
                done(1)
        return explained

    @cached_property
    def explained(self) -> Classifier:
        """The classifier with a tokenizer of its own: a call changes settings of it, and the thread that encodes the
        next batch must not see them."""
        return replace(self.classifier, tokenizer=deepcopy(self.classifier.tokenizer))

    def refuse(self, batch: RowBatch, problems: Mapping[int, str]) -> None:
        """Raise a UsageError for the first problem, where bad rows are an error."""
        if self.on_bad_row == "error" and problems:
            raise bad_row(self.place, self.columns, batch, problems)


def only(column: AnswerColumn, rows: np.ndarray) -> AnswerColumn:
    """A column of the rows at these positions."""
    values = column.values
    some = values[rows] if isinstance(values, np.ndarray) else [values[row] for row in rows]
    return AnswerColumn(column.name, some, column.kind, column.type, column.digits)


def ahead(items: Iterable[Item], function: Callable[[Item], Result]) -> Iterator[Result]:
    """`map`, whose next result is made in a thread while the caller works with the present one.

    An error comes at its item: the results before it are given first.
    """
    iterator = iter(items)

    def step() -> tuple[Result] | None:
        for item in iterator:
            return (function(item),)
        return None

    with ThreadPoolExecutor(1, thread_name_prefix="encoding") as pool:
        pending = pool.submit(step)
        while (made := pending.result()) is not None:
            pending = pool.submit(step)
            yield made[0]
