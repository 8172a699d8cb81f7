"""The head of a model card: YAML that the Hub reads, with the results as `model-index`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from classification.report.json_fields import mapping_in
from classification.report.number_format import is_number
from classification.report.run_files import RunFiles
from classification.report.run_words import title_of

HUB_TYPES = {  # of our metrics, where the Hub has another name
    "f1_macro": "f1",
    "f1_micro": "f1",
    "f1_samples": "f1",
    "mcc": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}
TASK = "text-classification"
UNKNOWN = "unknown"  # type of a data set that is not on the Hub; the file names of its owner stay private
LOCAL_DATA = "local files"


def origin(run: RunFiles, what: str) -> str | None:
    """The name on the Hub of the `base_model` or the `dataset`; None where it is a local path or not known."""
    value = mapping_in(run.record, "origins").get(what)
    if value is None and "origins" not in run.record:  # the run of an older version: only a commit is a sure sign
        flag = {"base_model": "model_name_or_path", "dataset": "dataset_name"}[what]
        value = run.arguments.get(flag) if flag in mapping_in(run.record, "commits") else None
    return str(value) if value else None


def repository(run: RunFiles) -> str | None:
    """Where the model is pushed to."""
    name = mapping_in(run.record, "asked").get("push")
    return str(name) if name else None


def model_title(run: RunFiles) -> str:
    """The name of the model: that of its repository, or one made of its base model's."""
    name = repository(run) or origin(run, "base_model")
    if name is None:
        return "text-classifier"
    return name.split("/")[-1] if repository(run) else f"{name.split('/')[-1]}-classifier"


def is_adapter(run: RunFiles) -> bool:
    """Whether the adapter is saved without its base model."""
    return any(name.startswith("adapter_model") for name in mapping_in(run.record, "weights"))


def metadata_of(run: RunFiles) -> ModelCardData:
    """Only what is known: language and licence come from the base model's own card, names from the Hub."""
    facts, dataset, results = mapping_in(run.record, "origins"), origin(run, "dataset"), eval_results(run)
    kind = run.task.problem_type.replace("_", "-")
    return ModelCardData(
        language=facts.get("language"),
        license=facts.get("license"),
        license_name=facts.get("license_name"),
        license_link=facts.get("license_link"),
        base_model=origin(run, "base_model"),
        datasets=[dataset] if dataset else None,
        library_name="peft" if is_adapter(run) else "transformers",
        pipeline_tag=TASK,
        tags=[TASK, kind] if kind else [TASK],
        model_name=model_title(run) if results else None,
        eval_results=results or None,
    )


def eval_results(run: RunFiles) -> list[EvalResult]:
    """Every main metric of test, or where test has no labels of validation; metrics that are undefined are left out.

    The format has no field for an interval: it is among the free `args` of the metric.
    """
    split = run.scored_split
    if split is None:
        return []
    arguments: Mapping[str, Any] = run.arguments
    dataset = origin(run, "dataset")
    commit = mapping_in(run.record, "commits").get("dataset_name") if dataset else None
    config = arguments.get("dataset_config_name") if dataset else None
    values = {metric: run.metric(metric, split) for metric in run.task.main_metrics}
    return [
        EvalResult(
            task_type=TASK,
            task_name="Text classification",
            dataset_type=dataset or UNKNOWN,
            dataset_name=dataset or LOCAL_DATA,
            dataset_config=str(config) if config else None,
            dataset_split=str((dataset and arguments.get(f"{split}_split_name")) or split),
            dataset_revision=str(commit) if commit else None,
            metric_type=HUB_TYPES.get(metric, metric),
            metric_name=title_of(metric) if split == "test" else f"{title_of(metric)} ({split})",
            metric_value=value,
            metric_args=interval_of(run, metric, split),
            verified=False,
        )
        for metric, value in values.items()
        if is_number(value)
    ]


def interval_of(run: RunFiles, metric: str, split: str) -> dict[str, list[float]] | None:
    """The limits of the 95% interval; None where the metric has none."""
    limits = [run.metric(f"{metric}_{end}", split) for end in ("low", "high")]
    return {"interval_95": limits} if all(map(is_number, limits)) else None
