"""The files of a study read as one run: the model that is kept, or with folds the out-of-fold rows instead of test.

What the study itself found is in `RunFiles.study`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from classification.errors import UsageError
from classification.report.json_fields import mapping_in, read_json
from classification.report.prediction_table import PredictionTable, read_predictions
from classification.report.run_files import RunFiles, read_run, task_of

OUT_OF_FOLD = "out_of_fold_"
FILES = ("oof.csv", "out_of_fold_predictions.csv")  # the second one is that of the first version
OF_STUDY = ("command", "arguments", "flags", "working_directory", "files", "commits", "study", "lost")


def read_folder(folder: Path) -> RunFiles:
    """Read what a run or a study has left.

    Raises:
        UsageError: the folder holds neither; a file is damaged, or is not the one that the run wrote.
    """
    record = read_json(folder / "run.json") or {}
    results = read_json(folder / "all_results.json") or mapping_in(record, "results")
    runs = mapping_in(results, "runs")
    if not runs:
        refuse_open_study(folder, record)
        return read_run(folder)
    name = results["best"] if results.get("best") in runs else next(iter(runs))
    part = read_json(folder / name / "run.json")
    if part is None:
        raise UsageError(
            f"{folder}: {name} has no run.json, which records what the study was trained on. Take it from a copy."
        )
    shared = {key: record[key] for key in OF_STUDY if key in record}
    part = {key: value for key, value in part.items() if key != "not_repeatable"} | shared
    part["seconds"] = seconds_of_all(folder, list(runs))
    return read_seeds(folder, name, part, results) if "best" in results else read_folds(folder, part, record, results)


def seconds_of_all(folder: Path, names: Sequence[str]) -> dict[str, float]:
    """What all runs of a study took together, by phase."""
    total: Counter[str] = Counter()
    for name in names:
        seconds = mapping_in(read_json(folder / name / "run.json") or {}, "seconds")
        total.update({phase: value for phase, value in seconds.items() if isinstance(value, int | float)})
    return dict(total)


def kept_run(folder: Path) -> Path | None:
    """The folder of the run whose model a study has kept; None for anything else."""
    record = read_json(folder / "run.json") or {}
    results = read_json(folder / "all_results.json") or mapping_in(record, "results")
    best = results.get("best")
    return folder / str(best) if best in mapping_in(results, "runs") else None


def refuse_open_study(folder: Path, record: Mapping[str, Any]) -> None:
    if not record and (folder / "study_progress.json").is_file():
        raise UsageError(f"{folder}: the study has not ended. Continue it: the same command with --resume auto.")


def read_seeds(folder: Path, name: str, part: Mapping[str, Any], results: Mapping[str, Any]) -> RunFiles:
    """The run whose model is kept, with the files of the study's folder."""
    metrics = read_json(folder / name / "all_results.json") or mapping_in(results, "runs", name)
    task = task_of(folder, part, metrics)
    return RunFiles(
        folder, part, metrics, task,
        predictions=read_predictions(folder, part, metrics, task),
        neighbours=read_json(folder / "neighbours.json") or {},
        study=results,
    )  # fmt: skip


def read_folds(
    folder: Path, part: Mapping[str, Any], record: Mapping[str, Any], results: Mapping[str, Any]
) -> RunFiles:
    """The rows of train, each predicted by a model that was not trained on it."""
    metrics = {f"test_{key.removeprefix(OUT_OF_FOLD)}": value for key, value in results.items()
               if key.startswith(OUT_OF_FOLD)}  # fmt: skip
    of_one_fold = ("task", "selections", "average", "epochs", "log_history", "best_step", "best_metric", "predictions")
    part = {key: value for key, value in part.items() if key not in of_one_fold}
    part |= {key: record[key] for key in ("task", "labels", "predictions") if key in record}
    rows = results.get(f"{OUT_OF_FOLD}samples")
    part["data"] = {"train": {"rows": rows}} if rows else {}
    task = task_of(folder, part, metrics)
    files = [name for name in FILES if (folder / name).is_file()]
    table: PredictionTable | None = None
    if files:
        table = read_predictions(folder, part, metrics, task, file=files[0])
    return RunFiles(folder, part, metrics, task, table, {}, study=results, rows_are="out-of-fold")
