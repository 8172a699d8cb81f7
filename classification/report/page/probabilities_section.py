"""The section about probabilities: whether they are true, and what a model gains by answering only when it is sure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from classification.evaluation.probability_quality import expected_calibration_error
from classification.report.page.confidence_figures import draw_coverage, draw_histogram, draw_reliability, draw_unscored
from classification.report.page.confidence_sentences import (
    describe_coverage,
    describe_error,
    describe_histogram,
    describe_points,
    describe_reliability,
    describe_unscored,
)
from classification.report.page.confidence_values import (
    Answers,
    abstention_points,
    answers_of,
    confidence_histogram,
    coverage_of,
    reliability_bins,
    stated_probabilities,
    unscored_confidence,
)
from classification.report.page.figures import figure_svg
from classification.report.page.plot_blocks import Block, Panel
from classification.report.page.precision_recall_blocks import precision_recall_blocks
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.scored_rows import ScoredRows, scored_rows, split_note


def probabilities_section(run: RunFiles) -> Section | None:
    """The plots of probabilities on test; None for a task without them, or where nothing was predicted."""
    if run.predictions is None or run.predictions.probabilities is None:
        return None
    rows = scored_rows(run)
    assert rows is not None
    blocks, note = (scored_blocks(run, rows), split_note(rows)) if len(rows) else (unscored_blocks(run), "")
    if not blocks:
        return None
    return Section(
        anchor="probabilities",
        title="Probabilities",
        template="plots.html.j2",
        values={"blocks": blocks, "lead": "", "inside": "", "below": ""},
        left_out=note,
    )


def scored_blocks(run: RunFiles, rows: ScoredRows) -> list[Block]:
    answers = answers_of(rows, run.task)
    blocks = [reliability_block(stated_probabilities(rows, run.task), run.metrics), histogram_block(answers)]
    if not rows.has_label_columns:
        blocks += coverage_blocks(answers, run.metrics, rows.kind)
    return blocks + precision_recall_blocks(rows, run.task.names, run.metrics)


def reliability_block(answers: Answers, metrics: Mapping[str, Any]) -> Block:
    bins = reliability_bins(answers)
    sentence = describe_reliability(answers, bins)
    svg = figure_svg(draw_reliability(bins, noun=answers.noun), "Stated probability against the share right", sentence)
    note = describe_error(*calibration_errors(answers, metrics))
    return Block("Are the stated probabilities true?", sentence, [Panel(svg)], note)


def calibration_errors(answers: Answers, metrics: Mapping[str, Any]) -> tuple[float | None, float]:
    """Before temperature scaling, None where there was none, and of the probabilities in predictions.csv."""
    after, before = metrics.get("test_ece_calibrated"), metrics.get("test_ece")
    if after is None:
        return None, expected_calibration_error(answers.confidence, answers.is_right) if before is None else before
    return before, after


def histogram_block(answers: Answers) -> Block:
    sentence = describe_histogram(answers)
    figure = draw_histogram(confidence_histogram(answers), noun=answers.noun)
    svg = figure_svg(figure, "Probabilities of right and of wrong answers", sentence)
    are_labels = answers.noun == "labels"
    title = (
        "Do right labels get higher probabilities?"
        if are_labels
        else "How sure is it when it is right, and when it is wrong?"
    )
    return Block(title, sentence, [Panel(svg)])


def coverage_blocks(answers: Answers, metrics: Mapping[str, Any], kind: str) -> list[Block]:
    """None where all rows have the same confidence."""
    points = abstention_points(metrics)
    coverage = coverage_of(answers, points)
    if len(coverage.share) < 2:
        return []
    sentence = describe_coverage(coverage)
    svg = figure_svg(draw_coverage(coverage), "Share right against the share of rows that are answered", sentence)
    return [Block("What if it answers only when it is sure?", sentence, [Panel(svg)], describe_points(points, kind))]


def unscored_blocks(run: RunFiles) -> list[Block]:
    """How sure the model is on rows whose answers nobody knows."""
    assert run.predictions is not None
    confidence = unscored_confidence(run.predictions)
    if not len(confidence):
        return []
    sentence = describe_unscored(confidence)
    svg = figure_svg(draw_unscored(confidence), "Probabilities of the answers", sentence)
    return [Block("How sure is the model?", sentence, [Panel(svg)])]
