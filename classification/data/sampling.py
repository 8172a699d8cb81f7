"""A seeded draw of rows in which each class keeps its share (`--max_train_samples` and so on)."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from datasets import Dataset

from classification.data.corpus import TextKeys
from classification.data.seeded_order import draw_in_order, seeded_rows

logger = logging.getLogger(__name__)

FLAGS = {"train": "max_train_samples", "validation": "max_eval_samples", "test": "max_predict_samples"}


def draw_sample(data: Dataset, limit: int, split: str, seed: int) -> list[int]:
    """The rows of a stratified draw, in the order of the file; what it cannot keep is logged.

    Every class (or label) keeps a row where the limit allows it. Rows are drawn at random, not by share, where nearly
    every row has its own number or combination of labels.
    """
    labels = data["label"][:] if "label" in data.column_names else [None] * len(data)
    texts = [str(label) for label in labels]
    classes = texts
    has_classes = any(isinstance(label, int) for label in labels)
    flag = f"--{FLAGS[split]} {limit}"
    if not has_classes and len(set(classes)) > len(data) / 2:
        logger.info("rows         %s: drawn at random, because most rows of %s have labels of their own", flag, split)
        classes = [""] * len(data)
    order = seeded_rows(TextKeys(data), seed)
    chosen = draw_in_order(order, classes, limit)
    known: dict[str, tuple[int, ...]] = {}
    names = [known.setdefault(text, labels_of(label)) for text, label in zip(texts, labels, strict=True)]
    num_labels = len({name for row in names for name in row})
    if num_labels > limit:
        kept = len({name for row in chosen for name in names[row]})
        logger.warning("%s: %d of the %d labels of %s have no row in the draw. Raise it to %d or more",
                       flag, num_labels - kept, num_labels, split, num_labels)  # fmt: skip
    else:
        chosen = add_missing(chosen, order, names)
    return sorted(chosen)


def labels_of(label: Any) -> tuple[int, ...]:
    """The ids of the classes of a row: none for a number or a missing label."""
    if isinstance(label, list):
        return tuple(i for i, is_given in enumerate(label) if is_given)
    return (label,) if isinstance(label, int) else ()


def add_missing(chosen: Sequence[int], order: Sequence[int], names: Sequence[tuple[int, ...]]) -> list[int]:
    """The draw with one row for each label that it lacks, in exchange for rows whose labels have most rows in it.

    Args:
        order: all rows in seeded order; names: the labels of each row.
    """
    counts = Counter(name for row in chosen for name in names[row])
    if not set(chain.from_iterable(names)) - counts.keys():
        return list(chosen)
    rows = list(chosen)
    added: set[int] = set()
    for row in order:
        if all(counts[name] for name in names[row]):
            continue
        spare = [i for i, other in enumerate(rows) if other not in added and all(counts[n] > 1 for n in names[other])]
        if not spare:
            break
        place = max(spare, key=lambda i: (min((counts[name] for name in names[rows[i]]), default=len(rows)), i))
        counts -= Counter(names[rows[place]])
        counts += Counter(names[row])
        rows[place] = row
        added.add(row)
    return rows
