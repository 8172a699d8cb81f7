"""What the data checks share: the splits, the task, and results that several checks need."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from datasets import Dataset, DatasetDict
from scipy import sparse

from classification.data.corpus import text_keys
from classification.data.findings import Finding, beginning
from classification.data.labels import LabelSpace
from classification.data.quality.duplicates import Repeats, labels_of
from classification.data.quality.words import Words

# N rows of train, C labels.

MAX_CELLS = 4_000_000  # of a block of indicators


@dataclass(frozen=True)
class Inspected:
    """The rows that a run reads.

    Args:
        splits: `id, text, text_pair?, label?` with encoded labels; train is the first, then validation and test.
        split_off: whether validation was split off train: then its repeats and leaks count as train's.
        has_imbalance_flag: whether a flag against imbalance was given.
    """

    splits: DatasetDict
    task: LabelSpace
    split_off: bool = False
    has_imbalance_flag: bool = False

    @property
    def train(self) -> Dataset:
        return self.splits["train"]

    @cached_property
    def rows(self) -> AllRows:
        return AllRows(self.splits)

    @cached_property
    def repeats(self) -> Repeats:
        """The repeats between the splits that training uses."""
        return Repeats.find(self.splits)

    @cached_property
    def repeats_as_given(self) -> Repeats:
        """The repeats between the splits of the source."""
        return self.repeats.with_validation_in_train() if self.split_off else self.repeats

    @cached_property
    def train_labels(self) -> list:
        return self.train["label"][:]

    @cached_property
    def train_words(self) -> Words:
        return Words.from_texts(text_keys(self.train))

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
        self.ids = [row_id for data in splits.values() for row_id in data["id"]]
        self.texts = [text for data in splits.values() for text in data["text"]]
        paired = [data for data in splits.values() if "text_pair" in data.column_names]
        self.pairs = [pair for data in paired for pair in data["text_pair"]]
        self.labels = [label for data in splits.values() for label in labels_of(data)]

    def ids_of(self, rows: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        return tuple(self.ids[row] for row in rows)

    def example(self, rows: Sequence[int]) -> str:
        """The ids of equal rows and the beginning of their text."""
        pair = f" / {beginning(self.pairs[rows[0]])}" if self.pairs else ""
        return f"{' = '.join(self.ids_of(rows))}: {beginning(self.texts[rows[0]])}{pair}"
