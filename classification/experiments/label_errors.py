"""Rows whose label may be wrong: those that out-of-fold predictions contradict most.

The idea of confident learning (Northcutt et al. 2021, Confident Learning: Estimating Uncertainty in Dataset Labels)
with logistic regression on TF-IDF, which takes seconds. A person reviews the beginning of the list.

The ranking is ours and not that of `cleanlab` 2.9, whose best ranking of the same predictions finds fewer of the labels
flipped on purpose (means of the draws): among the first 150 rows of TREC (6 classes, 3% flipped) 104 against our 109;
among the first 100 of 12,000 comments of GoEmotions (28 labels, 3% of the rows with one flipped) 34 against 47. For the
two classes of IMDB both find the same: 356 to 375 of the first 500 in three draws.
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import DatasetDict

from classification.cli.options import Options
from classification.data.corpus import text_columns, text_keys
from classification.data.folds import fold_splits
from classification.data.formula_cells import guarded, guarded_names
from classification.data.labels import LabelSpace
from classification.errors import UsageError, first_line
from classification.evaluation.predictions import Predictions
from classification.experiments.bag_of_words import BagOfWords
from classification.experiments.classical_models import fit, title_of
from classification.experiments.out_of_fold import OutOfFold
from classification.messages.log import Line
from classification.messages.progress import progress
from classification.system.files import replacing

# N rows of train, B rows of any split, C labels.

METHOD = "logistic_regression"
FOLDS = 5
MIN_ERROR = 2.0  # of a number's prediction, in root mean squares of all errors
MAX_CREDIBLE_SHARE = 0.2  # if more rows are contradicted, most of them are mistakes of the method
FILE = "suspect_labels.csv"


@dataclass(frozen=True)
class LabelError:
    """A row whose label is contradicted.

    Args:
        row: its index in the split.
        likely: the text of the likely label.
        score: log odds of the likely label against the given one; with several labels per row, of the most
            contradicted one; for numbers the error in root mean squares of all errors.
    """

    split: str
    row: int
    likely: str
    score: float


def find_label_errors(splits: DatasetDict, task: LabelSpace, seed: int, *, quiet: bool = False) -> list[LabelError]:
    """The rows that a classical model, which was not fitted on them, labels differently.

    Those of train come first, then validation's, then test's; in each split the most contradicted first. Rows of train
    are predicted by a model of the other four fifths (identical texts are in one fold), those of the other splits by a
    model of all of train.

    Args:
        splits: `id, text, text_pair?, label?`, labels encoded; those of train complete.
        quiet: without a progress bar.
    """
    task = task.untuned()  # its thresholds may have been tuned for another model
    features = BagOfWords(splits)
    given = {split: data["label"][:] for split, data in splits.items() if "label" in data.column_names}
    train = np.array(given["train"])
    held_out = out_of_fold_logits(features, text_keys(splits["train"]), train, task, seed, quiet=quiet)
    errors = contradicted_rows("train", held_out, np.arange(len(train)), train, task)
    others = [split for split in given if split != "train" and any(label is not None for label in given[split])]
    if not others:
        return errors
    model = fit(METHOD, features, train, task, seed)
    for split in others:
        rows = np.array([row for row, label in enumerate(given[split]) if label is not None])
        logits = model.logits(features.counts(split)[rows])
        errors += contradicted_rows(split, logits, rows, np.array([given[split][row] for row in rows]), task)
    return errors


def out_of_fold_logits(
    features: BagOfWords, keys: list[str], label_ids: np.ndarray, task: LabelSpace, seed: int, *, quiet: bool
) -> np.ndarray:
    """Each row of train, predicted by a model that was fitted without it and without its repeats: float64 [N, C]."""
    strata = task.strata(label_ids)
    largest = len(keys) if strata.ndim == 2 else int(np.unique(strata, return_counts=True)[1].max())
    count = min(FOLDS, len(set(keys)), largest)
    if count < 2:
        raise UsageError(
            "--suspect_labels: no row can be held out: train needs two different texts, and two rows of some class."
        )
    folds = fold_splits(keys, strata, count, seed)
    logits = np.zeros((len(keys), task.num_labels))
    for inside, held_out in progress(folds, "Label errors", "fold", disable=quiet):
        model = fit(METHOD, features, label_ids[inside], task, seed, rows=np.array(inside))
        logits[held_out] = model.logits(features.counts("train")[held_out])
    return logits


def contradicted_rows(
    split: str, logits: np.ndarray, rows: np.ndarray, label_ids: np.ndarray, task: LabelSpace
) -> list[LabelError]:
    """Those of `rows` whose labels [B] or [B, C] the logits [B, C] contradict, the most contradicted first."""
    decisions = task.decide(logits)
    scores = contradictions(logits, label_ids, task)
    order = [i for i in np.argsort(-scores, kind="stable").tolist() if scores[i] > 0]
    return [LabelError(split, int(rows[i]), task.decode(decisions[i]), float(scores[i])) for i in order]


def contradictions(logits: np.ndarray, label_ids: np.ndarray, task: LabelSpace) -> np.ndarray:
    """How strongly each row's label is contradicted, float64 [B]; above 0 it may be wrong."""
    if task.probabilities(logits) is None:
        errors = np.abs(logits[:, 0] - label_ids)
        scores = errors / max(float(np.sqrt((errors**2).mean())), 1e-12)
        return np.where(scores > MIN_ERROR, scores, 0.0)
    return np.max([lead_of_others(*choice) for choice in task.choices(logits, label_ids)], axis=0)


