"""A split predicted, its predictions written, then scored: what fails later costs nothing that came before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from classification import errors
from classification.data.labels import LabelSpace
from classification.errors import RunError, UsageError, cosmetic, first_line
from classification.evaluation.collapse import collapse_warning
from classification.evaluation.probability_quality import lines_about_test
from classification.evaluation.score_protocols import MeanLoss
from classification.evaluation.slices import spread_and_slices
from classification.messages.log import Line, log_lines, warning
from classification.reporting.predictions_file import write_predictions
from classification.reporting.run_result import Prepared
from classification.reporting.summary import split_summary
from classification.system.files import disk_problem
from classification.system.kept_folders import keep_folders
from classification.training.phases import predict_split, score_predictions
from classification.training.processes import is_shared, this_process

PREFIXES = {"validation": "eval", "test": "test"}  # in all_results.json


def predict_and_score(
    prepared: Prepared, split: str, objective: MeanLoss | None = None, *, file: str | None = None, safe: bool = False
) -> None:
    """Add predictions and metrics of a split to the result; an error in scoring costs only the metrics,
    and one in writing only the file.

    Args:
        objective: what training minimised, to be reported beside the loss.
        file: name of the predictions file; None for none. safe: as for `write_predictions`.

    Raises:
        RunError: the model's output is not finite, or the prediction fails. No file is written.
    """
    result = prepared.result
    if split not in result.predictions:  # validation may have been predicted to fit the decisions
        with failure_explained(split, result.output_dir):
            result.predictions[split] = predict_split(prepared.trainer, result.corpus, prepared.encoded, split)
    predictions = result.predictions[split]
    if file and result.is_main_process:
        with cosmetic(file, result.lost):
            keep_folders()
            write_predictions(result.output_dir / file, predictions, result.task, safe=safe)
    with cosmetic(f"metrics of {split}", result.lost):
        metrics = score_predictions(prepared.trainer, predictions, objective, result.predictions.get("validation"))
        with cosmetic(f"intervals and slices of {split}", result.lost, asked=False):
            metrics |= spread_and_slices(predictions, metrics, result.task)
        result.add_metrics(PREFIXES[split], metrics)
        log_lines(split_summary("Test", metrics, result.task) if split == "test" else [])
        log_lines(lines_about_test(metrics, result.task) if split == "test" else [])
        log_lines(warnings_about(split, metrics, result.task, head_at_zero=result.head_at_zero))


@contextmanager
def failure_explained(split: str, output_dir: Path) -> Iterator[None]:
    """Inside, whatever fails becomes one line; `--debug` prints the traceback too.

    Raises:
        RunError: of this process; the others may wait for it.
    """
    try:
        yield
    except Exception as error:
        is_explained = isinstance(error, UsageError | RunError) or is_shared(error) or disk_problem(error)
        if is_explained or not errors.FORGIVING:
            raise
        explained = RunError(
            f"The prediction of {split} failed: {type(error).__name__}: {first_line(error)} What was found before is "
            f"in {output_dir}."
        )
        explained.is_shared = this_process().num_processes == 1
        raise explained from error


def warnings_about(split: str, metrics: Mapping[str, Any], task: LabelSpace, *, head_at_zero: bool) -> list[Line]:
    """Metrics that could not be computed, with their reasons, and a model that has collapsed."""
    reasons = metrics.get("not_computed", {}).items()
    lines = [warning(f"{name} of {split} is not computed: {reason}") for name, reason in reasons]
    if "collapsed" in metrics:
        lines.append(collapse_warning(split, metrics["collapsed"], task, head_at_zero=head_at_zero))
    return lines
