"""The end of a study: choose the model, record the results, then delete what is no longer needed.

Each step can be repeated: a study that is killed here ends with the same files when it is continued.
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from classification.cli.options import Options, Study
from classification.data.labels import LabelSpace
from classification.data.tasks import task_as_dict
from classification.errors import cosmetic, join_first, own_error
from classification.evaluation.collapse import find_collapse
from classification.evaluation.predictions import Predictions
from classification.experiments.label_errors import report_out_of_fold_errors
from classification.experiments.out_of_fold import OutOfFold, mean_over_models
from classification.experiments.repeating import record_inputs_of_study
from classification.experiments.run_parts import forget_predictions, tidy_part
from classification.experiments.saved_predictions import FILE as PREDICTIONS
from classification.experiments.study_progress import CHOSEN, FILE, RECORDED, record_stage
from classification.messages.log import log_lines
from classification.reporting.data_digests import digest_outputs
from classification.reporting.run_record import run_record, write_json
from classification.system.files import replacing_bytes, sync_folder
from classification.system.kept_folders import GONE, WAYS

PLOTS = ("curves.svg", "confusion_matrix.svg")
RECORDS = ("run.json", "all_results.json", "predictions.csv", *PLOTS)  # these stay in the folder of every run
RESUME = "run the same command with --resume auto: no run that has all its results is trained again."
LIMITS = ("_low", "_high")


@dataclass
class Collected:
    """What remains of the runs of a study, by name: metrics, tasks, and the predictions of validation and test.

    Args:
        failed: the error of each run that has no result. lost_parts: of every run, what errors have cost.
        lost_of_study: what errors at the end of the study have cost.
    """

    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    tasks: dict[str, LabelSpace] = field(default_factory=dict)
    held_out: dict[str, Predictions] = field(default_factory=dict)
    tested: dict[str, Predictions] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    lost_parts: dict[str, list[str]] = field(default_factory=dict)
    lost_of_study: list[str] = field(default_factory=list)

    @property
    def has_pairs(self) -> bool:
        return any("text_pair" in made.rows.column_names for made in self.held_out.values())

    @property
    def lost(self) -> list[str]:
        """What errors have cost, runs without a result included."""
        lost = [[name] if name in self.failed else [f"{part} of {name}" for part in self.lost_parts[name]]
                for name in self.lost_parts]  # fmt: skip
        return [*(part for parts in lost for part in parts), *self.lost_of_study]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is lost that `--resume auto` can add; a run that has failed would fail again."""
        return not set(self.lost) - set(self.failed)


def record_study(
    options: Options, study: Study, names: list[str], collected: Collected
) -> tuple[dict[str, Any], LabelSpace]:
    """Choose the model and write the results of a study.

    While a part of them is lost, the end of the study is not recorded and no model moves: `--resume auto` adds the part
    and ends the study.

    Args:
        names: of all its runs.

    Returns:
        The content of all_results.json, and the task of the best run, or of the first fold.

    Raises:
        RunError: the folder was moved or removed in between, and lacks runs.
    """
    folder, finished = options.output_dir, list(collected.metrics)
    refuse_missing(folder, [name for name in finished if not collected.lost_parts.get(name)])
    metrics = mean_and_deviation(collected.metrics)
    metrics["collapsed"] = [
        name for name, predictions in collected.held_out.items() if has_collapsed(predictions, collected.tasks[name])
    ]
    if collected.failed:
        metrics["failed"] = collected.failed
    if study.kind == "folds":
        task = pool_folds(options, collected, metrics)
    else:
        metrics["best"] = best = min(finished, key=lambda name: val_loss(collected.metrics[name]))
        task = collected.tasks[best]  # seeds may have thresholds of their own
    if collected.is_whole:
        record_stage(folder, CHOSEN)
        if study.kind == "seeds":
            move_model(folder / metrics["best"], folder)
    write_records(options, study, names, metrics, task, collected.lost)
    if collected.is_whole:
        record_stage(folder, RECORDED)
    return metrics, task


def refuse_missing(folder: Path, runs: list[str]) -> None:
    """Refuse to end a study whose folder has lost runs that were finished in it."""
    if gone := [name for name in runs if not (folder / name / "run.json").is_file()]:
        raise own_error(f"--output_dir {folder}: {GONE}, and lacks {join_first(gone)}. {WAYS}")


