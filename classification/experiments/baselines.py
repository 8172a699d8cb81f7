"""Fitting the baselines: on words by scikit-learn, on vectors of an encoder, and an LSTM by the recipe itself."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping

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
    NO_WORDS,
    fit,
    reason_not_applicable,
    title_of,
)
from classification.experiments.comparison import (
    Comparison,
    Result,
    compare_with_best,
    result_of_method,
    result_of_run,
    task_of_baselines,
)
from classification.experiments.embedding_baselines import VECTOR_METHODS, fit_on_vectors, without_result
from classification.experiments.labelling_speed import speed_of_run
from classification.experiments.run_parts import run_part, tidy_part
from classification.experiments.runs import FinishedRun, Run
from classification.messages.progress import progress
from classification.reporting.console import muted
from classification.training.processes import stop_together, this_process

logger = logging.getLogger(__name__)

MAX_CORES = 8  # each process of the LDA has its own copy of the counts


def run_baselines(
    options: Options, corpus: Corpus, run: Run, *, has_model: bool = False, lost: list[str] | None = None
) -> dict[str, Result]:
    """Every baseline that `--baselines` names, by name.

    The main process alone fits all but the LSTM.

    Args:
        corpus: train, validation and, if there is one, test.
        run: for the LSTM.
        has_model: the model that the command names is here already; otherwise only a named one may be downloaded.
        lost: gets what an error has cost in the run of the LSTM.
    """
    task, names = task_of_baselines(corpus.task, options.training.rule), options.run.baselines
    results: dict[str, Result] = {}
    with stop_together():  # the other processes wait
        if this_process().is_main_process:
            results |= fit_classical(
                [name for name in names if name in METHODS], corpus.splits, task, options.seed, quiet=options.is_quiet
            )
            on_vectors = [name for name in names if name in VECTOR_METHODS]
            if on_vectors and options.model.needs_hub and not has_model and "model_name_or_path" not in options.given:
                results |= without_result(on_vectors, "no encoder is named with --model_name_or_path")
            elif on_vectors:
                results |= fit_on_vectors(on_vectors, options, corpus.splits, task)
    if BILSTM in names:
        results[BILSTM] = train_lstm(options, task, run, [] if lost is None else lost)
    return {name: results[name] for name in names if name in results}


def compare_with_baselines(options: Options, corpus: Corpus, finished: FinishedRun, run: Run) -> Comparison:
    """`--baselines` in a training run: fit them, compare the run's model with the best, write baselines.json.

    The predictions of the LSTM stay in its folder until the run is finished.

    Returns:
        All methods and the model, under the name `model`. Empty in processes other than the main one.
    """
    results = run_baselines(options, corpus, run, has_model=True, lost=finished.lost)
    if not this_process().is_main_process:
        return Comparison()
    model = result_of_run("this model", finished, finished.task, speed_of_run(finished, options.model))
    best = compare_with_best(model, results, corpus.splits, finished.task, options.training.rule)
    comparison = Comparison(results | {"model": model}, best)
    comparison.write(options.output_dir)
    return comparison


def fit_classical(
    names: list[str], splits: DatasetDict, task: LabelSpace, seed: int, *, quiet: bool
) -> dict[str, Result]:
    """Fit each method on train and score the other splits.

    Words are counted once for all methods. The time of that is a part of the time of each method that reads words.
    """
    results: dict[str, Result] = {}
    if not names:
        return results
    features, counting = count_words(splits)
    with joblib.parallel_config(n_jobs=min(MAX_CORES, os.cpu_count() or 1)):
        for name in progress(names, "Baselines", "method", disable=quiet):
            title, reason = title_of(name, task), reason_not_applicable(name, task)
            if reason:
                results[name] = Result(title, not_applicable=reason)
                continue
            own = dict.fromkeys(counting, 0.0) if METHODS[name].words == NO_WORDS else counting
            try:
                results[name] = fit_and_score(name, features, own, task, seed)
            except (ValueError, ArithmeticError, np.linalg.LinAlgError, MemoryError) as error:
                results[name] = Result(title, not_applicable=first_line(error))
    return results


def count_words(splits: DatasetDict) -> tuple[BagOfWords, dict[str, float]]:
    """The counts of all splits, and the seconds that each took."""
    start = time.perf_counter()
    features, seconds = BagOfWords(splits), {}
    for split in ("train", *(name for name in splits if name != "train")):
        features.counts(split)
        seconds[split] = time.perf_counter() - start
        start = time.perf_counter()
    total = sum(seconds.values())
    logger.info("words        %d words and pairs of words counted in %.1f s", len(features.terms), total)
    return features, seconds


def fit_and_score(
    name: str, features: BagOfWords, counting: Mapping[str, float], task: LabelSpace, seed: int
) -> Result:
    """One method on all splits but train.

    Args:
        counting: the seconds that counting the words of each split took.

    Raises:
        ValueError: the method cannot be fitted on these rows, as scikit-learn or `fit` finds.
        FloatingPointError: its outputs are not finite.
    """
    start = time.perf_counter()
    model = fit(name, features, np.array(features.splits["train"]["label"][:]), task, seed)
    train_seconds = counting["train"] + time.perf_counter() - start
    logits, seconds = {}, {}
    for split in (split for split in features.splits if split != "train"):
        start = time.perf_counter()
        logits[split] = model.logits(features.counts(split))
        seconds[split] = counting[split] + time.perf_counter() - start
    return result_of_method(
        title_of(name, task), logits, features.splits, task, train_seconds=train_seconds, seconds=seconds,
        size_bytes=model.size_bytes, has_loss=model.has_loss,
    )  # fmt: skip


def train_lstm(options: Options, task: LabelSpace, run: Run, lost: list[str]) -> Result:
    """The bidirectional LSTM, trained like any other model, in a folder of its own inside the output folder.

    Args:
        lost: gets what an error has cost in its run, which then keeps its checkpoints.
    """
    logger.info("\n=== %s, a bidirectional LSTM ===", BILSTM)
    own = options.for_bilstm_baseline()
    with muted():  # its lines would repeat those of the outer run
        finished = run_part(own, run)
    lost += [f"{part} of {BILSTM}" for part in finished.lost]
    speed = None
    if this_process().is_main_process:
        if not finished.lost:
            tidy_part(finished.output_dir)
        speed = speed_of_run(finished, own.model)
    return result_of_run("bidirectional LSTM", finished, task, speed)
