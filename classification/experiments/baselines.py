"""Fitting the baselines: classical methods by scikit-learn, a bidirectional LSTM by the recipe itself."""

from __future__ import annotations

import logging
import os
import time

import joblib
import numpy as np
from datasets import DatasetDict

from classification.cli.flags import BILSTM
from classification.cli.options import Options
from classification.data.corpus import Corpus
from classification.data.labels import LabelSpace
from classification.errors import first_line
from classification.experiments.bag_of_words import BagOfWords
from classification.experiments.classical_models import (
    METHODS,
    fit,
    reason_not_applicable,
    title_of,
    warnings_logged,
)
from classification.experiments.comparison import (
    Comparison,
    Result,
    compare_with_best,
    labelled_metrics,
    result_of_run,
    task_of_baselines,
)
from classification.experiments.run_parts import forget_predictions, run_part, tidy_part
from classification.experiments.runs import FinishedRun, Run
from classification.progress import progress
from classification.reporting.console import muted
from classification.training.processes import stop_together, this_process

logger = logging.getLogger(__name__)

MAX_CORES = 8  # each process of the LDA has its own copy of the counts


def run_baselines(options: Options, corpus: Corpus, run: Run) -> dict[str, Result]:
    """Every baseline that `--baselines` names, by name.

    The main process alone fits the classical methods.

    Args:
        corpus: train, validation and, if there is one, test.
        run: for the LSTM.
    """
    task = task_of_baselines(corpus.task, options.training.rule)
    results: dict[str, Result] = {}
    classical = [name for name in options.run.baselines if name in METHODS]
    with stop_together():  # the other processes wait
        if classical and this_process().is_main_process:
            results |= fit_classical(classical, corpus.splits, task, options.seed, quiet=options.is_quiet)
    if BILSTM in options.run.baselines:
        results[BILSTM] = train_lstm(options, task, run)
    return {name: results[name] for name in options.run.baselines if name in results}


def compare_with_baselines(options: Options, corpus: Corpus, finished: FinishedRun, run: Run) -> Comparison:
    """`--baselines` in a training run: fit them, compare the run's model with the best, write baselines.json.

    Returns:
        All methods and the model, under the name `model`. Empty in processes other than the main one.
    """
    results = run_baselines(options, corpus, run)
    if not this_process().is_main_process:
        return Comparison()
    model = result_of_run("this model", finished, finished.task)
    best = compare_with_best(model, results, corpus.splits, finished.task, options.training.rule)
    comparison = Comparison(results | {"model": model}, best)
    write_comparison(comparison, options)
    return comparison


def write_comparison(comparison: Comparison, options: Options) -> None:
    """Write baselines.json; until then the predictions of the LSTM stay in its folder, for a run that is killed."""
    comparison.write(options.output_dir)
    forget_predictions(options.for_bilstm_baseline().output_dir)


def fit_classical(
    names: list[str], splits: DatasetDict, task: LabelSpace, seed: int, *, quiet: bool
) -> dict[str, Result]:
    """Fit each method on train and score the other splits.

    The seconds of a method exclude counting words: that is done once for all.
    """
    results: dict[str, Result] = {}
    start = time.perf_counter()
    features, train = BagOfWords(splits), np.array(splits["train"]["label"][:])
    for split in splits:
        features.counts(split)
    seconds = time.perf_counter() - start
    logger.info("words        %d words and pairs of words counted in %.1f s", len(features.terms), seconds)
    with joblib.parallel_config(n_jobs=min(MAX_CORES, os.cpu_count() or 1)):
        for name in progress(names, "Baselines", "method", disable=quiet):
            title, reason = title_of(name, task), reason_not_applicable(name, task)
            if reason:
                results[name] = Result(title, not_applicable=reason)
                continue
            try:
                results[name] = fit_and_score(name, features, train, task, seed)
            except (ValueError, ArithmeticError, np.linalg.LinAlgError, MemoryError) as error:
                results[name] = Result(title, not_applicable=first_line(error))
    return results


def fit_and_score(name: str, features: BagOfWords, label_ids: np.ndarray, task: LabelSpace, seed: int) -> Result:
    """One method on all splits but train.

    Raises:
        ValueError: the method cannot be fitted on these rows, as scikit-learn or `fit` finds.
        FloatingPointError: its outputs are not finite.
    """
    start = time.perf_counter()
    model = fit(name, features, label_ids, task, seed)
    logits = {split: model.logits(features.counts(split)) for split in features.splits if split != "train"}
    seconds = time.perf_counter() - start
    if not all(np.isfinite(values).all() for values in logits.values()):
        raise FloatingPointError("its outputs are not finite.")
    title = title_of(name, task)
    with warnings_logged(title):
        metrics = {
            split: labelled_metrics(values, features.splits[split], task, has_loss=model.has_loss)
            for split, values in logits.items()
        }
    return Result(title, metrics, logits, seconds, model.size_bytes)


def train_lstm(options: Options, task: LabelSpace, run: Run) -> Result:
    """The bidirectional LSTM, trained like any other model, in a folder of its own inside the output folder."""
    logger.info("\n=== %s, a bidirectional LSTM ===", BILSTM)
    with muted():  # its lines would repeat those of the outer run
        finished = run_part(options.for_bilstm_baseline(), run)
    if this_process().is_main_process:
        tidy_part(finished.output_dir)
    return result_of_run("bidirectional LSTM", finished, task)
