"""What is looked at before every training: repeats, leaks, contradictions, order, classes, shortcuts, markup.

Each check is a function of the splits that returns findings; a clean data set has none. Everything is linear in the
rows: 50,000 IMDB reviews take seconds.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from datasets import Dataset, DatasetDict
from scipy import sparse

from classification.data.findings import NOTE, WARNING, Finding, shown
from classification.data.labels import LabelSpace
from classification.data.quality.duplicate_findings import AllRows, conflicting_labels, repeats_across, repeats_inside
from classification.data.quality.duplicates import Repeats
from classification.data.quality.words import ENTITY, TAG, Words
from classification.data.splitting import text_columns, text_keys
from classification.errors import some

# N rows, C labels, V words.

FEW_MEMBERS = 8
IMBALANCED = 0.8
BY_CHANCE = 1e-4  # probability of an order of labels below which it is no accident
PREDICTS = 0.9  # correlation of a word's presence with a label
FEWEST_ROWS = 10  # with the word and without it: below, one of many words does so by luck
SHOWN_TAG = 20  # characters


def check_rows(splits: DatasetDict, labels: LabelSpace, *, made: bool, remedied: bool) -> list[Finding]:
    """All findings about the rows that a run reads.

    Args:
        splits: `id, text, text_pair?, label?`, labels encoded; train is the first, then validation and test.
        made: whether validation was split off train: its repeats and leaks are then train's, as in the data.
        remedied: whether something was asked for against imbalance.
    """
    rows, repeats = AllRows(splits), Repeats.find(splits)
    as_given = repeats.with_made_validation_in_train() if made else repeats
    return [
        *repeats_inside(as_given, rows),
        *repeats_across(as_given, rows),
        *(repeats_across(repeats, rows, ("train", "validation")) if made else []),
        *conflicting_labels(as_given, rows, labels),
        *check_spellings(splits["train"], labels),
        *check_classes(splits, labels, remedied=remedied),
        *check_words(splits["train"], labels),
        *check_markup(splits),
    ]


# ------------------------------------------------------------------------------------------------------------- labels


def check_order(splits: DatasetDict, labels: LabelSpace, strategy: str) -> list[Finding]:
    """Splits that are sorted by label (of numbers, by whether they are above the mean), or come in blocks of one: the
    label changes from row to row far less often than chance has it (more than four deviations).

    Args:
        splits: rows as they stand in the data.
        strategy: of the validation split.
    """
    findings = []
    for split, data in splits.items():
        if "label" not in data.column_names:
            continue
        places = [row for row, label in enumerate(data["label"]) if label is not None]
        given = [label > 0 if labels.is_regression else str(label) for label in data["label"] if label is not None]
        sizes = list(Counter(given).values())
        by_chance = (len(given) - 1) * (1 - sum((size / len(given)) ** 2 for size in sizes))
        changes = [row for row in range(1, len(given)) if given[row] != given[row - 1]]
        exactly = len(changes) == len(sizes) - 1 > 0 and chance_of_order(sizes) < BY_CHANCE
        if not exactly and by_chance - len(changes) <= 4 * math.sqrt(by_chance):
            continue
        what = f"comes in blocks of one label (it changes {len(changes)} times in {len(given)} rows, by chance "
        what = "is sorted by label" if exactly else f"{what}{by_chance:.0f})"
        tail = strategy == "tail" and split == "train" and "validation" not in splits
        few = "all above or all below the mean" if labels.is_regression else "of few classes"
        remedy = "Here training rows are shuffled" if split == "train" else "--max_*_samples draws rows from all of it"
        findings.append(
            Finding(
                "sorted_labels", WARNING if tail else NOTE, split, len(changes), f"{split} {what}",
                f"a part of it, as {split}[95%:] takes it, is {few}",
                "Leave out --validation_strategy tail" if tail else remedy,
                **shown(data, [places[row] for row in changes]),
            )
        )  # fmt: skip
    return findings


def chance_of_order(sizes: Sequence[int]) -> float:
    """The probability that rows in random order come sorted by class, in whatever order of the classes."""
    logarithm = math.lgamma(len(sizes) + 1) + sum(math.lgamma(size + 1) for size in sizes)
    return math.exp(logarithm - math.lgamma(sum(sizes) + 1))


def check_spellings(train: Dataset, labels: LabelSpace) -> list[Finding]:
    """Labels that differ by case, by spaces, or by hyphens or underscores between letters only."""
    alike: dict[str, list[str]] = defaultdict(list)
    given = train["label"][:]
    for name in () if labels.is_regression else labels.names:
        alike[re.sub(r"(?<=[^\W\d_])[-_\s]+(?=[^\W\d_])", "", name.strip()).casefold()].append(name)
    findings = []
    for names in (names for names in alike.values() if len(names) > 1):
        per_name = {name: rows_with(given, labels, name) for name in names}
        rarer = sorted(names, key=lambda name: len(per_name[name]))[:-1]
        rows = [row for name in rarer for row in per_name[name]]
        counts = some(f"{name!r} ({len(found)} rows)" for name, found in per_name.items())
        findings.append(
            Finding(
                "label_spellings", WARNING, "train", len(rows), f"labels that are spelled alike: {counts}",
                "they are trained as classes of their own", "Write them one way", **shown(train, rows),
            )
        )  # fmt: skip
    return findings


def rows_with(label_ids: Sequence, labels: LabelSpace, name: str) -> list[int]:
    """The rows that have a label."""
    column = labels.names.index(name)
    return [row for row, given in enumerate(label_ids) if (given[column] if labels.is_multi_label else given == column)]


def label_counts(label_ids: Sequence, labels: LabelSpace) -> dict[str, int]:
    """How many rows have each label, by name; a label of None is none."""
    given = np.array([label for label in label_ids if label is not None])
    if labels.is_multi_label:
        counts = given.sum(axis=0, dtype=np.int64) if len(given) else np.zeros(labels.num_labels)
    else:
        counts = np.bincount(given.astype(np.int64), minlength=labels.num_labels)
    return dict(zip(labels.names, map(int, counts), strict=True))


def check_classes(splits: DatasetDict, labels: LabelSpace, *, remedied: bool) -> list[Finding]:
    """Classes that a split lacks or has few rows of, and one with more than 80% of the training rows."""
    if labels.is_regression:
        return []
    data, findings = splits["train"], []
    given = data["label"][:]
    train = label_counts(given, labels)
    absent = [name for name, count in train.items() if not count]
    small = {name: count for name, count in train.items() if 0 < count < FEW_MEMBERS}
    if absent:
        findings.append(
            Finding("missing_class", WARNING, "train", len(absent), f"no training rows of class {some(absent)}",
                    "it cannot be learned", "Remove it or add rows")
        )  # fmt: skip
    if small:
        counts = some(f"{name} ({count})" for name, count in small.items())
        rows = [row for name in small for row in rows_with(given, labels, name)]
        findings.append(
            Finding("few_rows", WARNING, "train", len(small), f"few training rows of class {counts}",
                    "expect little of them", "Add rows or merge classes", **shown(data, rows))
        )  # fmt: skip
    for split in [name for name in splits if name != "train"]:
        findings += check_presence(split, splits[split], train, labels)
    majority = max(train, key=train.get)
    if train[majority] > IMBALANCED * len(data) and not (labels.is_multi_label or remedied):
        others = sorted(set(range(len(data))) - set(rows_with(given, labels, majority)))
        findings.append(
            Finding(
                "imbalance", WARNING, "train", train[majority],
                f"{100 * train[majority] / len(data):.0f}% of the training rows are {majority}",
                "accuracy says little here: look at balanced_accuracy, f1_macro and average_precision",
                "--class_weights balanced, --sampler balanced or --loss focal may help the rest", **shown(data, others),
            )
        )  # fmt: skip
    return findings


def check_presence(split: str, data: Dataset, train: dict[str, int], labels: LabelSpace) -> list[Finding]:
    """A validation or test split without rows of a class that train has."""
    here = label_counts(data["label"], labels) if "label" in data.column_names else {}
    lacking = [name for name, count in here.items() if train[name] and not count]
    if not lacking or not any(here.values()):
        return []
    present = [name for name, count in here.items() if count]
    if len(present) == 1 and not labels.is_multi_label:
        kind, severity, what = "one_class", WARNING, f"{split} holds one class only ({present[0]})"
    else:
        kind, severity, what = "missing_class", NOTE, f"{split} has no rows of class {some(lacking)}"
    return [
        Finding(kind, severity, split, len(lacking), what, f"its figures say nothing of {some(lacking, 3)}",
                "Add rows, or take another split")
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- texts


def check_words(train: Dataset, labels: LabelSpace) -> list[Finding]:
    """Single words whose presence says the label almost perfectly: their correlation with it is at least 0.9."""
    words = Words.of(text_keys(train))
    having, together, targets = occurrences(words, train["label"][:], labels)
    size, findings = len(train), []
    usual = np.minimum(having, size - having) >= FEWEST_ROWS
    deviation = np.sqrt(having / size * (1 - having / size))  # of a word's presence
    for place, name in enumerate(labels.names):
        column = together[:, [place]].toarray().ravel() / size
        target = targets[:, [place]].toarray().ravel()
        correlation, scale = np.zeros(len(having)), deviation * target.std()
        np.divide(column - having / size * target.mean(), scale, out=correlation, where=usual & (scale > 0))
        best = int(np.abs(correlation).argmax()) if len(having) else 0
        if not len(having) or abs(correlation[best]) < PREDICTS:
            continue
        holders = np.unique(words.rows[words.ids == best]).tolist()
        of = "the number" if labels.is_regression else name
        findings.append(
            Finding(
                "telltale_word", WARNING, "train", len(holders),
                f"the word {words.vocabulary[best]!r}, in {len(holders)} rows of train, tells {of} almost perfectly "
                f"(correlation {correlation[best]:.2f})",
                "the model may learn this word and nothing else, and fail where it is not",
                "Ask whether the texts of later use have it; if not, remove it from the texts", **shown(train, holders),
            )
        )  # fmt: skip
        if labels.num_labels == 2 and not labels.is_multi_label:
            break  # of two classes, what tells one tells the other
    return findings


def occurrences(
    words: Words, label_ids: Sequence, labels: LabelSpace
) -> tuple[np.ndarray, sparse.sparray, sparse.sparray]:
    """In how many rows each word stands, [V]; the sum of each label over these, sparse [V, C]; the labels themselves,
    1 and 0 or the number, sparse [N, C]."""
    values = np.asarray(label_ids, dtype=np.float64)
    if labels.is_regression or labels.is_multi_label:
        targets = sparse.csr_array(values.reshape(len(values), -1))
    else:
        places = (np.arange(len(values)), values.astype(np.int64))
        targets = sparse.csr_array((np.ones(len(values)), places), shape=(len(values), labels.num_labels))
    size = len(words.vocabulary)
    having, together = np.zeros(size), sparse.csr_array((size, labels.num_labels))
    for rows, part in words.chunks():
        present = sparse.csr_array((np.ones(len(part.ids)), (part.rows, part.ids)), shape=(len(part), size))
        present.data[:] = 1.0  # a word counts once a text
        having += present.sum(axis=0)
        together = together + present.T @ targets[rows]
    return having, together, targets


def check_markup(splits: DatasetDict) -> list[Finding]:
    """Texts with HTML tags or entities left in them."""
    findings = []
    for split, data in splits.items():
        columns = [data[name][:] for name in text_columns(data)]
        rows = sorted({row for texts in columns for row, text in enumerate(texts) if has_markup(text)})
        if not rows:
            continue
        seen = Counter(match for row in rows for texts in columns for match in found_markup(texts[row]))
        findings.append(
            Finding(
                "markup", NOTE, split, len(rows),
                f"{len(rows)} rows of {split} hold HTML ({some((tag for tag, _ in seen.most_common()), 3)})",
                "tags take up tokens, and texts of later use may have none",
                "Replace it by a space, or by the character that it stands for", **shown(data, rows),
            )
        )  # fmt: skip
    return findings


def has_markup(text: str) -> bool:
    return ("<" in text and TAG.search(text) is not None) or ("&" in text and ENTITY.search(text) is not None)


def found_markup(text: str) -> list[str]:
    return [match.group()[:SHOWN_TAG] for pattern in (TAG, ENTITY) for match in pattern.finditer(text)]
