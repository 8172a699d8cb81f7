"""How often each word, and each pair of neighbouring words, stands in each row: what classical methods read."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
from datasets import Dataset, DatasetDict
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from classification.data.quality.words import split_words
from classification.data.splitting import text_columns
from classification.errors import UsageError

# B rows of any split, F terms.

SECOND = "2|"  # begins the terms of a row's second text; no word has it


def terms_of(row: tuple[str, ...]) -> list[str]:
    """The words and pairs of neighbouring words of a row's one or two texts, in lower case; those of the second text
    are other terms than those of the first.

    >>> terms_of(("Not good.", "电影"))
    ['not', 'good', 'not good', '2|电', '2|影', '2|电 影']
    """
    terms = []
    for mark, text in zip(("", SECOND), row, strict=False):
        words = split_words(text)
        terms += [mark + word for word in words]
        terms += [f"{mark}{first} {second}" for first, second in zip(words, words[1:], strict=False)]
    return terms


def texts_of(rows: Dataset) -> list[tuple[str, ...]]:
    """The one or two texts of each row."""
    return list(zip(*(rows[name][:] for name in text_columns(rows)), strict=True))


class Features:
    """How often each term of train stands in each row; all methods read the same counts.

    A term that only one row has is left out (it says nothing of other rows), unless that leaves none.

    Args:
        splits: `train` and others, with the columns `text` and, for pairs, `text_pair`.

    Raises:
        UsageError: no text of train has a word.
    """

    def __init__(self, splits: DatasetDict):
        self.splits = splits
        self._counts: dict[str, sparse.csr_matrix] = {}
        rows = texts_of(splits["train"])
        for least in (2, 1):
            self.vectorizer = CountVectorizer(analyzer=terms_of, min_df=least, dtype=np.float64)
            with suppress(ValueError):  # its only way to say that no term is left
                self._counts["train"] = self.vectorizer.fit_transform(rows)
                break
        else:
            raise UsageError("--text_column_names: no text of train has a word. Name the column with the texts.")
        self.terms = self.vectorizer.get_feature_names_out()

    def counts(self, split: str) -> sparse.csr_matrix:
        """Float64 [B, F], counted when first asked for."""
        if split not in self._counts:
            self._counts[split] = self.vectorizer.transform(texts_of(self.splits[split]))
        return self._counts[split]

    def frequent_words(self, most: int, max_share: float) -> np.ndarray:
        """Columns of the single words that stand in most rows of train, rising, int64 [at most `most`]; words in more
        than `max_share` of the rows are passed over, unless that leaves none."""
        train = self.counts("train")
        rows = np.bincount(train.indices, minlength=train.shape[1])
        words = np.flatnonzero([" " not in term for term in self.terms])
        rare = words[rows[words] <= max_share * train.shape[0]]
        words = rare if len(rare) else words
        return np.sort(words[np.argsort(-rows[words], kind="stable")[:most]])
