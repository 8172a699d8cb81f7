"""Rows whose label may be wrong: those that out-of-fold predictions contradict most.

The idea of confident learning (Northcutt et al. 2021, Confident Learning: Estimating Uncertainty in Dataset Labels),
with logistic regression on TF-IDF, which takes seconds; a person looks at the first of the list.
"""

from __future__ import annotations

import csv
import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import DatasetDict
from tqdm.auto import tqdm

from classification.cli.options import Settings
from classification.data.labels import LabelSpace
from classification.data.splitting import fold_splits, text_columns, text_keys
from classification.errors import UsageError
from classification.evaluation import decisions
from classification.experiments.bag_of_words import Features
from classification.experiments.classical_models import fit, title_of
from classification.files import replacing

logger = logging.getLogger(__name__)

METHOD = "logistic_regression"
FOLDS = 5
UNUSUAL = 2.0  # deviations between a number and its prediction, in deviations of all such errors
DOUBTFUL = 0.2  # share of contradicted rows from which it is rather the method that is wrong
FILE = "suspect_labels.csv"


@dataclass(frozen=True)
class Suspect:
    """A row whose label is contradicted, by `score`: log odds of the likely label against the given one, of the worst
    of its labels where a row has several; for numbers the error in deviations."""

    split: str
    row: int
    likely: str
    score: float


def find_suspects(splits: DatasetDict, labels: LabelSpace, seed: int, *, quiet: bool = False) -> list[Suspect]:
    """The rows that a classical model which has not seen them labels otherwise, most contradicted first; train's, then
    validation's, then test's.

    Rows of train are predicted by models of the other four fifths (identical texts in one fold), those of the other
    splits by a model of all of train.

    Args:
        splits: `id, text, text_pair?, label?`, labels encoded; those of train complete.
        quiet: without a progress bar.
    """
    labels = labels.with_even_odds()  # thresholds may have been tuned for another model
    features, suspects = Features(splits), []
    given = {split: data["label"][:] for split, data in splits.items() if "label" in data.column_names}
    train = np.array(given["train"])
    held_out = out_of_fold_logits(features, text_keys(splits["train"]), train, labels, seed, quiet=quiet)
    suspects += contradicted("train", held_out, np.arange(len(train)), train, labels)
    others = [split for split in given if split != "train" and any(label is not None for label in given[split])]
    model = fit(METHOD, features, train, labels, seed) if others else None
    for split in others:
        rows = np.array([row for row, label in enumerate(given[split]) if label is not None])
        logits = model.logits(features.counts(split)[rows])
        suspects += contradicted(split, logits, rows, np.array([given[split][row] for row in rows]), labels)
    return suspects


def out_of_fold_logits(
    features: Features, keys: list[str], label_ids: np.ndarray, labels: LabelSpace, seed: int, *, quiet: bool
) -> np.ndarray:
    """Each row of train, predicted by a model that was fitted without it and without its repeats: float64 [N, C]."""
    strata = np.zeros(len(keys)) if labels.is_regression else label_ids
    largest = len(keys) if strata.ndim == 2 else int(np.unique(strata, return_counts=True)[1].max())
    count = min(FOLDS, len(set(keys)), largest)
    if count < 2:
        raise UsageError(
            "--suspect_labels: no row can be held out: give train two different texts, and two rows of some class."
        )
    folds = fold_splits(keys, strata, count, seed)
    logits = np.zeros((len(keys), labels.num_labels))
    for inside, held_out in tqdm(folds, desc="Looking for wrong labels", unit="fold", leave=False, disable=quiet):
        model = fit(METHOD, features, label_ids[inside], labels, seed, rows=inside)
        logits[held_out] = model.logits(features.counts("train")[held_out])
    return logits


def contradicted(
    split: str, logits: np.ndarray, rows: np.ndarray, label_ids: np.ndarray, labels: LabelSpace
) -> list[Suspect]:
    """The suspects among `rows`, whose logits [B, C] and labels these are, most contradicted first."""
    decided = decisions.decide(logits, labels)
    scores = contradictions(logits, label_ids, labels)
    found = [place for place in np.argsort(-scores, kind="stable").tolist() if scores[place] > 0]
    return [Suspect(split, int(rows[place]), labels.decode(decided[place]), float(scores[place])) for place in found]


def contradictions(logits: np.ndarray, label_ids: np.ndarray, labels: LabelSpace) -> np.ndarray:
    """How strongly each row's label is contradicted, float64 [B]; above 0 it is a suspect."""
    if labels.is_regression:
        errors = np.abs(logits[:, 0] - label_ids)
        scores = errors / max(float(np.sqrt((errors**2).mean())), 1e-12)
        return np.where(scores > UNUSUAL, scores, 0.0)
    if labels.is_multi_label:
        return np.where(label_ids > 0, -logits, logits).max(axis=1)
    return logits.max(axis=1) - logits[np.arange(len(logits)), label_ids]


def write_suspects(path: Path, suspects: list[Suspect], splits: DatasetDict, labels: LabelSpace) -> None:
    """`rank, split, id, text[, text_pair], label, likely_label, score`, ranked within their split."""
    texts = text_columns(splits["train"])
    path.parent.mkdir(parents=True, exist_ok=True)
    ranks = dict.fromkeys(splits, 0)
    with replacing(path) as handle:
        writer = csv.writer(handle)
        writer.writerow(["rank", "split", "id", *texts, "label", "likely_label", "score"])
        for suspect in suspects:
            ranks[suspect.split] += 1
            row = splits[suspect.split][suspect.row]
            content = [row[name] for name in ("id", *texts)]
            given = labels.decode(row["label"])
            cells = [ranks[suspect.split], suspect.split, *content, given, suspect.likely, f"{suspect.score:.4f}"]
            writer.writerow(cells)


def look_for_suspects(settings: Settings, splits: DatasetDict, labels: LabelSpace) -> None:
    """`--suspect_labels`: write the list beside the model, and say how long it is."""
    suspects = find_suspects(splits, labels, settings.trainer["seed"], quiet=settings.trainer["disable_tqdm"])
    path = settings.output_dir / FILE
    write_suspects(path, suspects, splits, labels)
    counts = Counter(suspect.split for suspect in suspects)
    shown = ", ".join(f"{count} of {len(splits[split])} rows of {split}" for split, count in counts.items()) or "none"
    doubt = ""
    if counts["train"] > DOUBTFUL * len(splits["train"]):
        doubt = "; so many that most are mistakes of that model: look at the first ones only"
    logger.info("labels       contradicted by a %s that had not seen them: %s%s; ranked in %s",
                title_of(METHOD, labels), shown, doubt, path)  # fmt: skip
