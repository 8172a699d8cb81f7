"""Single words whose presence predicts a label almost perfectly."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from classification.data.findings import WARNING, Finding, example_fields, quantity
from classification.data.quality.inspected import Inspected
from classification.data.words import Words
from classification.messages.shown_texts import quoted

# N rows of train, C labels, V words.

MIN_CORRELATION = 0.9  # of a word's presence with a label
MIN_ROWS = 10  # with the word and without it: below, one of many words does so by chance


def find_telltale_words(inspected: Inspected) -> list[Finding]:
    """For each label the word with the largest correlation, if that is at least 0.9. Of two labels that exclude each
    other only the first is reported."""
    sampled = inspected.sample.rows["train"]
    if not len(sampled):
        return []
    words, targets, task = inspected.train_words, inspected.indicators[sampled], inspected.task
    num_rows, findings = len(sampled), []
    train = "train" if num_rows == len(inspected.train) else f"a sample of {num_rows} rows of train"
    rows_with_word, label_sums = occurrences(words, targets)
    is_frequent = np.minimum(rows_with_word, num_rows - rows_with_word) >= MIN_ROWS
    share = rows_with_word / num_rows
    word_deviation = np.sqrt(share * (1 - share))
    for column, name in enumerate(task.names):
        covariance = label_sums[:, [column]].toarray().ravel() / num_rows
        target = targets[:, [column]].toarray().ravel()
        scale = word_deviation * target.std()
        correlation = np.zeros(len(rows_with_word))
        np.divide(covariance - share * target.mean(), scale, out=correlation, where=is_frequent & (scale > 0))
        best = int(np.abs(correlation).argmax()) if len(correlation) else 0
        if not len(correlation) or abs(correlation[best]) < MIN_CORRELATION:
            continue
        rows = sampled[np.unique(words.rows[words.ids == best])].tolist()
        found, others = int(label_sums[best, column]), int(target.sum() - label_sums[best, column])
        findings.append(
            Finding(
                kind="telltale_word",
                severity=WARNING,
                split="train",
                count=len(rows),
                what=f"the word {quoted(words.vocabulary[best])} gives the label {name} away (in {train}, {found:,} "
                f"of the {quantity(len(rows), 'row')} with the word have the label, and {others:,} of the "
                f"{quantity(num_rows - len(rows), 'row')} without it)",
                why="the model may learn only this word, and fail on texts without it",
                remedy="If later texts do not have this word, remove it from the training texts",
                **example_fields(inspected.train, rows),
            )
        )
        if task.num_labels == 2 and (targets.sum(axis=1) == 1).all():
            break
    return findings


def occurrences(words: Words, targets: sparse.csr_array) -> tuple[np.ndarray, sparse.csr_array]:
    """The number of rows that have each word, [V]; and the sum of each label over these rows, sparse [V, C].

    Args:
        targets: the labels of each row, sparse [N, C].
    """
    size = len(words.vocabulary)
    rows_with_word, label_sums = np.zeros(size), sparse.csr_array((size, targets.shape[1]))
    for rows, part in words.chunks():
        present = sparse.csr_array((np.ones(len(part.ids)), (part.rows, part.ids)), shape=(len(part), size))
        present.data[:] = 1.0  # a word counts once per text
        rows_with_word += present.sum(axis=0)
        label_sums = label_sums + present.T @ targets[rows]
    return rows_with_word, label_sums
