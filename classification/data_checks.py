"""What is looked at before every training: repeats, leaks, contradictions, order, classes, shortcuts, markup.

Each check is a function of the splits that returns findings; a clean data set has none. Everything is linear in the
rows, and a word is looked at once: 50,000 IMDB reviews take seconds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from datasets import Dataset, DatasetDict

from classification.duplicates import Repeats
from classification.errors import some
from classification.findings import NOTE, WARNING, Finding
from classification.labels import LabelSpace
from classification.leaks import AllRows, conflicting_labels, repeats_across, repeats_inside
from classification.splits import text_keys
from classification.words import ENTITY, TAG, Words

# N rows, C columns of labels.

FEW_MEMBERS = 8
IMBALANCED = 0.8
PREDICTS = 0.9  # correlation of a word's presence with a label
FEWEST_ROWS = 10  # with the word and without it: below, one of many words does so by luck
SHOWN_TAG = 20  # characters


def check_rows(splits: DatasetDict, labels: LabelSpace, *, made: bool, remedied: bool) -> tuple[list[Finding], Repeats]:
    """All findings about the rows that a run reads, and which of them repeat each other.

    Args:
        splits: `id, text, text_pair?, label?`, labels encoded; train is the first, then validation and test.
        made: whether validation was split off train: its repeats and leaks are then train's, as in the data.
        remedied: whether something was asked for against imbalance.
    """
    words = Words.of([text for data in splits.values() for text in text_keys(data)])
    rows, repeats = AllRows(splits), Repeats.find(splits, words)
    as_given = repeats.with_made_validation_in_train() if made else repeats
    findings = [
        *repeats_inside(as_given, rows),
        *repeats_across(as_given, rows),
        *(repeats_across(repeats, rows, ("train", "validation")) if made else []),
        *conflicting_labels(as_given, rows, labels),
        *check_spellings(splits, labels),
        *check_classes(splits, labels, remedied=remedied),
        *check_words(splits["train"], words.of_rows(np.arange(len(splits["train"]))), labels),
        *check_markup(splits),
    ]
    return findings, repeats


# ------------------------------------------------------------------------------------------------------------- labels


def check_order(splits: DatasetDict, labels: LabelSpace, *, tail: bool) -> list[Finding]:
    """Splits that are sorted by label (of numbers, by whether they are above the mean), or come in blocks of one: the
    label changes from row to row far less often than chance has it (more than four deviations).

    Args:
        splits: rows as they stand in the data.
        tail: whether validation is the last rows as they stand.
    """
    findings = []
    for split, data in splits.items():
        if "label" not in data.column_names:
            continue
        given = [label > 0 if labels.is_regression else str(label) for label in data["label"] if label is not None]
        shares = np.array(list(Counter(given).values())) / len(given)
        by_chance = (len(given) - 1) * (1 - (shares**2).sum())
        changes = [row for row in range(1, len(given)) if given[row] != given[row - 1]]
        if by_chance - len(changes) <= 4 * np.sqrt(by_chance):
            continue
        what = f"comes in blocks of one label (it changes {len(changes)} times in {len(given)} rows, by chance "
        what = "is sorted by label" if len(changes) == len(shares) - 1 else f"{what}{by_chance:.0f})"
        findings.append(
            Finding(
                "sorted_labels",
                WARNING if tail and split == "train" else NOTE,
                split,
                len(changes),
                f"{split} {what}",
                "its first or last rows, as train[95%:] takes them, are of few classes"
                + ("" if tail else "; here rows are shuffled and validation is stratified"),
                "Leave out --validation_strategy tail" if tail else "",
                tuple(data[row]["id"] for row in changes[:3]),
            )
        )
    return findings


def check_spellings(splits: DatasetDict, labels: LabelSpace) -> list[Finding]:
    """Labels that differ by case, spaces, hyphens or underscores only."""
    alike: dict[str, list[str]] = defaultdict(list)
    for name in () if labels.is_regression else labels.names:
        alike["".join(name.casefold().replace("_", " ").replace("-", " ").split())].append(name)
    findings = []
    for names in (names for names in alike.values() if len(names) > 1):
        per_name = {name: rows_with(splits["train"], labels, name) for name in names}
        rarer = sorted(names, key=lambda name: len(per_name[name]))[:-1]
        rows = [row for name in rarer for row in per_name[name]]
        findings.append(
            Finding(
                "label_spellings",
                WARNING,
                "train",
                len(rows),
                "labels that differ by case or spaces only: "
                + some(f"{name!r} ({len(found)} rows)" for name, found in per_name.items()),
                "they are trained as classes of their own",
                "Write them one way",
                rows_to_ids(splits["train"], rows),
            )
        )
    return findings


def rows_with(data: Dataset, labels: LabelSpace, name: str) -> list[int]:
    """The rows that have a label."""
    column = indicators(data["label"][:], labels)[:, labels.names.index(name)]
    return np.flatnonzero(column).tolist()


def rows_to_ids(data: Dataset, rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(data.select(rows)["id"])


def indicators(label_ids: Sequence, labels: LabelSpace) -> np.ndarray:
    """What each label is of each row, float64 [N, C]: 1 or 0, or the number itself for regression."""
    values = np.asarray(label_ids, dtype=np.float64)
    if labels.is_regression:
        return values[:, None]
    return values if labels.is_multi_label else np.eye(labels.num_labels)[values.astype(np.int64)]


def check_classes(splits: DatasetDict, labels: LabelSpace, *, remedied: bool) -> list[Finding]:
    """Classes that a split lacks or has few rows of, and one with more than 80% of the training rows."""
    if labels.is_regression:
        return []
    findings = []
    counts = {
        split: indicators([label for label in data["label"] if label is not None], labels).sum(axis=0)
        for split, data in splits.items()
        if "label" in data.column_names
    }
    train = dict(zip(labels.names, counts["train"].astype(int).tolist(), strict=True))
    absent = [name for name, count in train.items() if not count]
    small = [f"{name} ({count})" for name, count in train.items() if 0 < count < FEW_MEMBERS]
    if absent:
        findings.append(
            Finding("missing_class", WARNING, "train", len(absent), f"no training rows of class {some(absent)}",
                    "it cannot be learned", "Remove it or add rows", examples=tuple(absent))
        )  # fmt: skip
    if small:
        findings.append(
            Finding("few_rows", WARNING, "train", len(small), f"few training rows of class {some(small)}",
                    "expect little of them", "Add rows or merge classes", examples=tuple(small))
        )  # fmt: skip
    findings += [finding for split in counts for finding in check_presence(split, counts, labels)]
    majority, size = max(train, key=train.get), len(splits["train"])
    if train[majority] > IMBALANCED * size and not (labels.is_multi_label or remedied):
        findings.append(
            Finding(
                "imbalance", WARNING, "train", train[majority],
                f"{100 * train[majority] / size:.0f}% of the training rows are {majority}",
                "accuracy says little here: look at balanced_accuracy, f1_macro and average_precision",
                "--class_weights balanced, --sampler balanced or --loss focal may help the rest",
            )
        )  # fmt: skip
    return findings


def check_presence(split: str, counts: dict[str, np.ndarray], labels: LabelSpace) -> list[Finding]:
    """A validation or test split without rows of a class that train has."""
    here, train = counts[split], counts["train"]
    lacking = [name for name, lacks in zip(labels.names, (here == 0) & (train > 0), strict=True) if lacks]
    if split == "train" or not lacking or not here.sum():
        return []
    present = labels.num_labels - len(lacking)
    one = f"{split} holds one class only" if present == 1 and not labels.is_multi_label else ""
    return [
        Finding(
            "one_class" if one else "missing_class", WARNING if one else NOTE, split, len(lacking),
            one or f"{split} has no rows of class {some(lacking)}", "its figures say nothing of the others"
            if one else "its figures say nothing of it", "Add rows, or take another split", examples=tuple(lacking),
        )
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- texts


def check_words(train: Dataset, words: Words, labels: LabelSpace) -> list[Finding]:
    """Single words whose presence says the label almost perfectly: their correlation with it is at least 0.9."""
    targets, size = indicators(train["label"][:], labels), len(words.vocabulary)
    present = np.unique(words.rows * size + words.ids)  # a word counts once a text
    rows, ids = present // size, present % size
    having = np.bincount(ids, minlength=size)  # texts that have the word
    usual = np.minimum(having, len(train) - having) >= FEWEST_ROWS
    share = having / len(train)
    findings = []
    both_say_the_same = labels.num_labels == 2 and not labels.is_multi_label
    for name, column in list(zip(labels.names, targets.T, strict=True))[both_say_the_same:]:
        together = np.bincount(ids, weights=column[rows], minlength=size) / len(train)
        scale = np.sqrt(share * (1 - share)) * column.std()
        correlation = np.zeros(size)
        np.divide(together - share * column.mean(), scale, out=correlation, where=usual & (scale > 0))
        best = int(np.abs(correlation).argmax()) if size else 0
        if not size or abs(correlation[best]) < PREDICTS:
            continue
        word, holders = words.vocabulary[best], rows[ids == best]
        of = "the number" if labels.is_regression else name
        findings.append(
            Finding(
                "telltale_word", WARNING, "train", len(holders),
                f"the word {word!r}, in {len(holders)} rows of train, tells {of} almost perfectly (correlation "
                f"{correlation[best]:.2f})",
                "the model may learn this word and nothing else, and fail where it is not",
                "Ask whether the texts of later use have it; if not, remove it from the texts",
                rows_to_ids(train, holders.tolist()),
            )
        )  # fmt: skip
    return findings


def check_markup(splits: DatasetDict) -> list[Finding]:
    """Texts with HTML tags or entities left in them."""
    findings = []
    for split, data in splits.items():
        columns = [data[name] for name in ("text", "text_pair") if name in data.column_names]
        rows = sorted({row for texts in columns for row, text in enumerate(texts) if has_markup(text)})
        if not rows:
            continue
        seen = Counter(match for row in rows for texts in columns for match in found_markup(texts[row]))
        findings.append(
            Finding(
                "markup", NOTE, split, len(rows),
                f"{len(rows)} rows of {split} hold HTML ({some(seen, 3)})",
                "tags take up tokens, and texts of later use may have none",
                "Replace it by a space, or by the character that it stands for",
                rows_to_ids(data, rows),
            )
        )  # fmt: skip
    return findings


def has_markup(text: str) -> bool:
    return ("<" in text and TAG.search(text) is not None) or ("&" in text and ENTITY.search(text) is not None)


def found_markup(text: str) -> list[str]:
    return [match.group()[:SHOWN_TAG] for pattern in (TAG, ENTITY) for match in pattern.finditer(text)]
