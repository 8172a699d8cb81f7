"""Which rows the checks read word by word: all, or a seeded draw where there are more than `--check_rows`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from datasets import DatasetDict

from classification.data.findings import NOTE, Finding


@dataclass(frozen=True)
class RowSample:
    """Rows of each split, ascending.

    Args:
        rows: split -> numbers of the rows that are read, int64.
        sizes: split -> number of all rows.
    """

    rows: Mapping[str, np.ndarray]
    sizes: Mapping[str, int]

    @classmethod
    def draw(cls, splits: DatasetDict, limit: int | None, seed: int) -> RowSample:
        """At most `limit` rows of each split, the same for the same seed; None for all rows."""
        rows = {}
        for place, (split, data) in enumerate(splits.items()):
            rows[split] = np.arange(len(data))
            if limit is not None and limit < len(data):
                random = np.random.default_rng([seed, place])
                rows[split] = np.sort(random.choice(len(data), limit, replace=False))
        return cls(rows, {split: len(data) for split, data in splits.items()})

    @property
    def sampled(self) -> list[str]:
        """The splits that are not read in full."""
        return [split for split, rows in self.rows.items() if len(rows) < self.sizes[split]]

    @property
    def is_empty(self) -> bool:
        """Whether no word is read (`--check_rows 0`)."""
        return not any(map(len, self.rows.values()))

    def findings(self, *, what: str) -> list[Finding]:
        """A note where not all rows were read.

        Args:
            what: the checks that read words.
        """
        if not self.sampled:
            return []
        largest = max(self.sizes[split] for split in self.sampled)
        counts = " and ".join(
            f"{len(self.rows[split])} of {self.sizes[split]} rows of {split}" for split in self.sampled
        )
        is_off = self.is_empty
        return [
            Finding(
                kind="sampled_checks",
                severity=NOTE,
                split=", ".join(self.sampled),
                count=sum(len(self.rows[split]) for split in self.sampled),
                what=f"{what} were not looked for" if is_off else f"{what} were looked for in {counts}",
                why="--check_rows 0 turns these checks off" if is_off else "--check_rows limits their time and memory",
                remedy=f"--check_rows {largest} reads all rows",
            )
        ]