def lead_of_others(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far the best other answer is ahead of the given one, float64 [B]: logits [B, K], truth [B]."""
    rows, others = np.arange(len(logits)), logits.astype(np.float64)
    others[rows, truth] = -np.inf
    return others.max(axis=1) - logits[rows, truth]


def write_label_errors(
    path: Path, errors: list[LabelError], splits: DatasetDict, task: LabelSpace, *, safe: bool = False
) -> None:
    """`rank, split, id, text[, text_pair], label, likely_label, score`, ranked within their split.

    Args:
        safe: put an apostrophe before ids, texts and labels that a spreadsheet would run as a formula.
    """
    texts = text_columns(splits["train"])
    path.parent.mkdir(parents=True, exist_ok=True)
    ranks: Counter[str] = Counter()
    with replacing(path) as handle:
        writer = csv.writer(handle)
        writer.writerow(["rank", "split", "id", *texts, "label", "likely_label", "score"])
        for error in errors:
            ranks[error.split] += 1
            row = splits[error.split][error.row]
            content = [row[name] for name in ("id", *texts)]
            labels = [task.decode(row["label"]), error.likely]
            if safe:
                content, labels = [guarded(str(text)) for text in content], guarded_names(labels)
            writer.writerow([ranks[error.split], error.split, *content, *labels, f"{error.score:.4f}"])


def report_label_errors(options: Options, splits: DatasetDict, task: LabelSpace) -> list[Line]:
    """`--suspect_labels`: write the list to the output folder, and describe it."""
    path = options.output_dir / FILE
    try:
        errors = find_label_errors(splits, task, options.seed, quiet=options.is_quiet)
    except ValueError as error:  # of ours, or of scikit-learn; a finished training must not end with it
        path.unlink(missing_ok=True)  # a list of other rows
        return [Line("labels", f"not searched for errors: {first_line(error).removeprefix('--suspect_labels: ')}")]
    write_label_errors(path, errors, splits, task, safe=options.run.csv_safe)
    return [describe_errors(errors, splits, f"a {title_of(METHOD, task)} that was not fitted on them", path)]


def report_out_of_fold_errors(options: Options, pooled: OutOfFold, tested: Predictions | None) -> list[Line]:
    """`--suspect_labels` with `--folds`: the same by the models of the folds, in the place of a classical one.

    Args:
        pooled: the rows of train. tested: those of test, with the mean logits of all models; None without test rows.
    """
    path, splits = options.output_dir / FILE, DatasetDict(train=pooled.calibrated.rows)
    errors = contradicted_predictions("train", pooled.calibrated, pooled.task)
    if tested is not None and "label" in tested.rows.column_names:
        splits["test"] = tested.rows
        errors += contradicted_predictions("test", tested, pooled.task)
    write_label_errors(path, errors, splits, pooled.task, safe=options.run.csv_safe)
    return [describe_errors(errors, splits, "the models of the folds, which were not trained on them", path)]


def contradicted_predictions(split: str, predictions: Predictions, task: LabelSpace) -> list[LabelError]:
    """The labelled rows of a split whose labels the predictions contradict, the most contradicted first."""
    label_ids = predictions.label_ids
    rows = np.array([row for row, label in enumerate(label_ids) if label is not None], dtype=np.int64)
    if not len(rows) or not np.isfinite(predictions.logits[rows]).all():
        return []
    given = np.array([label_ids[row] for row in rows])
    return contradicted_rows(split, predictions.logits[rows], rows, given, task.untuned())


def describe_errors(errors: list[LabelError], splits: DatasetDict, method: str, path: Path) -> Line:
    """How many labels are contradicted, by what, and where the list is."""
    counts = Counter(error.split for error in errors)
    shares = ", ".join(f"{count} of {len(splits[split])} rows of {split}" for split, count in counts.items()) or "none"
    caveat = ""
    if counts["train"] > MAX_CREDIBLE_SHARE * len(splits["train"]):
        caveat = "; so many that most are mistakes of that model: review only the first ones"
    return Line("labels", f"contradicted by {method}: {shares}{caveat}; ranked in {path}")
