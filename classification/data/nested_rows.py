"""Subsets of train of any size, each inside the larger ones, in which every class keeps its share."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from datasets import Dataset

from classification.data.corpus import TextKeys
from classification.data.sampling import labels_of
from classification.data.seeded_order import seeded_rows

# N rows.


@dataclass(frozen=True)
class NestedRows:
    """The rows of a split in the order in which subsets take them.

    A draw of `--max_train_samples` rounds the share of each class by largest remainder: a smaller draw need not be part
    of a larger one. Here each row has one place, and a subset is the first rows.

    Args:
        order: row numbers, int [N].
        fewest: rows of the smallest subset in which each label has a row.
    """

    order: tuple[int, ...]
    fewest: int

    @classmethod
    def of(cls, data: Dataset, seed: int) -> NestedRows:
        """First a row for each label, then the rows of each class evenly apart, each class by its seeded hash.

        Rows with the same text and label are neighbours. The order in the file changes nothing but ties.
        """
        labels = data["label"][:] if "label" in data.column_names else [None] * len(data)
        classes = [str(label) for label in labels]
        if not any(isinstance(label, int) for label in labels) and len(set(classes)) > len(data) / 2:
            classes = [""] * len(data)  # numbers, or nearly a combination of labels per row
        order = seeded_rows(TextKeys(data), seed)
        first, known = [], set[int]()
        for row in order:
            if not known.issuperset(names := labels_of(labels[row])):
                known.update(names)
                first.append(row)
        sizes, taken, place = Counter(classes), Counter[str](), dict[int, float]()
        for row in order:
            place[row] = (taken[classes[row]] + 0.5) / sizes[classes[row]]
            taken[classes[row]] += 1
        chosen = set(first)
        rest = sorted((row for row in order if row not in chosen), key=place.__getitem__)
        return cls((*first, *rest), len(first))

    def take(self, num_rows: int) -> list[int]:
        """The subset of this many rows, in the order of the file."""
        return sorted(self.order[:num_rows])
