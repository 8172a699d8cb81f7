"""Sums over the rows of a data set that do not grow with it: of train for data_statistics.json, of an input beside it.

Both are made here, so that their figures mean the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from classification.data.text_shapes import shape_of

# n rows that are added together.

COUNTED = ("characters", "words")
MEASURED = 1000  # rows of those added together whose texts are looked at
QUANTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)  # percent


@dataclass(frozen=True)
class TextSums:
    """Sums over rows. Shares are summed per row: every text counts the same, however long it is.

    Args:
        rows: with a readable text.
        unknown: sum of the shares of unknown tokens.
        full_lengths: rows per number of tokens in the text.
        measured: rows whose texts were looked at; the following sums are about them.
        tokens, characters, words: counts.
        scripts, languages: sums of the shares in `Shape`.
        answered: rows with a decision. classes: rows per label; empty for a task without labels.
    """

    rows: int = 0
    unknown: float = 0.0
    full_lengths: Mapping[int, int] = field(default_factory=dict)
    measured: int = 0
    tokens: int = 0
    characters: int = 0
    words: int = 0
    scripts: Mapping[str, float] = field(default_factory=dict)
    languages: Mapping[str, float] = field(default_factory=dict)
    answered: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls, texts: Sequence[str], pairs: Sequence[str] | None = None, *, full_lengths: Sequence[int] | np.ndarray,
        unknown: Sequence[float] | np.ndarray,
        classes: Mapping[str, int] | None = None, answered: int = 0,
    ) -> TextSums:  # fmt: skip
        """The sums of n rows.

        Args:
            full_lengths: tokens, [n]. unknown: shares of the tokens that were read, [n].
        """
        scripts, languages, counts = Counter[str](), Counter[str](), Counter[str]()
        chosen = spread_rows(len(texts), MEASURED)
        for row in chosen:
            text = texts[row] if pairs is None else f"{texts[row]}\n{pairs[row]}"
            shape = shape_of(text)
            scripts.update(shape.scripts)  # type: ignore[arg-type]  # a Counter can hold shares
            languages.update(shape.languages)  # type: ignore[arg-type]
            looked_at = shape.characters / max(len(text), 1)
            counts["tokens"] += round(int(full_lengths[row]) * looked_at)
            for name in COUNTED:
                counts[name] += getattr(shape, name)
        return cls(
            rows=len(texts), unknown=float(np.sum(unknown, dtype=np.float64)),
            full_lengths=count_lengths(full_lengths), measured=len(chosen),
            tokens=counts["tokens"], characters=counts["characters"], words=counts["words"],
            scripts=dict(scripts), languages=dict(languages), answered=answered,
            classes=dict(classes or {}),
        )  # fmt: skip

    def __add__(self, other: TextSums) -> TextSums:
        return TextSums(**{name: added(getattr(self, name), getattr(other, name)) for name in NAMES})

    def as_dict(self) -> dict[str, Any]:
        """As JSON can hold it; `from_dict` reads it."""
        return {name: dict(value) if isinstance(value := getattr(self, name), Mapping) else value for name in NAMES}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> TextSums:
        """What `as_dict` gave, also after JSON has made texts of its keys; other sums are of an older version."""
        values = {name: content[name] for name in NAMES}
        values["full_lengths"] = {int(length): count for length, count in content["full_lengths"].items()}
        return cls(**values)

    def shares(self, name: str) -> dict[str, float]:
        """The mean shares of `scripts` or `languages`, or the share of rows that got each of `classes`."""
        rows = self.answered if name == "classes" else self.measured
        return {key: value / rows for key, value in getattr(self, name).items()} if rows else {}


NAMES = tuple(each.name for each in fields(TextSums))


def added(one: Any, other: Any) -> Any:
    """The sum of two numbers, or of two mappings key by key."""
    if not isinstance(one, Mapping):
        return one + other
    return {key: one.get(key, 0) + other.get(key, 0) for key in {**one, **other}}


def total(parts: Iterable[TextSums]) -> TextSums:
    """The sums over the rows of all parts."""
    return sum(parts, TextSums())


def spread_rows(rows: int, most: int) -> Sequence[int]:
    """At most `most` row numbers, evenly spread; the same ones every time."""
    return range(rows) if rows <= most else [row * rows // most for row in range(most)]


def count_lengths(lengths: Sequence[int] | np.ndarray) -> dict[int, int]:
    """Rows per length. Above 1,000 a length keeps three digits, so that there are few different ones."""
    values = np.asarray(lengths, dtype=np.int64)
    digits = 10 ** np.maximum(np.floor(np.log10(np.maximum(values, 1))).astype(np.int64) - 2, 0)
    kept, counts = np.unique(values // digits * digits, return_counts=True)
    return dict(zip(kept.tolist(), counts.tolist(), strict=True))


def quantiles_of(lengths: Mapping[int, int]) -> dict[str, int]:
    """The quantiles of counted lengths by percent; empty without rows."""
    values = sorted(lengths)
    if not values:
        return {}
    ranks = np.cumsum([lengths[value] for value in values])
    places = np.searchsorted(ranks, np.array(QUANTILES) / 100 * ranks[-1])
    return {f"{percent}%": values[place] for percent, place in zip(QUANTILES, places.tolist(), strict=True)}
