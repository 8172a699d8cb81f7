"""What the data checks share: the splits, the task, and results that several checks need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from datasets import Dataset, DatasetDict
from scipy import sparse

from classification.data.corpus import TextKeys, text_columns
from classification.data.findings import Finding, example_of
from classification.data.labels import LabelSpace
from classification.data.quality.duplicates import Repeats
from classification.data.quality.row_sample import RowSample
from classification.data.words import Words

# N rows of train, C labels.

MAX_CELLS = 4_000_000  # of a block of indicators


@dataclass(frozen=True)
class Inspected:
    """The rows that a run reads.

    Args:
        splits: `id, text, text_pair?, label?` with encoded labels; train is the first, then validation and test.
        split_off: whether validation was split off train: then its repeats and leaks count as train's.
        has_imbalance_flag: whether a flag against imbalance was given.
        check_rows: rows of each split whose words are read, by a draw with `seed`; None for all.
    """

    splits: DatasetDict
    task: LabelSpace
    split_off: bool = False
    has_imbalance_flag: bool = False
    check_rows: int | None = None
    seed: int = 0

    @property
    def train(self) -> Dataset:
        return self.splits["train"]

    @cached_property
    def rows(self) -> AllRows:
        return AllRows(self.splits)

    @cached_property
    def repeats(self) -> Repeats:
        """The repeats between the splits that training uses."""
        return Repeats.find(self.splits, self.sample)

    @cached_property
    def repeats_as_given(self) -> Repeats:
        """The repeats between the splits of the source."""
        return self.repeats.with_validation_in_train() if self.split_off else self.repeats

    @cached_property
    def train_labels(self) -> list:
        return self.train["label"][:]

    @cached_property
    def sample(self) -> RowSample:
        """The rows whose words are read."""
        return RowSample.draw(self.splits, self.check_rows, self.seed)

    @cached_property
    def train_words(self) -> Words:
        """The words of the sampled rows of train."""
        data = self.train.select(self.sample.rows["train"])
        return Words.from_texts(TextKeys(data))

    @cached_property
    def indicators(self) -> sparse.csr_array:
        """`LabelSpace.indicators` of train as a sparse array, float64 [N, C]: thousands of labels fit in memory."""
        labels, size = self.train_labels, max(1, MAX_CELLS // self.task.num_labels)
        starts = range(0, len(labels), size)
        blocks = (self.task.indicators(np.array(labels[start : start + size])) for start in starts)
        return sparse.csr_array(sparse.vstack([sparse.csr_array(block) for block in blocks]))

    def rows_with(self, name: str) -> list[int]:
        """The rows of train that have a label."""
        return self.indicators[:, [self.task.label2id[name]]].nonzero()[0].tolist()


Check = Callable[[Inspected], list[Finding]]


class AllRows:
    """The rows of all splits, concatenated in the order in which `Repeats` numbers them."""

    def __init__(self, splits: DatasetDict):
        self.splits = list(splits.values())
        self.starts = np.concatenate([[0], np.cumsum([len(data) for data in self.splits])])

    def values(self, column: str, rows: Sequence[int] | np.ndarray) -> list:
        """The values of a column in some rows, in their order."""
        numbers = np.asarray(rows, dtype=np.int64)
        values = np.empty(len(numbers), dtype=object)
        for start, data in zip(self.starts[:-1].tolist(), self.splits, strict=True):
            places = np.flatnonzero((numbers >= start) & (numbers < start + len(data)))
            if len(places):
                found = data.select(numbers[places] - start)[column][:]
                values[places] = np.fromiter(found, dtype=object, count=len(found))
        return values.tolist()

    def ids_of(self, rows: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        return tuple(self.values("id", rows))

    def example(self, rows: Sequence[int]) -> str:
        """The ids of equal rows and the beginning of their text."""
        texts = (self.values(column, rows[:1])[0] for column in text_columns(self.splits[0]))
        return example_of(" = ".join(self.ids_of(rows)), *texts)
