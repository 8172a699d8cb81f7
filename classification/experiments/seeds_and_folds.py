"""One command, several trainings: over seeds, to see how far luck goes; over folds, to use every row of small data."""

from __future__ import annotations

import gc
import logging
import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from accelerate import PartialState
from datasets import concatenate_datasets

from classification.cli.options import Settings
from classification.data.labels import LabelSpace
from classification.evaluation import decisions
from classification.evaluation.metrics import score_labelled
from classification.reporting.console import say_study, say_where
from classification.reporting.run_record import Predictions, account, write_json, write_predictions
from classification.training.checkpoints import CHECKPOINT

logger = logging.getLogger(__name__)

PLOTS = ("curves.svg", "confusion_matrix.svg")
FIGURES = ("run.json", "all_results.json", "predictions.csv", *PLOTS)  # what stays in the folder of every run


def run_study(settings: Settings, run: Callable) -> dict:
    """Run the command once for each seed or fold, each in a folder of its own inside the output folder.

    Of seeds, the model with the lowest val_loss moves to the output folder itself and the others are deleted. Of folds
    every model stays in its folder, and one file has the predictions for the rows that each did not see. Checkpoints
    are deleted.

    Args:
        run: called with the settings of one run and, by keyword, its `fold`; returns an object with `results`,
            `labels` and `predictions` (of each split).

    Returns:
        What all_results.json holds: `<metric>_mean` and `<metric>_sd` (of a sample, n - 1) over the runs, the figures
        of each under `runs`, and `collapsed`, the runs that predict one and the same for every row.
    """
    start = time.perf_counter()
    plans = plan_seeds(settings) if settings.study == "seeds" else plan_folds(settings)
    folder, results, held_out, labels = settings.output_dir, {}, {}, {}  # by name of the run
    for number, (name, (plan, fold)) in enumerate(plans.items(), start=1):
        logger.info("%s=== %s, run %d of %d ===", "\n" if results else "", name, number, len(plans))
        outcome = run(plan, fold=fold)
        if settings.run.dry_run:
            return outcome.results
        results[name], labels[name] = outcome.results, outcome.labels
        held_out[name] = outcome.predictions["validation"]
        del outcome
        gc.collect()  # the trainer and its callbacks know each other: the old model would stay in memory
        if PartialState().is_main_process:
            remove_checkpoints(folder / name)
    if not PartialState().is_main_process:
        return {}
    figures = summary(results)
    figures["collapsed"] = [name for name, seen in held_out.items() if has_collapsed(seen, labels[name])]
    shown = next(iter(results))  # folds all have the same labels; seeds may have thresholds of their own
    if settings.study == "seeds":
        figures["best"] = shown = min(results, key=lambda name: val_loss(results[name]))
        keep_model(folder, list(results), shown)
    else:
        everyone = in_order_of_train(held_out)
        write_predictions(folder / "out_of_fold_predictions.csv", everyone, labels[shown])
        pooled = score_labelled(everyone.logits, everyone.rows["label"][:], labels[shown])
        figures |= {f"out_of_fold_{metric}": value for metric, value in pooled.items()}
    write_json(folder / "all_results.json", figures)
    write_json(folder / "run.json", account(
        settings.argv, settings.as_dict() | {"trainer": settings.trainer}, results=figures))  # fmt: skip
    say_study(figures, labels[shown])
    say_where(folder, model=str(folder) if "best" in figures else None, labels=labels[shown],
              seconds=time.perf_counter() - start)  # fmt: skip
    return figures


def plan_seeds(settings: Settings) -> dict[str, tuple[Settings, None]]:
    """By name the settings of each run. One seed sets the new weights, dropout and the order of rows (whose orders for
    neighbouring seeds share nothing, see `TrainSampler`); the splits stay."""
    plans = {}
    for number, seed in enumerate(settings.seeds):
        seeds = {"seed": seed} if "data_seed" in settings.given else {"seed": seed, "data_seed": seed}
        plans[f"seed-{seed}"] = (settings.one_of_study(f"seed-{seed}", first=number == 0, **seeds), None)
    return plans


def plan_folds(settings: Settings) -> dict[str, tuple[Settings, tuple[int, int]]]:
    """By name the settings of each run and its fold: number (from 0) and count."""
    count = settings.run.folds
    return {
        f"fold-{fold + 1}": (settings.one_of_study(f"fold-{fold + 1}", first=fold == 0), (fold, count))
        for fold in range(count)
    }


def val_loss(results: dict) -> float:
    return results["eval_loss"] if math.isfinite(results["eval_loss"]) else math.inf


def summary(results: dict[str, dict]) -> dict:
    """The figures of each run, and mean and standard deviation of every one that all runs have."""
    figures: dict = {"runs": results}
    for key, value in next(iter(results.values())).items():
        values = [run[key] for run in results.values() if key in run]
        if isinstance(value, float) and len(values) == len(results):
            figures[f"{key}_mean"], figures[f"{key}_sd"] = float(np.mean(values)), float(np.std(values, ddof=1))
    return figures


def has_collapsed(seen: Predictions, labels: LabelSpace) -> bool:
    """Whether one and the same is predicted for every row where the labels differ: fine-tuning that failed, as small
    data sometimes does (Mosbach et al. 2021, On the Stability of Fine-tuning BERT)."""
    given, decided = np.array(seen.rows["label"][:]), decisions.decide(seen.logits, labels)
    if len(np.unique(given, axis=0)) == 1:
        return False
    if labels.is_regression:
        return bool(np.ptp(decided) < 0.01)  # in deviations of the training labels
    return len(np.unique(decided, axis=0)) == 1


def remove_checkpoints(folder: Path) -> None:
    for path in folder.iterdir():
        if CHECKPOINT.fullmatch(path.name):
            shutil.rmtree(path)


def keep_model(output_dir: Path, names: list[str], best: str) -> None:
    """Move the best run's model to `output_dir`, with a copy of its predictions, and delete the others'. The figures
    and predictions of every run stay in its folder."""
    for name in names:
        for path in filter(Path.is_file, (output_dir / name).iterdir()):  # folders are a tracker's logs
            if path.name == "predictions.csv" and name == best:
                shutil.copy(path, output_dir / path.name)
            elif path.name not in FIGURES and name == best:
                shutil.move(path, output_dir / path.name)
            elif path.name not in FIGURES:
                path.unlink()


def in_order_of_train(held_out: dict[str, Predictions]) -> Predictions:
    """The predictions of all folds, rows in the order of train."""
    parts = list(held_out.values())
    order = np.argsort(np.concatenate([part.rows["position"][:] for part in parts]), kind="stable")
    values = (
        np.concatenate([getattr(part, name) for part in parts])[order] for name in ("logits", "tokens", "full_tokens")
    )
    return Predictions(concatenate_datasets([part.rows for part in parts]).select(order), *values)
