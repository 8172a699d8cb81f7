"""A whole input predicted: its columns, the model, every row in parts, then scores and what the rows tell."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from classification.data.column_names import LABEL_COLUMNS, Columns
from classification.data.named_columns import loosened
from classification.data.sources.row_batches import RowBatch, RowStream
from classification.data.tasks import task_as_dict
from classification.errors import Stopped, UsageError
from classification.inference.answer_columns import AnswerChoice, AnswerColumns
from classification.inference.classifier import Classifier
from classification.inference.data_statistics import DataStatistics, read_statistics
from classification.inference.format_protocol import OutputFormat
from classification.inference.input_drift import FACT as SUMS
from classification.inference.input_drift import DriftWatch, sums_of_answers
from classification.inference.jobs import WHOLE, Job, read_job
from classification.inference.joining import Parts, join_folders
from classification.inference.launched_ranks import Ranks
from classification.inference.output_formats import NESTED, choose_format, make_format
from classification.inference.output_job import AtEnd, Target, predict_to_file, predict_to_stream, reader_may_leave
from classification.inference.part_folders import check_target
from classification.inference.prediction_report import UNCERTAIN_FILE, PredictionReport, uncertain_path
from classification.inference.predictor import PredictedBatch, Predictor
from classification.inference.row_texts import TextColumns, find_columns
from classification.inference.scoring import TASK, Scorer, can_score
from classification.inference.uncertain_rows import UncertainPlan, check_uncertain, find_candidates
from classification.messages.log import log_lines
from classification.messages.progress import Progress
from classification.system.files import is_device
from classification.system.stop_signals import SIGNALS

logger = logging.getLogger(__name__)

PROMISE = "the prediction stops after this part."
STATISTICS = "statistics_of"  # name in `Job.extras`


@dataclass(frozen=True)
class RowsRequest:
    """What to do with an input.

    Args:
        out: a path, or `-` for standard output. target: for a path, how it is written.
        labels: the columns of the labels, where they are named.
        format: None for that of the name of `out` or of the input. flags: that change the output, for the job.
        command: the command line of the job, for messages.
    """

    out: str
    target: Target | None
    choice: AnswerChoice = field(default_factory=AnswerChoice)
    text_columns: str | None = None
    delimiter: str | None = None
    labels: Columns = Columns()
    on_bad_row: str = "error"
    format: str | None = None
    csv_safe: bool = False
    most_uncertain: int | None = None
    uncertain_file: str | None = None
    flags: Mapping[str, str] = field(default_factory=dict)
    command: str = ""

    def check_target(self) -> None:
        """Raise a UsageError if there are results that would be lost; needs neither the input nor the model."""
        if self.target is not None and not is_device(self.target.out):
            target = self.target
            check_target(target.out, target.shard or WHOLE, resume=target.resume, overwrite=target.overwrite)

    def find_columns(self, stream: RowStream, statistics: DataStatistics | None) -> TextColumns:
        """The text columns of the input; raises a UsageError where they are not known."""
        return find_columns(
            stream.columns, self.text_columns, self.delimiter, statistics, place=stream.place,
            is_lines=stream.kind == "text",
        )  # fmt: skip


@dataclass
class RowAnswers:
    """Answers the batches of an input, and keeps beside each what is needed at the end."""

    predictor: Predictor
    scorer: Scorer | None
    uncertain: UncertainPlan | None
    watch: DriftWatch
    progress: Progress
    num_rows: int
    is_whole: bool
    rows: int = 0
    next_row: int = 0

    def __call__(self, batches: Iterator[RowBatch]) -> Iterator[tuple[RowBatch, AnswerColumns]]:
        """Each batch with its new columns; stops between two of them when a signal has come.

        Raises:
            Stopped: with the exit code of the signal.
        """
        for predicted in self.predictor.predict(batches, self.progress.update):
            first = predicted.batch.first
            if self.is_whole and first > self.next_row:  # rows that an earlier run has predicted
                self.progress.skip(first - self.next_row)
            self.next_row = first + len(predicted.batch)
            facts = self.facts_of(predicted)
            self.rows += len(predicted.batch)
            scores, uncertain = self.scores_of(predicted), self.uncertain_of(predicted)
            yield predicted.batch, AnswerColumns(predicted.columns, predicted.kept, facts, scores, uncertain)
            if SIGNALS.stop:
                raise Stopped(SIGNALS.stop.code, is_shared=False)

    def facts_of(self, predicted: PredictedBatch) -> dict[str, Any]:
        task = self.predictor.classifier.task
        sums = sums_of_answers(task, predicted.texts, predicted.pairs, predicted.outputs)
        if self.rows == 0 and len(predicted.batch) < self.num_rows:  # of a shorter input the end tells all
            log_lines(self.watch.after_first(sums))
        return {SUMS: sums.as_dict()}

    def uncertain_of(self, predicted: PredictedBatch) -> bytes | None:
        if self.uncertain is None:
            return None
        task, own = self.predictor.classifier.task, self.predictor.columns
        logits = predicted.outputs.logits
        return find_candidates(self.uncertain, predicted.batch, logits, predicted.answered, task, own)

    def scores_of(self, predicted: PredictedBatch) -> bytes | None:
        if self.scorer is None:
            return None
        logits = predicted.outputs.logits
        return self.scorer.pack(predicted.batch, predicted.answered, logits, predicted.texts, predicted.pairs)


def predict_rows(
    request: RowsRequest, stream: RowStream, text: TextColumns, classifier: Classifier,
    statistics: DataStatistics | None, ranks: Ranks | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Predict every row of an input, write the output, and report what labels and texts tell.

    Args:
        ranks: the processes of a launch, inside `Ranks.together`.

    Returns:
        `output_file`, `rows`, `seconds`, and the metrics where there are labels; of a shard only its rows.

    Raises:
        UsageError: a flag or an input that does not fit the model; a row without an answer; results that would be lost.
        RunError: the disk refuses a file, or one text does not fit into memory; complete parts stay.
        Stopped: after a signal; complete parts stay.
    """
    start = time.monotonic()
    task = classifier.task
    kind = choose_format(request.format, request.out, stream.kind)
    choice = checked_choice(request, kind, classifier)
    written = make_format(kind, stream, choice.names(task), prefix=choice.prefix, safe=request.csv_safe)
    scorer = scorer_of(request, stream, text, classifier, statistics)
    uncertain = None
    if request.most_uncertain is not None:
        check_uncertain(task, request.most_uncertain)
        label = scorer.columns.label if scorer else None
        uncertain = UncertainPlan.make(request.most_uncertain, stream.columns, text.names, label, statistics)
    predictor = Predictor(classifier, stream.place, stream.columns, text, choice, request.on_bad_row)
    shard, ranks = request.target and request.target.shard, ranks or Ranks()
    shards = shard.of if shard else ranks.size
    report = PredictionReport(request.out, DriftWatch(statistics))
    job = make_job(request, stream, text, classifier, written, scorer)
    total = -(-stream.num_rows // shards)
    with Progress(total, "Predict", "row", time_left=True) as progress, SIGNALS.polite(PROMISE):
        answers = RowAnswers(
            predictor, scorer, uncertain, report.watch, progress, stream.num_rows, is_whole=shards == 1
        )
        parts = write_answers(request, stream, answers, written, job, ranks, report)
    return report.results(parts, answers.rows, time.monotonic() - start)


def checked_choice(request: RowsRequest, kind: str, classifier: Classifier) -> AnswerChoice:
    """What the new columns say in this format; raises a UsageError where the model cannot say it."""
    choice = replace(request.choice, nested=kind in NESTED, has_errors=request.on_bad_row == "keep")
    choice.check(classifier.task)
    if choice.explains:
        from classification.inference.explanation import check_explainable

        check_explainable(classifier)
    return choice


def write_answers(
    request: RowsRequest, stream: RowStream, answers: RowAnswers, written: OutputFormat, job: Job, ranks: Ranks,
    at_end: AtEnd,
) -> Parts | None:  # fmt: skip
    """Write the output; None for a shard, and in processes that are not the main one."""
    if request.target is None:
        return predict_to_stream(stream, answers, written, job, sys.stdout.buffer, at_end=at_end)
    if is_device(request.target.out):
        with reader_may_leave(), request.target.out.open("wb") as handle:
            return predict_to_stream(stream, answers, written, job, handle, at_end=at_end)
    return predict_to_file(stream, answers, written, job, request.target, ranks=ranks, at_end=at_end)


def make_job(
    request: RowsRequest, stream: RowStream, text: TextColumns, classifier: Classifier, written: OutputFormat,
    scorer: Scorer | None,
) -> Job:  # fmt: skip
    """What decides the output, and what joining it needs."""
    facts = {"input": stream.identity, "read as": stream.kind, "model": classifier.identity}
    facts |= {"text columns": text.describe(), **request.flags}
    extras: dict[str, Any] = {STATISTICS: str(Path(classifier.name).absolute())}
    if scorer is not None:
        extras[TASK] = task_as_dict(scorer.task)
    if request.most_uncertain:
        extras[UNCERTAIN_FILE] = request.uncertain_file or ""
    return Job.of(facts, asdict(written.layout), command=request.command, extras=extras)


def scorer_of(
    request: RowsRequest, stream: RowStream, text: TextColumns, classifier: Classifier,
    statistics: DataStatistics | None,
) -> Scorer | None:  # fmt: skip
    """The scorer of an input that may have labels; without such a column no library of labels is imported."""
    given, trained = request.labels, Columns()
    if statistics is not None:
        trained = Columns(
            label=statistics.label_column, labels=statistics.label_columns, label_delimiter=statistics.label_delimiter
        )
    usual = {*LABEL_COLUMNS} & {loosened(name) for name in stream.columns}
    if not (given.label_columns or usual or {*trained.label_columns} & {*stream.columns}):
        return None
    if not can_score(given.label_flag):
        return None
    from classification.inference.input_labels import find_scorer

    return find_scorer(stream, classifier.task, classifier.name, given=given, trained=trained, text_columns=text.names)


def join_all(folders: Sequence[str], out: str, format_name: str | None, *, overwrite: bool) -> dict[str, Any]:
    """`--join`: the parts of all shards as one file, and the report on all rows.

    Returns:
        As `predict_rows`.
    """
    start = time.monotonic()
    paths = [Path(folder) for folder in folders]
    job = read_job(paths[0])
    uncertain = uncertain_path(job, out) if job else None
    if uncertain and uncertain.exists() and not overwrite:  # somebody may have labelled its rows
        raise UsageError(f"--join: {uncertain} exists. Pass --overwrite to replace it, or move it away.")
    folder = job.extras.get(STATISTICS) if job else None
    report = PredictionReport(out, DriftWatch(read_statistics(folder) if folder else None))
    parts = join_folders(paths, Path(out), format_name=format_name, overwrite=overwrite, at_end=report)
    return report.results(parts, rows=0, seconds=time.monotonic() - start)
