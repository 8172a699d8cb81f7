"""A run as people outside may see it: without texts, ids of rows, local paths and messages of errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from classification.report.json_fields import list_in, mapping_in
from classification.report.plain_findings import PLAIN_KINDS, without_texts
from classification.report.prediction_table import PredictionTable
from classification.report.run_files import RunFiles

LOCAL_DATA, LOCAL_MODEL = "local files", "a local model"
SHOWN = (  # of run.json; all other keys are left out, among them the command and the files that were read
    "average", "baselines", "best_metric", "best_step", "comparison", "data", "decisions", "epochs", "fingerprint",
    "labels", "learning_curve", "log_history", "machine", "origins", "seconds", "teacher", "throughput",
    "tokens", "validation_method",
)  # fmt: skip
CHOICES = (  # flags whose words are the project's own; of all others only numbers are shown
    "freeze", "loss", "lr_scheduler_type", "metric_for_best_model", "pooling", "precision", "sampler",
    "truncation_strategy", "validation_strategy",
)  # fmt: skip
NAMED_WEIGHTS = ("balanced", "effective")
NO_REASON = "the reason is in the log of its owner"


def shared_run(run: RunFiles) -> RunFiles:
    """The run with what only its owner may see replaced or left out."""
    record = {key: run.record[key] for key in SHOWN if key in run.record}
    return replace(
        run,
        record=record
        | {
            "arguments": shared_arguments(run),
            "findings": shared_findings(run),
            "search": shared_search(mapping_in(run.record, "search")),
            "selections": shared_selections(run.record),
        },
        predictions=None if run.predictions is None else numbered(run.predictions),
        neighbours={},
        study=without_failures(run.study),
        is_shared=True,
    )


def shared_arguments(run: RunFiles) -> dict[str, Any]:
    """The flags, with names on the Hub or none at all in the place of local files and folders."""
    given, origins = run.arguments, mapping_in(run.record, "origins")
    base, dataset = origins.get("base_model"), origins.get("dataset")
    name = given.get("model_name_or_path")
    return {
        **plain_values(given),
        "trainer": plain_values(mapping_in(given, "trainer")),
        "class_weights": plain_weights(given.get("class_weights")),
        "report_texts": False,
        "model_name_or_path": name if name == "bilstm" else base or LOCAL_MODEL,
        "dataset_name": dataset,
        "dataset_config_name": given.get("dataset_config_name") if dataset else None,
        "train_file": None if dataset else LOCAL_DATA,
    }


def plain_values(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in flags.items() if name in CHOICES or isinstance(value, bool | int | float)}


def plain_weights(given: Any) -> Any:
    return given if given in (None, *NAMED_WEIGHTS) else "as given"  # a local file, or a table of weights


def shared_findings(run: RunFiles) -> list[dict[str, Any]]:
    """The findings in words that quote no text, without ids and examples; those of one kind that quotes are one."""
    findings = [finding for finding in list_in(run.record, "findings") if isinstance(finding, dict)]
    shared: dict[str, dict[str, Any]] = {}
    for finding in findings:
        is_plain = finding.get("kind") in PLAIN_KINDS
        same = [one for one in findings if one.get("severity") == finding.get("severity")]
        what = finding.get("what") if is_plain else without_texts(finding, same)
        kept = ("kind", "severity", "split", "count", *(("why", "remedy") if is_plain else ()))
        shared.setdefault(str(what), {"what": what, **{key: finding.get(key) for key in kept}})
    return list(shared.values())


def shared_search(search: Mapping[str, Any]) -> dict[str, Any]:
    """A search without the messages of trials that failed, which may quote a row or a path."""
    trials = [shared_trial(trial) for trial in list_in(search, "trials") if isinstance(trial, Mapping)]
    names = dict.fromkeys(mapping_in(search, "space"))  # of the flags that were tried
    return {**search, "space": names, "trials": trials} if search else {}


def shared_selections(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was chosen, without the flags that a search has found: the value of one may be a local file."""
    best = mapping_in(record, "search").get("best")
    return [
        {**entry, "value": f"those of {best}"} if entry.get("what") == "settings" else {**entry}
        for entry in list_in(record, "selections")
        if isinstance(entry, Mapping)
    ]


def shared_trial(trial: Mapping[str, Any]) -> dict[str, Any]:
    settings = dict(mapping_in(trial, "settings"))
    if "class_weights" in settings:
        settings["class_weights"] = plain_weights(settings["class_weights"])
    return {**trial, "settings": settings, **({"problem": NO_REASON} if trial.get("problem") else {})}


def without_failures(study: Mapping[str, Any]) -> dict[str, Any]:
    """The same of the runs of a study."""
    return {**study, **({"failed": dict.fromkeys(study["failed"], NO_REASON)} if mapping_in(study, "failed") else {})}


def numbered(table: PredictionTable) -> PredictionTable:
    """The predictions with numbers from 1 in the place of ids, and without texts."""
    rows = len(table.ids)
    return replace(table, ids=[str(row) for row in range(1, rows + 1)], texts=[()] * rows)
