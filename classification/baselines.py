"""Classical methods and a bidirectional LSTM on the same rows, with the same metrics: is the large model worth it?

    python -m classification.baselines --train_file reviews.csv --test_file test.csv

with the flags of run_classification.py, or with `--baselines` in a training run, whose model then stands in the same
table and is compared with the best of them. Which is best is decided on validation; nothing is fitted to it or test.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import joblib
import numpy as np
from datasets import DatasetDict
from tqdm.auto import tqdm

from arguments import parse_arguments
from classification.checkpoints import WEIGHTS
from classification.classical import METHODS, absent, fit
from classification.console import configure_logging, say_rows, say_table
from classification.errors import exit_on_usage_error
from classification.findings import refuse, say_findings
from classification.labels import LabelSpace
from classification.metrics import LOWER_IS_BETTER, headline, score_labelled
from classification.results import write_json
from classification.rows import prepare_rows
from classification.settings import SCRATCH, Settings
from classification.significance import compare
from classification.studies import remove_checkpoints
from classification.word_counts import Features

logger = logging.getLogger("recipe")

FILE = "baselines.json"
MOST_CORES = 8  # each process of the topics has its own copy of the counts
SECOND_FIGURE = {"accuracy": "f1_macro", "f1_micro": "f1_macro", "rmse": "pearson"}
OF_THE_MODEL = (  # flags of the Trainer that were meant for the model, not for an LSTM
    "max_steps", "gradient_checkpointing", "activation_checkpointing", "deepspeed", "fsdp", "fsdp_config",
    "torch_compile", "label_smoothing_factor", "push_to_hub", "learning_rate", "num_train_epochs",
)  # fmt: skip


@dataclass
class Result:
    """What a method reached: figures by split, logits [B, C] by split, and what it costs."""

    title: str
    figures: dict[str, dict] = field(default_factory=dict)
    logits: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: float | None = None
    size_bytes: int | None = None
    absent: str | None = None  # why it has no meaning here

    def as_dict(self) -> dict:
        if self.absent:
            return {"title": self.title, "absent": self.absent}
        facts = {"title": self.title, "seconds": self.seconds, "size_bytes": self.size_bytes}
        return facts | {f"{split}_{name}": value for split, of in self.figures.items() for name, value in of.items()}


def run_baselines(settings: Settings, splits: DatasetDict, labels: LabelSpace, run: Callable) -> dict[str, Result]:
    """Every baseline that `--baselines` names, by name. In several processes the main one fits the classical methods.

    Args:
        splits: train, validation and, where there is one, test; labels encoded.
        run: `run_classification.run`, for the LSTM.
    """
    results, main_process = {}, int(os.environ.get("RANK", 0)) == 0
    classical = [name for name in settings.baselines if name in METHODS]
    if classical and main_process:
        results |= fit_classical(classical, splits, labels, settings.trainer["seed"])
    if SCRATCH in settings.baselines:
        results[SCRATCH] = train_lstm(settings, labels, run)
    return {name: results[name] for name in settings.baselines if name in results}


def fit_classical(names: list[str], splits: DatasetDict, labels: LabelSpace, seed: int) -> dict[str, Result]:
    """Fit each method on train and score the other splits; their seconds are without counting words, once for all."""
    results, others = {}, [split for split in splits if split != "train"]
    start = time.perf_counter()
    features, train = Features(splits), np.array(splits["train"]["label"][:])
    for split in others:
        features.counts(split)
    logger.info("words        %d words and pairs of words counted in %.1f s, for all methods",
                len(features.terms), time.perf_counter() - start)  # fmt: skip
    with joblib.parallel_config(n_jobs=min(MOST_CORES, os.cpu_count() or 1)):
        bar = tqdm(names, desc="Baselines", unit="method", leave=False)
        for name in bar:
            bar.set_postfix_str(METHODS[name].title)
            results[name] = result = Result(METHODS[name].title, absent=absent(name, labels))
            if result.absent:
                continue
            start = time.perf_counter()
            model = fit(name, features, train, labels, seed)
            result.logits = {split: model.logits(features.counts(split)) for split in others}
            result.seconds, result.size_bytes = time.perf_counter() - start, model.size_bytes
            result.figures = {
                split: figures_of(logits, splits[split], labels, has_probabilities=model.has_probabilities)
                for split, logits in result.logits.items()
            }
    return results


def figures_of(logits: np.ndarray, rows, labels: LabelSpace, *, has_probabilities: bool = True) -> dict[str, float]:
    """The metrics of the rows that have labels; the loss is None where probabilities are none."""
    given = rows["label"][:] if "label" in rows.column_names else [None] * len(rows)
    scored = score_labelled(logits, given, labels)
    figures = {name: value for name, value in scored.items() if not isinstance(value, dict | list)}
    return figures | ({} if has_probabilities or "loss" not in figures else {"loss": None})


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
        seconds=outcome.seconds["total"],
        size_bytes=sum((folder / name).stat().st_size for name in ("model.safetensors", "tokenizer.json")),
    )


def settings_of_lstm(settings: Settings) -> Settings:
    """The same data, splits and seeds; the model, what is minimised and how long are its own."""
    own = {name: value for name, value in settings.trainer.items() if name not in OF_THE_MODEL}
    own |= {"output_dir": str(settings.output_dir / "baselines" / SCRATCH), "report_to": "none"}
    lstm = replace(
        settings,
        model=type(settings.model)(model_name_or_path=SCRATCH, cache_dir=settings.model.cache_dir),
        objective=type(settings.objective)(),
        run=replace(settings.run, baselines=None, suspect_labels=False, resume=None, overwrite_output_dir=True),
        trainer=own | dict.fromkeys(("do_train", "do_eval", "do_predict"), False),
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


# ---------------------------------------------------------------------------------------------------------- comparing


def best_of(results: dict[str, Result], labels: LabelSpace) -> str | None:
    """The name of the baseline with the best headline figure on validation."""
    figure = headline(labels)
    sign = -1 if figure in LOWER_IS_BETTER else 1
    scored = {name: of.figures["validation"][figure] for name, of in results.items() if "validation" in of.figures}
    return max(scored, key=lambda name: sign * scored[name], default=None)


def compare_with_best(model: Result, results: dict[str, Result], splits: DatasetDict, labels: LabelSpace) -> dict:
    """The model against the best baseline, on the labelled rows of test, or of validation where test has none; empty
    where either has no predictions there."""
    best = best_of(results, labels)
    for split in ("test", "validation"):
        if best is None or split not in splits or "label" not in splits[split].column_names:
            continue
        given = splits[split]["label"][:]
        rows = [row for row, label in enumerate(given) if label is not None]
        if rows and split in model.logits and split in results[best].logits:
            label_ids = np.array([given[row] for row in rows])
            compared = compare(model.logits[split][rows], results[best].logits[split][rows], label_ids, labels)
            return {"baseline": best, "split": split} | {"figures": compared}
    return {}


def say_baselines(results: dict[str, Result], labels: LabelSpace) -> None:
    """One table of all methods, and why some have no line in it."""
    first = headline(labels)
    second = SECOND_FIGURE[first]
    columns = [f"val {first}", f"test {first}", f"test {second}", "test loss", "seconds", "MB"]
    lines = {}
    for result in results.values():
        validation, test = (result.figures.get(split, {}) for split in ("validation", "test"))
        figures = [validation.get(first), test.get(first), test.get(second), test.get("loss")]
        shown = ["-" if value is None else f"{value:.4f}" for value in figures]
        seconds = "-" if result.seconds is None else f"{result.seconds:.1f}"
        size = "-" if result.size_bytes is None else f"{result.size_bytes / 1e6:.1f}"
        lines[result.title] = [*shown, seconds, size]
    say_table("baselines", columns, lines, first=max(12, *(len(title) for title in lines)))
    for result in results.values():
        if result.absent:
            logger.info("- %s has no meaning here: %s", result.title, result.absent)
    if any(figures.get("loss", 0.0) is None for result in results.values() for figures in result.figures.values()):
        logger.info("- SVMs have no loss: what they give are no probabilities")


def beside_the_model(outcome, run: Callable) -> None:
    """`--baselines` in a training run: fit them, and compare the run's model with the best.

    Args:
        outcome: the `Run` so far, whose `baselines` and `comparison` are set.
        run: as for `run_baselines`.
    """
    results = run_baselines(outcome.settings, outcome.splits, outcome.labels, run)
    if outcome.trainer.is_world_process_zero():
        model = result_of_run(outcome)
        outcome.comparison = compare_with_best(model, results, outcome.splits, outcome.labels)
        outcome.baselines = results | {"model": model}
        write_baselines(outcome.settings.output_dir, outcome.baselines, outcome.comparison)


def result_of_run(outcome) -> Result:
    """The run's own model as a line of the table."""
    keys = {"validation": "eval", "test": "test"}
    weights = [outcome.settings.output_dir / name for name in WEIGHTS]
    return Result(
        "this model",
        figures={
            split: {
                name.removeprefix(f"{key}_"): value for name, value in outcome.results.items() if name.startswith(key)
            }
            for split, key in keys.items()
        },
        logits={split: of.logits for split, of in outcome.predictions.items()},
        seconds=sum(outcome.seconds.get(phase, 0.0) for phase in ("train", "predict")),
        size_bytes=sum(path.stat().st_size for path in weights if path.exists()),
    )


