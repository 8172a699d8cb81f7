"""Fitting the baselines: classical methods by scikit-learn, a bidirectional LSTM by the recipe itself."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import joblib
import numpy as np
from accelerate import PartialState
from datasets import DatasetDict
from tqdm.auto import tqdm

from classification.cli.options import SCRATCH, Settings
from classification.data.labels import LabelSpace
from classification.experiments.bag_of_words import Features
from classification.experiments.classical_models import METHODS, absent, fit, title_of
from classification.experiments.comparison import (
    Result,
    compare_with_best,
    figures_of,
    labels_of_baselines,
    result_of_run,
    seconds_of,
    size_of,
    write_baselines,
)
from classification.experiments.seeds_and_folds import remove_checkpoints
from classification.reporting.run_record import write_run

logger = logging.getLogger("recipe")

MOST_CORES = 8  # each process of the topics has its own copy of the counts
OF_THE_MODEL = (  # flags of the Trainer that were meant for the model, not for an LSTM
    "max_steps", "gradient_checkpointing", "activation_checkpointing", "deepspeed", "fsdp", "fsdp_config",
    "torch_compile", "label_smoothing_factor", "push_to_hub", "learning_rate", "num_train_epochs",
)  # fmt: skip


def run_baselines(settings: Settings, splits: DatasetDict, labels: LabelSpace, run: Callable) -> dict[str, Result]:
    """Every baseline that `--baselines` names, by name. In several processes the main one fits the classical methods.

    Args:
        splits: train, validation and, where there is one, test; labels encoded.
        labels: with the thresholds that `labels_of_baselines` gives.
        run: `run_classification.run`, for the LSTM.
    """
    results: dict[str, Result] = {}
    classical = [name for name in settings.baselines if name in METHODS]
    if classical and PartialState().is_main_process:
        seed, quiet = settings.trainer["seed"], settings.trainer["disable_tqdm"]
        results |= fit_classical(classical, splits, labels, seed, quiet=quiet)
    if SCRATCH in settings.baselines:
        results[SCRATCH] = train_lstm(settings, labels, run)
    return {name: results[name] for name in settings.baselines if name in results}


def fit_classical(
    names: list[str], splits: DatasetDict, labels: LabelSpace, seed: int, *, quiet: bool
) -> dict[str, Result]:
    """Fit each method on train and score the other splits; their seconds are without counting words, once for all."""
    results, others = {}, [split for split in splits if split != "train"]
    start = time.perf_counter()
    features, train = Features(splits), np.array(splits["train"]["label"][:])
    for split in others:
        features.counts(split)
    logger.info("words        %d words and pairs of words counted in %.1f s, for all methods",
                len(features.terms), time.perf_counter() - start)  # fmt: skip
    with joblib.parallel_config(n_jobs=min(MOST_CORES, os.cpu_count() or 1)):
        bar = tqdm(names, desc="Baselines", unit="method", leave=False, disable=quiet)
        for name in bar:
            bar.set_postfix_str(title_of(name, labels))
            results[name] = result = Result(title_of(name, labels), absent=absent(name, labels))
            if result.absent:
                continue
            start = time.perf_counter()
            model = fit(name, features, train, labels, seed)
            result.logits = {split: model.logits(features.counts(split)) for split in others}
            result.seconds, result.size_bytes = time.perf_counter() - start, model.size_bytes
            has_loss = model.has_probabilities or labels.is_regression
            result.figures = {
                split: figures_of(logits, splits[split], labels, has_loss=has_loss)
                for split, logits in result.logits.items()
            }
    return results


# --------------------------------------------------------------------------------------------------------------- LSTM


def train_lstm(settings: Settings, labels: LabelSpace, run: Callable) -> Result:
    """The bidirectional LSTM by the way that every model takes, in a folder of its own inside the output folder."""
    logger.info("\n=== %s, a bidirectional LSTM ===", SCRATCH)
    with quietly():
        outcome = run(settings_of_lstm(settings))
    folder = outcome.settings.output_dir
    if outcome.trainer.is_world_process_zero():
        remove_checkpoints(folder)
    seen = {split: outcome.predictions[split] for split in ("validation", "test") if split in outcome.predictions}
    return Result(
        "bidirectional LSTM",
        figures={split: figures_of(of.logits, of.rows, labels) for split, of in seen.items()},
        logits={split: of.logits for split, of in seen.items()},
        seconds=seconds_of(outcome),
        size_bytes=size_of(folder),
    )


def settings_of_lstm(settings: Settings) -> Settings:
    """The same data, splits and seeds; the model, what is minimised and how long are its own."""
    own = {name: value for name, value in settings.trainer.items() if name not in OF_THE_MODEL}
    own |= {"output_dir": str(settings.output_dir / "baselines" / SCRATCH), "report_to": "none"}
    lstm = replace(
        settings,
        model=type(settings.model)(
            model_name_or_path=SCRATCH, cache_dir=settings.model.cache_dir, token=settings.model.token
        ),
        objective=type(settings.objective)(thresholds=settings.objective.thresholds),
        run=replace(
            settings.run, baselines=None, suspect_labels=False, resume=None, strict=False, overwrite_output_dir=True
        ),
        trainer=own,
        given=settings.given - set(OF_THE_MODEL),
        notes=[],
    )
    lstm.start_from_scratch()
    return lstm


@contextmanager
def quietly() -> Iterator[None]:
    """Without the lines of a run inside a run, which has said them; progress bars stay."""
    loggers = [logging.getLogger(name) for name in ("recipe", "classification", "data_utils")]
    levels = [each.level for each in loggers]
    try:
        for each in loggers:
            each.setLevel(max(each.level, logging.ERROR))
        yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def beside_the_model(outcome, run: Callable) -> None:
    """`--baselines` in a training run: fit them, and compare the run's model with the best.

    Args:
        outcome: the `Run` so far, whose `baselines` and `comparison` are set.
        run: as for `run_baselines`.
    """
    settings, labels = outcome.settings, outcome.labels
    results = run_baselines(settings, outcome.splits, labels_of_baselines(labels, settings), run)
    if outcome.trainer.is_world_process_zero():
        model = result_of_run(outcome)
        outcome.comparison = compare_with_best(model, results, outcome.splits, labels, settings)
        outcome.baselines = results | {"model": model}
        write_baselines(settings.output_dir, outcome.baselines, outcome.comparison)
        write_run(outcome)
