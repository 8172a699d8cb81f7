"""The files of a finished run, read back: all that its report and its model card are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from classification.data.label_hints import LabelHints
from classification.data.labels import LabelSpace
from classification.data.tasks import task_from_dict
from classification.errors import UsageError
from classification.report.json_fields import first_words, mapping_in, read_json
from classification.report.prediction_table import PredictionTable, read_predictions

PAGE = "report.html"
BUDGET = 8_000_000  # bytes


@dataclass(frozen=True)
class RunFiles:
    """What a run has left in its folder.

    Args:
        record: run.json. metrics: all_results.json.
        predictions: of test; None where nothing was predicted.
        neighbours: neighbours.json; empty where it is missing.
        byte_budget: how many bytes of the page the rows of a section may take; smaller where the page was too large.
        study: all_results.json of the study that the run belongs to; empty for a run of its own.
        rows_are: what the rows of `predictions` are, and the metrics `test_<name>`: `test`, or `out-of-fold`.
        is_shared: people without the folder read the page (`shared_run.py`).
    """

    folder: Path
    record: Mapping[str, Any]
    metrics: Mapping[str, Any]
    task: LabelSpace
    predictions: PredictionTable | None
    neighbours: Mapping[str, Any]
    byte_budget: int = BUDGET
    study: Mapping[str, Any] = field(default_factory=dict)
    rows_are: str = "test"
    is_shared: bool = False

    @property
    def arguments(self) -> Mapping[str, Any]:
        """The flags of the recipe, given or not; empty where the record lacks them."""
        return mapping_in(self.record, "arguments")

    @property
    def shows_texts(self) -> bool:
        """Whether the report may hold texts (`--report_texts`)."""
        return bool(self.arguments.get("report_texts", True))

    @property
    def scored_split(self) -> str | None:
        """`test`, where its rows were scored; else `validation`, where these were; else None."""
        return next((split for split, prefix in PREFIXES.items() if f"{prefix}_loss" in self.metrics.keys()), None)

    def metric(self, name: str, split: str) -> Any:
        """A figure of a split, such as `accuracy` or `accuracy_low`; None where it is missing or undefined."""
        return self.metrics.get(f"{PREFIXES[split]}_{name}")


PREFIXES = {"test": "test", "validation": "eval"}  # in all_results.json


def read_run(folder: Path) -> RunFiles:
    """Read what a run has left, also one of the first version.

    Raises:
        UsageError: the folder holds no run; a file is damaged, or is not the one that the run wrote.
    """
    record = read_json(folder / "run.json")
    if record is None:
        raise UsageError(f"{folder}: is not the folder of a run, it has no run.json. Give the --output_dir of a run.")
    if not any(key in record for key in ("results", "data", "command")):
        raise UsageError(f"{folder}: its run.json is not that of a run. Give the --output_dir of a run.")
    results = read_json(folder / "all_results.json")
    metrics = mapping_in(record, "results") if results is None else results
    check_same_run(folder, record, metrics)
    task = task_of(folder, record, metrics)
    return RunFiles(
        folder, record, metrics, task,
        predictions=read_predictions(folder, record, metrics, task),
        neighbours=read_json(folder / "neighbours.json") or {},
    )  # fmt: skip


def check_same_run(folder: Path, record: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Refuse an all_results.json that another run wrote."""
    recorded = mapping_in(record, "results")
    differing = sorted(name for name in recorded if name in metrics and metrics[name] != recorded[name])
    if differing:
        raise UsageError(
            f"{folder / 'all_results.json'}: is not of this run, {differing[0]} differs from run.json. Put the file of "
            "the run back, or remove it: run.json has the results too."
        )


def task_of(folder: Path, record: Mapping[str, Any], metrics: Mapping[str, Any]) -> LabelSpace:
    """The task as the run recorded it; the first version recorded names only, and the rest is in the saved config.

    Raises:
        UsageError: the record has no labels, or they are damaged.
    """
    hints = LabelHints(delimiter=mapping_in(record, "arguments").get("label_delimiter"))
    try:
        config = record.get("task") or read_json(folder / "config.json") or config_of(record, metrics)
        names = {int(label_id): str(name) for label_id, name in config["id2label"].items()}
        given = {"problem_type": None, "num_labels": len(names), **config, "id2label": names}
        return task_from_dict(given, hints)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UsageError):
            raise
        problem = f"{type(error).__name__}: {first_words(error)}"
        raise UsageError(f"{folder / 'run.json'}: its labels are damaged ({problem}). Take it from a copy.") from error


def config_of(record: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What a record of the first version tells about its task, where no model was saved."""
    names = record["labels"]
    classes = mapping_in(metrics, "test_per_class") or mapping_in(metrics, "eval_per_class")
    thresholds = {name: figures["threshold"] for name, figures in classes.items() if "threshold" in figures}
    is_number = "test_rmse" in metrics or "eval_rmse" in metrics
    kind = "regression" if is_number else "multi_label_classification" if thresholds else "single_label_classification"
    config = {"problem_type": kind, "id2label": dict(enumerate(names)), "num_labels": len(names)}
    return config | ({"thresholds": thresholds} if thresholds else {})
