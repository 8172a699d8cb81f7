"""`--learning_curve`: the same training on parts of train, scored on validation: would more labels help?"""

from __future__ import annotations

import gc
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from classification.cli.options import Options
from classification.data.labels import LabelSpace
from classification.errors import cosmetic, join_first
from classification.evaluation.curve_fit import Resampled, distrust, extrapolate
from classification.evaluation.predictions import Predictions
from classification.evaluation.significance import Decided, compare_decided
from classification.experiments.curve_points import FOLDER, Point, plan_curve
from classification.experiments.run_parts import run_part, tidy_part
from classification.experiments.runs import FinishedRun, Run
from classification.experiments.study_closing import files_of_model
from classification.messages.log import Line, log_lines
from classification.models.memory_errors import free_memory
from classification.report.number_format import duration
from classification.report.page.learning_curve_words import extrapolation_words, verdict_words
from classification.reporting.console import log_table, muted
from classification.reporting.run_record import write_json
from classification.reporting.run_result import Prepared
from classification.training.processes import stop_together, this_process
from classification.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)

FILE, PLOT = "learning_curve.json", "learning_curve.svg"
HALF = 50  # percent


def trace_curve(options: Options, prepared: Prepared, run: Run) -> dict[str, Any]:
    """Train on each part of train, compare the points on the validation rows, write learning_curve.json and its plot.

    Returns:
        The content of learning_curve.json; empty in processes other than the main one.
    """
    start, result = time.perf_counter(), prepared.result
    plan = plan_curve(options, result.corpus, prepared.trainer.args)
    make_room(prepared.trainer)
    entries, decided = list[dict[str, Any]](), list[Decided]()
    for number, point in enumerate(plan.points, start=1):
        title = f"{point.percent:g}% of train, {point.rows} rows, point {number} of {len(plan.points)}"
        log_lines([Line("", f"\n=== learning curve: {title} ===")])
        finished = train_point(options, point, run)
        result.lost += [f"{part} of {point.name}" for part in finished.lost]
        entries.append(entry_of(point.percent, point.rows, finished))
        decided.append(decided_by(finished))
    entries.append(entry_of(100, plan.rows, result))
    decided.append(decided_by(result))
    curve: dict[str, Any] = {}
    with stop_together():
        if this_process().is_main_process:
            curve = curve_of_points(entries, decided, result.task)
            curve["left_out"] = [{"percent": percent, "why": why} for percent, why in plan.left_out.items()]
            write_json(options.output_dir / FILE, curve)
            draw_plot(options.output_dir / PLOT, curve, result.lost)
    result.seconds[FOLDER] = time.perf_counter() - start
    result.seconds["total"] += result.seconds[FOLDER]
    return curve


def draw_plot(file: Path, curve: dict[str, Any], lost: list[str]) -> None:
    with cosmetic(file.name, lost, asked=False):
        from classification.report.page.figures import write_figure  # matplotlib takes a third of a second to load
        from classification.report.page.learning_curve_figure import draw_learning_curve

        write_figure(file, lambda: draw_learning_curve(curve))


def train_point(options: Options, point: Point, run: Run) -> FinishedRun:
    """The run of a point. Its model and checkpoints are deleted; metrics and run.json stay in its folder."""
    part = point.options(options)
    with muted():  # its lines would repeat those of the run itself
        finished = run_part(part, run)
    with stop_together():
        if this_process().is_main_process and not finished.lost:
            tidy_part(part.output_dir)
            for path in files_of_model(part.output_dir):
                path.unlink()
    gc.collect()  # the trainer and its callbacks refer to each other: the old model would stay in memory
    return finished


def make_room(trainer: ClassificationTrainer) -> None:
    """Free what only training needs, before other models are trained: the gradients and the optimizer's state."""
    trainer.optimizer = trainer.lr_scheduler = None
    trainer.accelerator.free_memory()
    trainer.model.zero_grad(set_to_none=True)
    free_memory()


def decided_by(finished: FinishedRun) -> Decided:
    """The decisions on the validation rows, by the rule of that run."""
    made: Predictions = finished.predictions["validation"]
    return Decided(finished.task.decide(made.logits), np.array(made.label_ids), finished.task)


def entry_of(percent: float, rows: int, finished: FinishedRun) -> dict[str, Any]:
    """A point as learning_curve.json has it: the headline metric with its interval, loss and seconds of training."""
    metrics, headline = finished.metrics, finished.task.headline
    return {
        "percent": percent,
        "rows": rows,
        "val_loss": metrics["eval_loss"],
        headline: metrics[f"eval_{headline}"],
        "low": metrics.get(f"eval_{headline}_low"),
        "high": metrics.get(f"eval_{headline}_high"),
        **({"collapsed": metrics["eval_collapsed"]} if "eval_collapsed" in metrics else {}),
        "seconds": metrics.get("train_runtime"),  # also what was trained before a kill
    }


def curve_of_points(entries: Sequence[dict[str, Any]], decided: Sequence[Decided], task: LabelSpace) -> dict[str, Any]:
    """The points, the gain of the last doubling, and where the curve leads; see docs/accuracy.md.

    Args:
        entries, decided: of each point, the whole of train last.
    """
    place = min(range(len(entries) - 1), key=lambda each: abs(math.log(entries[each]["percent"] / HALF)))
    gain = compare_decided(decided[-1], decided[place])
    rows = [entry["rows"] for entry in entries]
    resampled = Resampled.of(decided)
    collapsed = [f"{entry['percent']:g}%" for entry in entries if "collapsed" in entry]
    why = f"the model has collapsed at {join_first(collapsed)}" if collapsed else distrust(rows, resampled)
    return {
        "metric": task.headline,
        "validation_rows": len(decided[-1].label_ids),
        "points": list(entries),
        "gain": {"percent": entries[place]["percent"], "from_rows": rows[place], "to_rows": rows[-1], **gain},
        "extrapolation": {"absent": why} if why else extrapolate(rows, resampled, 2 * rows[-1]),
    }


def log_curve(curve: Mapping[str, Any]) -> None:
    """The table of points, and what follows from it."""
    metric = curve["metric"]
    rows = {
        f"{point['percent']:g}%": [
            point["rows"], point["val_loss"], point[metric], interval_of(point), duration(point["seconds"])
        ]
        for point in curve["points"]
    }  # fmt: skip
    log_table("of train", ["rows", "val_loss", metric, "95% interval", "time"], rows)
    log_lines([Line("curve", verdict_words(curve)), Line("curve", extrapolation_words(curve))])


def interval_of(point: Mapping[str, Any]) -> str:
    return "" if point["low"] is None else f"{point['low']:.4f} to {point['high']:.4f}"
