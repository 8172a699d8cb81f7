"""The texts of masked-language-model training: read from files, without labels, without repeats and texts of test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from datasets import Dataset, concatenate_datasets

from classification.data.arrow_columns import filter_rows
from classification.data.bad_rows import BadRows
from classification.data.column_names import Columns
from classification.data.corpus import TextKeys, batched_texts, pair_key, text_columns
from classification.data.findings import quantity
from classification.data.quality.group_numbers import digest
from classification.data.seeded_order import seeded_rows
from classification.data.sources.readers import read_file
from classification.data.splitting import num_validation_rows
from classification.data.texts_of_file import texts_of_file
from classification.errors import UsageError
from classification.messages.log import Line, warning
from classification.training.unlabelled_texts import text_hash

TEST, VALIDATION, TRAIN = "test", "validation", "train"
ORDER = (TEST, VALIDATION, TRAIN)  # a text that is in two of them stays in the first
LONGEST_AUTO = 1000  # texts of validation by `auto`: more cost time and tell no more


@dataclass(frozen=True)
class TextChoices:
    """Which texts are read.

    Args:
        files: split -> its files; validation and test may be missing.
        columns: those of the texts, as the user named them.
        on_bad_row: `error` or `drop`.
        fraction: of the texts that become validation where no file is given; None for `auto`, 5% as for a classifier,
            but at most 1,000. has_validation: False for none.
        limits: split -> most texts, by a seeded draw; None for all.
        seed: of the draws.
    """

    files: Mapping[str, tuple[str, ...]]
    columns: Columns
    on_bad_row: str = "error"
    fraction: float | None = None
    has_validation: bool = True
    limits: Mapping[str, int | None] = field(default_factory=dict)
    seed: int = 42
    cache_dir: str | None = None


@dataclass(frozen=True)
class PretrainingTexts:
    """The texts of train and validation (None without one), columns `id, text, text_pair?`.

    Args:
        dropped: (split, the split that has the text too, `exact` or `normalised`) -> number of texts.
        drawn_from: texts of each split before `--max_*_samples`.
    """

    train: Dataset
    validation: Dataset | None
    has_test: bool
    dropped: Mapping[tuple[str, str, str], int]
    drawn_from: Mapping[str, int]
    method: str

    @property
    def test_texts(self) -> int:
        """How many texts were left out because test has them."""
        return sum(count for (_, other, _), count in self.dropped.items() if other == TEST)

    @property
    def repeats(self) -> int:
        """How many texts were left out because an earlier text is the same."""
        return sum(self.dropped.values()) - self.test_texts

    def summary(self) -> list[Line]:
        """The number of texts, and what was left out."""
        lines = []
        for split, data in ((TRAIN, self.train), (VALIDATION, self.validation)):
            if data is not None:
                drawn = f" drawn from {self.drawn_from[split]}" if len(data) < self.drawn_from[split] else ""
                method = f" ({self.method})" if split == VALIDATION else ""
                lines.append(Line("texts", f"{split:<10} {len(data):7d}{drawn}{method}"))
        if self.has_test:
            exact = sum(count for (_, other, kind), count in self.dropped.items() if (other, kind) == (TEST, "exact"))
            found = f"{exact} byte for byte, {self.test_texts - exact} more apart from case, spaces, commas, quotation"
            of_test = f"{quantity(self.test_texts, 'text')} of test: {found} marks or markup"
            lines.append(Line("left out", of_test if self.test_texts else "nothing: no text of test is in the others"))
        else:
            lines.append(warning("no --test_file: texts of test cannot be left out. Give it, if there is one"))
        if self.repeats:
            lines.append(Line("left out", f"{quantity(self.repeats, 'text')} that repeat an earlier one"))
        return lines

    def facts(self) -> dict[str, object]:
        """For the record of the run."""
        return {
            "train": len(self.train),
            "validation": 0 if self.validation is None else len(self.validation),
            "left_out_of_test": self.test_texts,
            "left_out_repeats": self.repeats,
            "test_given": self.has_test,
        }


def load_texts(choices: TextChoices) -> PretrainingTexts:
    """Read, drop texts of test and repeats, split off validation, draw samples; in this order. No label is read.

    Raises:
        UsageError: a file or column cannot be read, texts are blank, or no text is left.
    """
    splits = {split: read_texts_of(choices, split) for split in ORDER if choices.files.get(split)}
    splits, dropped = drop_known(splits)
    has_test = splits.pop(TEST, None) is not None
    for split, data in splits.items():
        if not len(data):
            raise UsageError(
                f"--{split}_file {','.join(choices.files[split])}: every text of it is in "
                f"{'test' if split == VALIDATION else 'test or validation'} too, so that none is left. Give other "
                "texts."
            )
    method = "given" if VALIDATION in splits else "a seeded draw"
    if choices.has_validation and VALIDATION not in splits:
        splits = split_off(splits[TRAIN], choices)
    elif not choices.has_validation:
        splits.pop(VALIDATION, None)
    drawn_from = {split: len(data) for split, data in splits.items()}
    splits = {split: draw(data, choices.limits.get(split), choices.seed) for split, data in splits.items()}
    return PretrainingTexts(splits[TRAIN], splits.get(VALIDATION), has_test, dropped, drawn_from, method)


def read_texts_of(choices: TextChoices, split: str) -> Dataset:
    """The texts of all files of a split, `id, text, text_pair?`; each file may have columns of its own."""
    parts = []
    for number, path in enumerate(choices.files[split]):
        data = read_file(path, flag=f"--{split}_file", cache_dir=choices.cache_dir)
        part = split if len(choices.files[split]) == 1 else f"{split}-file-{number + 1}"
        parts.append(texts_of_file(data, choices.columns, part, BadRows(choices.on_bad_row)))
    if len({tuple(text_columns(part)) for part in parts}) > 1:
        raise UsageError(
            f"--{split}_file {','.join(choices.files[split])}: some files have pairs and others single texts. Name the "
            "columns (--text_column_names), or join a pair with --text_column_delimiter ' '."
        )
    return parts[0] if len(parts) == 1 else concatenate_datasets(parts)


def drop_known(splits: Mapping[str, Dataset]) -> tuple[dict[str, Dataset], dict[tuple[str, str, str], int]]:
    """The splits without the texts that an earlier split, or an earlier row of the same, has; test stays whole.

    Texts are compared by `text_hash`.

    Returns:
        The splits, and `dropped` as in `PretrainingTexts`.
    """
    seen: dict[bytes, str] = {}
    exact: set[tuple[str, bytes]] = set()
    dropped: Counter[tuple[str, str, str]] = Counter()
    kept = {}
    for split, data in splits.items():
        is_new = np.ones(len(data), dtype=bool)
        for row, texts in enumerate(batched_texts(data)):
            key, bytes_key = text_hash(*texts), digest(pair_key(*texts))
            is_new[row] = split == TEST or key not in seen
            if not is_new[row]:
                dropped[split, seen[key], "exact" if (seen[key], bytes_key) in exact else "normalised"] += 1
                continue
            seen.setdefault(key, split)
            exact.add((split, bytes_key))
        kept[split] = data if is_new.all() else filter_rows(data, is_new)
    return kept, dict(dropped)


def split_off(train: Dataset, choices: TextChoices) -> dict[str, Dataset]:
    """Train and validation, by a seeded draw that does not depend on the order of the texts.

    Raises:
        UsageError: there is only one text.
    """
    if len(train) < 2:
        raise UsageError(
            f"--train_file {','.join(choices.files[TRAIN])}: has one text only, and a part of the texts is needed for "
            "validation. Give more texts, a --validation_file, or pass --eval_strategy no."
        )
    count = num_validation_rows(len(train), choices.fraction)
    count = min(count if choices.fraction is not None else min(count, LONGEST_AUTO), len(train) - 1)
    order = seeded_rows(TextKeys(train), choices.seed)
    return {TRAIN: train.select(sorted(order[count:])), VALIDATION: train.select(sorted(order[:count]))}


def draw(data: Dataset, limit: int | None, seed: int) -> Dataset:
    """At most `limit` texts, by a seeded draw, in the order of the file."""
    if limit is None or limit >= len(data):
        return data
    return data.select(sorted(seeded_rows(TextKeys(data), seed)[:limit]))