def tidy_study(folder: Path, study: Study, finished: list[str]) -> None:
    """Delete checkpoints and saved predictions, and with seeds the models that are not kept.

    The metrics and predictions of every run stay in its folder.

    Args:
        finished: names of the runs with a result.
    """
    for name in finished:
        tidy_part(folder / name)
        forget_predictions(folder / name)
        for path in files_of_model(folder / name) if study.kind == "seeds" else ():
            path.unlink()


def end_study(folder: Path) -> None:
    """The last step: the study is finished."""
    (folder / FILE).unlink(missing_ok=True)
    sync_folder(folder)


def move_model(run: Path, output_dir: Path) -> None:
    """Move the model of a run to `output_dir`, with a copy of its predictions; what was moved before stays there."""
    for path in sorted(files_of_model(run)):
        os.replace(path, output_dir / path.name)
    if (run / "predictions.csv").is_file():
        with open(run / "predictions.csv", "rb") as source, replacing_bytes(output_dir / "predictions.csv") as copy:
            shutil.copyfileobj(source, copy)
    sync_folder(output_dir)


def files_of_model(run: Path) -> Iterator[Path]:
    """The files of a run that are not its records. Folders are a tracker's logs, hidden files a lock."""
    for path in list(run.iterdir()) if run.is_dir() else ():
        if path.is_file() and path.name not in (*RECORDS, PREDICTIONS) and not path.name.startswith("."):
            yield path


def pool_folds(options: Options, collected: Collected, metrics: dict[str, Any]) -> LabelSpace:
    """Write the predictions of all folds, and what `--suspect_labels` finds in them; add their metrics to `metrics`.

    Returns:
        The task that decides in oof.csv.
    """
    pooled = OutOfFold.of(collected.held_out, next(iter(collected.tasks.values())))
    pooled.write(options.output_dir, safe=options.run.csv_safe)
    metrics |= pooled.metrics()
    if options.run.suspect_labels:
        with cosmetic("--suspect_labels", collected.lost_of_study):
            tested = mean_over_models(list(collected.tested.values())) if collected.tested else None
            log_lines(report_out_of_fold_errors(options, pooled, tested))
    return pooled.task


def write_records(
    options: Options, study: Study, names: list[str], metrics: dict[str, Any], task: LabelSpace, lost: list[str]
) -> None:
    folder, arguments = options.output_dir, {**options.as_typed, "trainer": dict(options.trainer)}
    write_json(folder / "all_results.json", metrics)
    facts: dict[str, object] = {"study": {"kind": study.kind, "folds": study.folds, "runs": names}, "lost": lost}
    facts |= {"labels": task.names, "task": task_as_dict(task)}
    facts |= record_inputs_of_study(options, names) | digest_outputs(folder)
    write_json(folder / "run.json", run_record(options.argv, arguments, results=metrics, **facts))


# ------------------------------------------------------------------------------------------------------------ metrics


def val_loss(metrics: dict[str, Any]) -> float:
    loss = metrics.get("eval_loss", math.nan)
    return loss if math.isfinite(loss) else math.inf


def mean_and_deviation(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The metrics of each run, and mean and standard deviation of every number that all runs have.

    The limits of an interval have no mean: they say how one model varies over rows, and `_sd` how models vary.
    """
    metrics: dict[str, Any] = {"runs": runs}
    for key in next(iter(runs.values())):
        values = [value for run in runs.values() if isinstance(value := run.get(key), float)]
        if len(values) == len(runs) and not key.endswith(LIMITS):
            metrics[f"{key}_mean"] = float(np.mean(values))
            metrics[f"{key}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return metrics


def has_collapsed(predictions: Predictions, task: LabelSpace) -> bool:
    """Whether all rows have one decision although their labels differ, or as `find_collapse`.

    Few rows may have one decision by chance, but a study can compare its runs.
    """
    label_ids = np.array(predictions.label_ids)
    is_varied = len(np.unique(label_ids, axis=0)) > 1
    is_constant = is_varied and task.is_constant(task.decide(predictions.logits))
    return is_constant or find_collapse(predictions.logits, label_ids, task) is not None
