"""A model beside baselines: one table of what each reached and what it costs, and whether the best differs by more than
chance."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from datasets import Dataset, DatasetDict

from classification.cli.options import Settings
from classification.data.labels import LabelSpace
from classification.evaluation.metrics import LOWER_IS_BETTER, headline, score_labelled
from classification.evaluation.significance import compare
from classification.reporting.console import say_table
from classification.reporting.run_record import write_json
from classification.training.checkpoints import WEIGHTS

logger = logging.getLogger(__name__)

FILE = "baselines.json"
SECOND_FIGURE = {"accuracy": "f1_macro", "f1_micro": "f1_macro", "rmse": "pearson"}


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


def figures_of(logits: np.ndarray, rows: Dataset, labels: LabelSpace, *, has_loss: bool = True) -> dict[str, float]:
    """The metrics of the rows that have labels; the loss is None where logits are no logarithms of probabilities."""
    given = rows["label"][:] if "label" in rows.column_names else [None] * len(rows)
    scored = score_labelled(logits, given, labels)
    figures = {name: value for name, value in scored.items() if not isinstance(value, dict | list)}
    return figures | ({} if has_loss or "loss" not in figures else {"loss": None})


def result_of_run(outcome) -> Result:
    """The run's own model as a line of the table."""
    return Result(
        "this model",
        figures={split: figures_of(of.logits, of.rows, outcome.labels) for split, of in outcome.predictions.items()},
        logits={split: of.logits for split, of in outcome.predictions.items()},
        seconds=seconds_of(outcome),
        size_bytes=size_of(outcome.settings.output_dir),
    )


def seconds_of(outcome) -> float:
    """Of training, evaluation and prediction, without reading and tokenising."""
    return sum(outcome.seconds.get(phase, 0.0) for phase in ("train", "eval", "predict"))


def size_of(folder: Path) -> int:
    """Bytes of the weights and the tokenizer."""
    files = (folder / name for name in (*WEIGHTS, "tokenizer.json"))
    return sum(path.stat().st_size for path in files if path.exists())


def labels_of_baselines(labels: LabelSpace, settings: Settings) -> LabelSpace:
    """With several labels a row, the thresholds that were given, not those that were tuned for the model."""
    plain = labels.with_even_odds()
    return plain if settings.thresholds is None else plain.with_thresholds(settings.thresholds)


def best_of(results: dict[str, Result], labels: LabelSpace) -> str | None:
    """The name of the baseline with the best headline figure on validation."""
    figure = headline(labels)
    sign = -1 if figure in LOWER_IS_BETTER else 1
    scored = {name: of.figures.get("validation", {}).get(figure, math.nan) for name, of in results.items()}
    finite = (name for name, value in scored.items() if math.isfinite(value))
    return max(finite, key=lambda name: sign * scored[name], default=None)


def compare_with_best(
    model: Result, results: dict[str, Result], splits: DatasetDict, labels: LabelSpace, settings: Settings
) -> dict:
    """The model against the best baseline, on the labelled rows of test, or of validation where test has none; empty
    where either has no predictions there."""
    best, of_baseline = best_of(results, labels), labels_of_baselines(labels, settings)
    for split in ("test", "validation"):
        if best is None or split not in splits or "label" not in splits[split].column_names:
            continue
        given = splits[split]["label"][:]
        rows = [row for row, label in enumerate(given) if label is not None]
        if rows and split in model.logits and split in results[best].logits:
            label_ids = np.array([given[row] for row in rows])
            logits = [of.logits[split][rows] for of in (model, results[best])]
            compared = compare(*logits, label_ids, labels, of_baseline)
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
        shown = ["-" if value is None or math.isnan(value) else f"{value:.4f}" for value in figures]
        seconds = "-" if result.seconds is None else f"{result.seconds:.1f}"
        size = "-" if result.size_bytes is None else f"{result.size_bytes / 1e6:.1f}"
        lines[result.title] = [*shown, seconds, size]
    say_table("baselines", columns, lines, first=max(12, *(len(title) for title in lines)))
    for result in results.values():
        if result.absent:
            logger.info("- %s has no meaning here: %s", result.title, result.absent)
    if any(figures.get("loss", 0.0) is None for result in results.values() for figures in result.figures.values()):
        logger.info("- SVMs have no loss: what they give are no probabilities")


def say_comparison(comparison: dict, results: dict[str, Result]) -> None:
    """One plain sentence: who wins, or that nobody does."""
    if not comparison:
        return
    of, title = comparison["figures"], results[comparison["baseline"]].title
    p = "" if of["mcnemar_p"] is None else f", McNemar's p = {of['mcnemar_p']:.2g}"
    doubt = "; validation also chose both" if comparison["split"] == "validation" else ""
    logger.info(
        "\nversus       %s: %s %.4f against %.4f of %s, the best baseline on validation (%d rows of %s; difference "
        "%+.4f, 95%% interval %+.4f to %+.4f%s%s)", of["verdict"], of["metric"], of["model"], of["baseline"], title,
        of["rows"], comparison["split"], of["difference"], of["low"], of["high"], p, doubt,
    )  # fmt: skip


def write_baselines(folder: Path, results: dict[str, Result], comparison: dict) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"methods": {name: result.as_dict() for name, result in results.items()}, "comparison": comparison}
    write_json(folder / FILE, content)
