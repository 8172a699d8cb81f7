"""What a run was about, in words: the model, the data, the task and the headline metric."""

from __future__ import annotations

import ntpath
from collections.abc import Callable
from dataclasses import dataclass

from classification.data.labels import LabelSpace
from classification.report.json_fields import mapping_in
from classification.report.number_format import number, percent, plural
from classification.report.run_files import RunFiles

COMMON = {"model", "models", "out", "output", "outputs", "best", "final", "checkpoint", "data", "dataset", "files"}
SPLIT_NAMES = {"train": "training", "validation": "validation", "test": "test"}


@dataclass(frozen=True)
class MetricWords:
    """How people read a metric.

    Args:
        name: of the metric. sentence: what the model reaches, around `{value}` and `{rows}`.
        show: a value as text. meaning: of the metric, for readers who do not know it.
        unit: of a difference, and by how much a difference is multiplied.
    """

    name: str
    sentence: tuple[str, str]
    show: Callable[[float | None], str]
    meaning: str
    unit: str = ""
    factor: float = 1.0
    lower_is_better: bool = False
    is_share: bool = False  # from 0 to 1

    @property
    def noun(self) -> str:
        """The name inside a sentence."""
        return self.name[:1].lower() + self.name[1:]


METRICS = {
    "accuracy": MetricWords(
        "Accuracy", ("The model gets", "of the {rows} right."), percent, "the share of rows with the right label",
        unit=" points", factor=100, is_share=True,
    ),
    "f1_micro": MetricWords(
        "Micro F1", ("The model reaches a score of", "on the {rows}."), number,
        "1 where every label is found and no wrong one is added, 0 where no label is right", is_share=True,
    ),
    "rmse": MetricWords(
        "Root mean squared error", ("The model's numbers are typically off by", "on the {rows}."), number,
        "the typical size of an error, in the units of the labels; large errors count more, and 0 is perfect",
        lower_is_better=True,
    ),
}  # fmt: skip


TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "f1_macro": "F1 (macro)",
    "f1_micro": "F1 (micro)",
    "f1_samples": "F1 (mean over rows)",
    "exact_match": "Rows with all labels right",
    "mcc": "Matthews correlation",
    "average_precision": "Average precision (mean over labels)",
    "pearson": "Pearson correlation",
    "spearman": "Spearman correlation",
    "mae": "Mean absolute error",
    "rmse": "Root mean squared error",
}


def title_of(metric: str) -> str:
    """The name of a metric in a table."""
    return TITLES.get(metric, metric.replace("_", " "))


def words_of(metric: str) -> MetricWords:
    """The words of a metric; plain ones for a metric that is not known here."""
    name = title_of(metric)
    return METRICS.get(metric) or MetricWords(name, (f"The model reaches a {name} of", "on the {rows}."), number, "")


def describe_run(run: RunFiles) -> str:
    """The title of the page.

    A run that trains nothing has a trained model and is about its test rows.
    """
    data = data_name(run)
    return f"{model_name(run)} on {data}" if data else model_name(run)


def model_name(run: RunFiles) -> str:
    name = str(run.arguments.get("model_name_or_path") or "model")
    return "LSTM from random weights" if name == "bilstm" else last_words(name) if is_path(name) else name


def data_name(run: RunFiles) -> str:
    """The data set on the Hub, or the file that was read."""
    arguments = run.arguments
    if arguments.get("dataset_name"):
        parts = (arguments["dataset_name"], arguments.get("dataset_config_name"))
        names = [last_words(str(part)) if is_path(str(part)) else str(part) for part in parts if part]
        return " ".join(names)
    files = (arguments.get(name) for name in ("train_file", "test_file", "validation_file"))
    return next((last_words(str(file), always=True) for file in files if file), "")


def is_path(name: str) -> bool:
    return name.startswith((".", "/", "~", "\\")) or name.count("/") > 1 or ntpath.isabs(name)


def last_words(path: str, *, always: bool = False) -> str:
    """The last part of a path, with the folder before it where the last part alone tells nothing (or `always`)."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..", "~")]
    if not parts:
        return path
    while not always and len(parts) > 1 and parts[-1].lower() in COMMON and parts[-2].lower() not in COMMON:
        parts.pop()
    tells = parts[-1].lower() not in COMMON and not parts[-1].startswith("checkpoint-")
    return "/".join(parts[-1:] if tells and not always else parts[-2:])


def rows_of(run: RunFiles, split: str) -> int | None:
    """Rows of a split; None where the run did not have it."""
    rows = mapping_in(run.record, "data", split).get("rows")
    return rows if isinstance(rows, int) else None


def split_rows(run: RunFiles, split: str) -> str:
    """The rows of a split that were scored, such as `500 test rows`."""
    scored = run.metric("scored", split)
    rows = rows_of(run, split) if scored is None else scored
    return plural(int(rows or 0), f"{split_name(run, split)} row")


def split_name(run: RunFiles, split: str) -> str:
    """What people call a split; out-of-fold rows take the place of test in a study with folds."""
    return run.rows_are if split == "test" else SPLIT_NAMES[split]


def rule_words(run: RunFiles) -> str:
    """How labels follow from probabilities; "" for a task without labels."""
    return run.task.describe_rule() or run.task.default_rule


def task_words(run: RunFiles) -> str:
    answer = answer_words(run.task)
    return f"{answer} per text" if answer else run.task.describe()


def answer_words(task: LabelSpace) -> str:
    """What the model gives a text, such as `one of 3 labels`; "" for a kind of task that has no words for it."""
    return task.answer.format(labels=plural(task.num_labels, "label"))
