"""Counts of words and of pairs of neighbouring words per row: the features of the classical methods."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from datasets import Dataset, DatasetDict
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from classification.data.corpus import text_columns
from classification.data.words import split_words

# B rows of any split, F terms.

SECOND = "2|"  # prefix of the terms of a second text; no word contains it


def read_terms(texts: tuple[str, ...]) -> list[str]:
    """The words and the pairs of neighbouring words of the one or two texts of a row, in lower case.

    The second text has terms of its own.

    >>> read_terms(("Not good.", "电影"))
    ['not', 'good', 'not good', '2|电', '2|影', '2|电 影']
    """
    terms = []
    for prefix, text in zip(("", SECOND), texts, strict=False):
        words = split_words(text)
        terms += [prefix + word for word in words]
        terms += [f"{prefix}{first} {second}" for first, second in zip(words, words[1:], strict=False)]
    return terms


def read_texts(rows: Dataset) -> list[tuple[str, ...]]:
    """The one or two texts of each row."""
    return list(zip(*(rows[name][:] for name in text_columns(rows)), strict=True))


class BagOfWords:
    """How often each term of train occurs in each row; all methods read the same counts.

    A term that occurs in one row only is left out, unless that leaves no term.

    Args:
        splits: `train` and others, with the columns `text` and, for pairs, `text_pair`.

    Where no text of train has a word, there are no terms.
    """

    def __init__(self, splits: DatasetDict):
        self.splits = splits
        self._counts: dict[str, sparse.csr_matrix] = {}
        texts = read_texts(splits["train"])
        for min_rows in (2, 1):
            self.vectorizer = CountVectorizer(analyzer=read_terms, min_df=min_rows, dtype=np.float64)
            with suppress(ValueError):  # raised if no term is left
                self._counts["train"] = self.vectorizer.fit_transform(texts)
                break
        self.terms = self.vectorizer.get_feature_names_out() if self._counts else np.empty(0, dtype=object)

    def counts(self, split: str) -> sparse.csr_matrix:
        """Float64 [B, F], computed at the first call."""
        if not len(self.terms):
            return sparse.csr_matrix((len(self.splits[split]), 0))
        if split not in self._counts:
            self._counts[split] = self.vectorizer.transform(read_texts(self.splits[split]))
        return self._counts[split]

    def frequent_words(self, limit: int, max_share: float) -> np.ndarray:
        """Columns of the `limit` single words that occur in most rows of train, ascending, int64.

        Words that occur in more than `max_share` of the rows are skipped, unless that leaves none.
        """
        train = self.counts("train")
        rows = np.bincount(train.indices, minlength=train.shape[1])
        words = np.flatnonzero([" " not in term for term in self.terms])
        rare = words[rows[words] <= max_share * train.shape[0]]
        words = rare if len(rare) else words
        return np.sort(words[np.argsort(-rows[words], kind="stable")[:limit]])
