"""A linear model on vectors of texts: those of the frozen pretrained encoder, or means of its token embeddings.

Both are rungs between counts of words and fine-tuning. The linear model is a logistic regression, one per label where
a row may have several, or a ridge regression for numbers. The strength of its penalty is chosen on folds of train: it
becomes weaker as long as the loss of the held-out rows falls.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from datasets import Dataset, DatasetDict
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from classification.cli.options import Options
from classification.data.corpus import text_columns, text_keys
from classification.data.folds import fold_splits
from classification.data.labels import LabelSpace
from classification.data.seeded_order import seeded_rows
from classification.errors import first_line
from classification.experiments.classical_models import Fitted, Method, fit_method, warnings_logged
from classification.experiments.comparison import Result, result_of_method
from classification.experiments.frozen_encoder import FrozenEncoder, load_frozen_encoder
from classification.messages.log import Line, log_lines

# N rows of train, B rows of any split, F features, H size of a vector.

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)  # C of a logistic regression, 1/alpha of a ridge one
USUAL_STRENGTH = 1e-2  # where no row can be held out
FOLDS = 3
MAX_CHOICE = 3000  # rows of train whose folds choose the strength
MAX_BYTES = 500_000_000  # of the features of train
CHUNK = 20_000  # rows of another split whose features are in memory together


@dataclass(frozen=True)
class VectorMethod:
    """A method on vectors: how it turns texts into fp32 [B, H], and the bytes that this needs."""

    title: str
    embed: Callable[[FrozenEncoder, list[str]], np.ndarray]
    count_bytes: Callable[[FrozenEncoder], int]


VECTOR_METHODS = {
    "frozen_encoder": VectorMethod("frozen encoder", FrozenEncoder.embed, lambda encoder: encoder.encoder_bytes),
    "static_embeddings": VectorMethod(
        "static embeddings", FrozenEncoder.mean_of_tokens, lambda encoder: encoder.static_bytes
    ),
}


def fit_on_vectors(
    names: Sequence[str], options: Options, splits: DatasetDict, task: LabelSpace
) -> dict[str, Result]:  # fmt: skip
    """Fit each of `VECTOR_METHODS` on train and score the other splits. The encoder is loaded once for all.

    What fails has the reason in its result: the rows of the other methods are worth more than an error.
    """
    results: dict[str, Result] = {}
    try:
        encoder = load_frozen_encoder(options)
    except Exception as error:  # whatever a model raises that is loaded without its head
        return without_result(names, first_line(error))
    for name in names:
        try:
            results[name] = fit_and_score(VECTOR_METHODS[name], encoder, splits, task, options.seed)
        except Exception as error:
            results |= without_result([name], first_line(error))
    return results


def without_result(names: Sequence[str], reason: str) -> dict[str, Result]:
    return {name: Result(VECTOR_METHODS[name].title, not_applicable=reason) for name in names}


def fit_and_score(
    method: VectorMethod, encoder: FrozenEncoder, splits: DatasetDict, task: LabelSpace, seed: int
) -> Result:
    """One method on all splits but train.

    Raises:
        ValueError: it cannot be fitted on these rows. FloatingPointError: its outputs are not finite.
    """
    start = time.perf_counter()
    vectors = RowVectors(lambda texts: method.embed(encoder, texts))
    train = rows_within_memory(splits["train"], vectors, seed, method.title)
    x, label_ids = vectors.of(train), np.array(train["label"][:])
    with threadpool_limits(limits=1, user_api="blas"):  # products of this size are slower on several cores
        fitted = fit_linear(x, label_ids, text_keys(train), task, seed, method.title)
    train_seconds = time.perf_counter() - start
    logits, seconds = {}, {}
    for split in (name for name in splits if name != "train"):
        vectors.seconds_saved, start = 0.0, time.perf_counter()
        chunks = [
            fitted.logits(vectors.of(splits[split].select(range(first, min(first + CHUNK, len(splits[split]))))))
            for first in range(0, len(splits[split]), CHUNK)
        ]
        logits[split] = np.concatenate(chunks)
        seconds[split] = time.perf_counter() - start + vectors.seconds_saved
    size = method.count_bytes(encoder) + fitted.size_bytes
    return result_of_method(
        method.title, logits, splits, task, train_seconds=train_seconds, seconds=seconds, size_bytes=size
    )


@dataclass
class RowVectors:
    """The features of rows: the vector of a text; for pairs both vectors, their distance and their product.

    The features of pairs are those of Conneau et al. 2017, Supervised Learning of Universal Sentence Representations.

    Args:
        embed: texts -> fp32 [B, H].
        seconds_saved: how much longer it would have taken to embed a repeated text each time.
    """

    embed: Callable[[list[str]], np.ndarray]
    seconds_saved: float = field(default=0.0, init=False)

    def of(self, rows: Dataset) -> np.ndarray:
        """Fp32 [B, H], or [B, 4 H] for pairs. A text that occurs more than once is embedded once."""
        columns = [rows[name][:] for name in text_columns(rows)]
        places: dict[str, int] = {}
        numbers = [[places.setdefault(text, len(places)) for text in column] for column in columns]
        start = time.perf_counter()
        vectors = self.embed(list(places))
        seconds = time.perf_counter() - start
        self.seconds_saved += seconds * (sum(map(len, columns)) / len(places) - 1)
        first, *second = (vectors[side] for side in numbers)
        return np.hstack([first, second[0], np.abs(first - second[0]), first * second[0]]) if second else first


def rows_within_memory(train: Dataset, vectors: RowVectors, seed: int, title: str) -> Dataset:
    """The rows of train, or a seeded draw of those whose features fit into `MAX_BYTES`."""
    bytes_per_row = vectors.of(train.select([0])).nbytes
    count = MAX_BYTES // bytes_per_row
    if count >= len(train):
        return train
    text = f"fitted on {count} of {len(train)} rows of train: the features of all need over {MAX_BYTES / 1e6:,.0f} MB"
    log_lines([Line("baselines", f"{title}: {text}")])
    return train.select(sorted(seeded_rows(text_keys(train), seed)[:count]))


def linear_model(strength: float) -> Method:
    """A linear model on standardised features."""
    classifier = LogisticRegression(C=strength, max_iter=300)
    return Method("linear model", classifier, Ridge(alpha=1 / strength), StandardScaler())


def fit_linear(
    x: np.ndarray, label_ids: np.ndarray, keys: list[str], task: LabelSpace, seed: int, title: str
) -> Fitted:  # fmt: skip
    """The linear model on features of train, [N, F], with the strength that folds of train choose."""
    with warnings_logged(title):
        strength = choose_strength(x, label_ids, keys, task, seed)
        return fit_method(linear_model(strength), x, label_ids, task, seed)


def choose_strength(x: np.ndarray, label_ids: np.ndarray, keys: list[str], task: LabelSpace, seed: int) -> float:
    """The first of `STRENGTHS` after which the mean loss of held-out rows of train no longer falls.

    Args:
        keys: of the rows' texts; equal texts are in one fold.
    """
    rows = np.array(seeded_rows(keys, seed)[:MAX_CHOICE])
    x, label_ids, keys = x[rows], label_ids[rows], [keys[row] for row in rows]
    strata = task.strata(label_ids)
    largest = len(rows) if strata.ndim == 2 else int(np.unique(strata, return_counts=True)[1].max())
    count = min(FOLDS, len(set(keys)), largest)
    if count < 2:
        return USUAL_STRENGTH
    folds = fold_splits(keys, strata, count, seed)
    best, lowest = USUAL_STRENGTH, np.inf
    for strength in STRENGTHS:
        losses = [
            task.row_losses(
                fit_method(linear_model(strength), x[inside], label_ids[inside], task, seed).logits(x[outside]),
                label_ids[outside],
            )
            for inside, outside in folds
        ]  # fmt: skip
        loss = np.concatenate(losses).mean()
        if not loss < lowest:
            break
        best, lowest = strength, loss
    return best
