"""Metrics of the rows that have a label: logits and labels are kept beside each part, and scored at the end."""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classification.data.column_names import Columns
from classification.data.labels import LabelSpace
from classification.data.sources.row_batches import RowBatch
from classification.errors import UsageError, join_first
from classification.inference.joining import Parts
from classification.messages.log import Line, log_lines, warning
from classification.system.files import replacing

if TYPE_CHECKING:  # a model that answers needs neither of both
    from classification.evaluation.labelled_rows import LabelledRows

logger = logging.getLogger(__name__)

# a rows of a batch that have an answer, m of them have a label, C outputs.

TASK = "task"  # the name of the task in `Job.extras`
LIBRARIES = {
    "datasets": "datasets",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
}  # that scores need, and answers do not


@dataclass(frozen=True)
class Scorer:
    """Keeps what the metrics need.

    Args:
        task: with the names that the input has for its labels. columns: of the labels.
    """

    task: LabelSpace
    columns: Columns

    def pack(
        self, batch: RowBatch, answered: np.ndarray, logits: np.ndarray, texts: Sequence[str],
        pairs: Sequence[str] | None = None,
    ) -> bytes | None:  # fmt: skip
        """Logits, label ids and a hash of the text of each labelled row; None where no row has a label.

        Args:
            answered: positions of the rows of all that follows, int [a]. logits: float32 [a, C]. texts, pairs: [a].
        """
        from safetensors.numpy import save

        from classification.inference.input_labels import label_ids_of

        label_ids = label_ids_of(batch, self.columns, self.task)
        rows = [i for i, row in enumerate(answered.tolist()) if label_ids[row] is not None]
        if not rows:
            return None
        keys = [text_key(texts[i], None if pairs is None else pairs[i]) for i in rows]
        given = np.array([label_ids[int(answered[i])] for i in rows])
        arrays = {"logits": logits[rows].astype(np.float32), "label_ids": given, "texts": np.array(keys, np.uint64)}
        return save({name: np.ascontiguousarray(values) for name, values in arrays.items()})


def can_score(given: str = "") -> bool:
    """Whether the libraries that scores need are installed; says so where they are not.

    Args:
        given: the flag with which the user named the labels, and its value; "" without one.

    Raises:
        UsageError: they are not, and the user named the labels.
    """
    missing = [name for module, name in LIBRARIES.items() if find_spec(module) is None]
    if not missing:
        return True
    command = f"pip install {' '.join(missing)}"
    if given:
        raise UsageError(f"{given}: scores need {join_first(missing)}. Run {command}, or leave the "
                         "flag out to predict without scores.")  # fmt: skip
    log_lines([Line("labels", f"the rows are predicted, not scored: scores need {command}")])
    return False


def text_key(text: str, pair: str | None) -> int:
    """Equal for rows with equal texts, which are resampled together."""
    content = json.dumps([text, pair]).encode()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def score_parts(parts: Parts) -> dict[str, Any]:
    """Metrics of the labelled rows with 95% intervals, as a training reports them; empty where there are none.

    The logits of all labelled rows are in memory at once.
    """
    files = [record.scores for record in parts.records if record.scores is not None]
    if not files or TASK not in parts.job.extras or not can_score():
        return {}
    from safetensors.numpy import load_file

    from classification.data.tasks import task_from_dict
    from classification.evaluation.intervals import interval_keys
    from classification.evaluation.metrics import METRICS
    from classification.evaluation.split_metrics import score_labelled

    task = task_from_dict(parts.job.extras[TASK])
    loaded = [load_file(file) for file in files]
    arrays = {name: np.concatenate([each[name] for each in loaded]) for name in ("logits", "label_ids", "texts")}
    metrics = score_labelled(arrays["logits"], list(arrays["label_ids"]), task)
    values = {name: metrics[name] for name in METRICS[task.metrics] if name in metrics}
    rows = labelled_rows(arrays, task)
    return {"samples": parts.rows, **metrics, **interval_keys(values, rows)}


def labelled_rows(arrays: Mapping[str, np.ndarray], task: LabelSpace) -> LabelledRows:
    from classification.evaluation.labelled_rows import LabelledRows

    logits = arrays["logits"]
    units = np.unique(arrays["texts"], return_inverse=True)[1].ravel()
    return LabelledRows(task, arrays["label_ids"], task.decide(logits), task.probabilities(logits), units)


def report_scores(parts: Parts, out: Path | None) -> dict[str, Any]:
    """Score the labelled rows, print one line, and write `OUT.metrics.json`; an old one without new scores is removed.

    Args:
        out: of the predictions; None for a pipe, which has no file of metrics.
    """
    metrics = score_parts(parts)
    file = None if out is None else out.with_name(out.name + ".metrics.json")
    if not metrics:
        if file is not None:
            file.unlink(missing_ok=True)
        return {}
    from classification.data.tasks import task_from_dict

    log_lines(score_lines(metrics, task_from_dict(parts.job.extras[TASK])))
    if file is not None:
        with replacing(file) as handle:
            json.dump(without_nan(metrics), handle, indent=2, ensure_ascii=False, allow_nan=False)
            handle.write("\n")
    return metrics


def score_lines(metrics: Mapping[str, Any], task: LabelSpace) -> list[Line]:
    """`[Predict] loss=0.2426 acc=0.9230 (0.9196 to 0.9263)`, how many rows were scored, and what was not computed."""
    from classification.evaluation.intervals import SIDES, shown_with_interval

    headline = task.headline
    short = "acc" if headline == "accuracy" else headline
    figures = {"loss": metrics["loss"], short: metrics[headline]}
    words = [f"{name}={value:.4f}" for name, value in figures.items() if math.isfinite(value)]
    low, high = (metrics.get(f"{headline}_{side}") for side in SIDES)
    if low is not None and high is not None:
        words.append(shown_with_interval(metrics[headline], low, high).partition(" ")[2])
    scored = f"{metrics['scored']:,} of {metrics['samples']:,} rows have a label"
    lines = [Line("", f"[Predict] {' '.join(words)} | {scored}")]
    reasons = metrics.get("not_computed", {}).items()
    return lines + [warning(f"{name} is not computed: {reason}") for name, reason in reasons]


def without_nan(value: Any) -> Any:
    """JSON has no NaN."""
    if isinstance(value, dict):
        return {str(key): without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