def say_comparison(comparison: dict, results: dict[str, Result]) -> None:
    """One plain sentence: who wins, or that nobody does."""
    if not comparison:
        return
    of, title = comparison["figures"], results[comparison["baseline"]].title
    p = "" if of["mcnemar_p"] is None else f", McNemar's p = {of['mcnemar_p']:.2g}"
    logger.info(
        "\nversus       %s: %s %.4f against %.4f of %s, the best baseline on validation (%d rows of %s; difference "
        "%+.4f, 95%% interval %+.4f to %+.4f%s)", of["verdict"], of["metric"], of["model"], of["baseline"], title,
        of["rows"], comparison["split"], of["difference"], of["low"], of["high"], p,
    )  # fmt: skip


def write_baselines(folder: Path, results: dict[str, Result], comparison: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"methods": {name: result.as_dict() for name, result in results.items()}, "comparison": comparison}
    write_json(folder / FILE, content)


# -------------------------------------------------------------------------------------------------------------- alone


def main(argv: list[str] | None = None) -> dict:
    """The baselines without a model: the command line of run_classification.py, of which the data counts.

    Returns:
        By name the figures of each method, as baselines.json has them.
    """
    from run_classification import run  # it imports this file

    settings = parse_arguments([*(sys.argv[1:] if argv is None else map(str, argv))])
    settings.run.baselines = settings.run.baselines or "all"
    configure_logging()
    rows = prepare_rows(settings, config=None, fold=None)
    say_rows(rows)
    say_findings(rows.findings)
    refuse(rows.findings, strict=settings.run.strict)
    results = run_baselines(settings, rows.splits, rows.labels, run)
    say_baselines(results, rows.labels)
    write_baselines(settings.output_dir, results, {})
    logger.info("\nWritten to %s", settings.output_dir / FILE)
    return {name: result.as_dict() for name, result in results.items()}


if __name__ == "__main__":
    exit_on_usage_error(main)
