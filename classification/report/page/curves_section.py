"""How the training went: its losses and the headline metric, with the checkpoint that was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import is_number, number
from classification.report.page.figures import BLUE, GREEN, INK, ORANGE, figure_svg, new_figure
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.run_words import MetricWords, words_of

MOST_POINTS = 400  # of a curve; more are averaged in groups
MOST_ROWS = 100  # of the table


@dataclass(frozen=True)
class Training:
    """The log of a training.

    Args:
        steps: epoch and training loss of each logged step, [N, 2].
        evaluations: the figures of each evaluation, in order.
        chosen: place in `evaluations` of the best checkpoint; None where that is not known.
        average: the figures of the average of weights, {} without one; is_average_kept: whether it was kept.
    """

    steps: np.ndarray
    evaluations: Sequence[Mapping[str, Any]]
    chosen: int | None
    average: Mapping[str, Any] = field(default_factory=dict)
    is_average_kept: bool = False


def curves_section(run: RunFiles) -> Section | None:
    training = read_log(run)
    if not len(training.steps) and not training.evaluations:
        return None
    words, headline = words_of(run.task.headline), f"eval_{run.task.headline}"
    figures = [(loss_figure(training), "Training loss is measured while the weights change, validation loss after it.")]
    if any(is_number(one.get(headline)) for one in training.evaluations):
        better = "Lower" if words.lower_is_better else "Higher"
        figures.append((metric_figure(training, headline, words), f"{better} is better."))
    columns = [("Epoch", True), ("Step", True), ("Training loss", True), ("Validation loss", True), (words.name, True)]
    rows = [
        (cells_of(one, headline, words), place == training.chosen) for place, one in enumerate(training.evaluations)
    ]
    kept = "the best checkpoint" if training.is_average_kept else "the checkpoint that was kept"
    values = {
        "lead": lead(training, headline, words) + final_words(run, training, words),
        "figures": figures, "columns": columns, "rows": thinned(rows),
        "has_chosen": training.chosen is not None, "chosen": kept,
        "mark": "best checkpoint" if training.is_average_kept else "kept",
    }  # fmt: skip
    return Section("curves", "How the training went", "curves.html.j2", values)


def read_log(run: RunFiles) -> Training:
    """The log of run.json. A run that logged fewer than two steps is shown by the loss of its epochs."""
    log = [entry for entry in list_in(run.record, "log_history") if isinstance(entry, Mapping)]
    epochs = [entry for entry in list_in(run.record, "epochs") if isinstance(entry, Mapping)]
    steps = points(log, "loss")
    if len(steps) < 2:
        steps = points(epochs, "train_loss")
    by_step = {entry.get("step"): entry for entry in epochs}
    evaluated = [entry for entry in log or epochs if is_number(entry.get("eval_loss"))]
    found = [{**by_step.get(entry.get("step"), {}), **entry} for entry in evaluated]
    best = run.record.get("best_step")
    chosen = next((place for place, entry in enumerate(found) if entry.get("step") == best is not None), None)
    average = mapping_in(run.record, "average")
    return Training(steps, found, chosen, mapping_in(average, "figures"), average.get("kept") is True)


def points(entries: Sequence[Mapping[str, Any]], name: str) -> np.ndarray:
    """Epoch and value of the entries that have both, [N, 2]; long logs are averaged in groups."""
    pairs = [(entry.get("epoch"), entry.get(name)) for entry in entries]
    values = np.array([pair for pair in pairs if all(map(is_number, pair))], dtype=np.float64).reshape(-1, 2)
    if len(values) <= MOST_POINTS:
        return values
    return np.array([group.mean(axis=0) for group in np.array_split(values, MOST_POINTS)])


def lead(training: Training, headline: str, words: MetricWords) -> str:
    """What the curves show, in a sentence or two."""
    evaluations = training.evaluations
    if training.is_average_kept:
        return lead_of_average(training, headline, words)
    if training.chosen is None:
        return "The weights of the last step were kept." if evaluations else "Nothing was evaluated during training."
    kept = evaluations[training.chosen]
    text = f"The checkpoint after epoch {kept.get('epoch') or 0:.3g} was kept: {figures_of(kept, headline, words)}"
    later = [one["eval_loss"] for one in evaluations[training.chosen + 1 :]]
    if later and min(later) >= kept["eval_loss"]:
        text += " After it, the validation loss did not fall further."
    elif not later and kept["eval_loss"] < min((one["eval_loss"] for one in evaluations[:-1]), default=0):
        text += " It was the last one, and the best: a longer training may be better."
    return text


def lead_of_average(training: Training, headline: str, words: MetricWords) -> str:
    """The average of the weights beside the best checkpoint, as far as both have figures."""
    text = "An average of the weights was kept"
    text += f": {figures_of(training.average, headline, words)}" if training.average else "."
    if training.chosen is None or not training.average:
        return text
    best = training.evaluations[training.chosen]
    return (
        f"{text} Of the best checkpoint, after epoch {best.get('epoch') or 0:.3g}, {figures_of(best, headline, words)}"
    )


def figures_of(one: Mapping[str, Any], headline: str, words: MetricWords) -> str:
    """Validation loss and headline metric in half a sentence."""
    value = f", its {words.noun} {words.show(one.get(headline))}" if is_number(one.get(headline)) else ""
    return f"its validation loss is {number(one.get('eval_loss'))}{value}."


def final_words(run: RunFiles, training: Training, words: MetricWords) -> str:
    """Why the headline metric of the kept checkpoint is another one at the end of the run; "" where it is the same."""
    final = run.metric(run.task.headline, "validation")
    kept = training.evaluations[training.chosen] if training.chosen is not None else {}
    kept = training.average if training.is_average_kept else kept
    value = kept.get(f"eval_{run.task.headline}")
    if not is_number(final) or not is_number(value) or words.show(final) == words.show(value):
        return ""
    has_rule = any(entry.get("what") == "decision rule" for entry in list_in(run.record, "selections"))
    reason = (
        " with the decision rule that was chosen afterwards" if has_rule else ", scored again at the end of the run"
    )
    return f" On the same rows, {words.noun} is {words.show(final)}{reason}."


def cells_of(one: Mapping[str, Any], headline: str, words: MetricWords) -> list[str]:
    epoch, step = one.get("epoch"), one.get("step")
    return [
        f"{epoch:.4g}" if is_number(epoch) else "", f"{step:,}" if is_number(step) else "",
        number(one.get("train_loss")), number(one.get("eval_loss")), words.show(one.get(headline)),
    ]  # fmt: skip


def thinned(rows: list) -> list:
    """Rows evenly apart where there are too many, with the chosen one."""
    if len(rows) <= MOST_ROWS:
        return rows
    places = set(np.linspace(0, len(rows) - 1, MOST_ROWS).astype(int).tolist())
    return [row for place, row in enumerate(rows) if place in places or row[1]]


# ---------------------------------------------------------------------------------------------------------------- plots


def loss_figure(training: Training) -> Markup:
    figure = new_figure()
    axes = figure.subplots()
    steps = training.steps
    if len(steps):
        marker = "o" if len(steps) < 12 else ""
        axes.plot(steps[:, 0], steps[:, 1], color=ORANGE, marker=marker, markersize=4, label="training")
    evaluated = points(training.evaluations, "eval_loss")
    if len(evaluated):
        axes.plot(*evaluated.T, color=BLUE, marker="o", markersize=5, label="validation")
    mark_chosen(axes, training, "eval_loss")
    finish(axes, "Loss")
    return figure_svg(figure, "Loss during training", describe(training, "eval_loss", "The validation loss", number))


def metric_figure(training: Training, name: str, words: MetricWords) -> Markup:
    figure = new_figure()
    axes = figure.subplots()
    axes.plot(*points(training.evaluations, name).T, color=GREEN, marker="o", markersize=5, label="validation")
    mark_chosen(axes, training, name)
    finish(axes, words.name)
    if words.unit:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
    title = f"{words.name} on validation during training"
    return figure_svg(figure, title, describe(training, name, f"The {words.noun}", words.show))


def mark_chosen(axes: Axes, training: Training, name: str) -> None:
    """A line at the best checkpoint, a diamond at the end for an average of weights, a ring around what was kept."""
    points: list[tuple[Any, Any]] = []
    if training.chosen is not None:
        best = training.evaluations[training.chosen]
        points.append((best.get("epoch"), best.get(name)))
        if all(map(is_number, points[0])):
            axes.axvline(points[0][0], color=INK, linewidth=1, linestyle=(0, (2, 3)))
    if training.evaluations and is_number(training.average.get(name)):
        average: tuple[Any, Any] = (training.evaluations[-1].get("epoch"), training.average[name])
        axes.plot(*average, marker="D", markersize=6, color=INK, linestyle="none", label="average")
        points = [average] if training.is_average_kept else points
    if points and all(map(is_number, points[0])):
        axes.plot(
            *points[0], marker="o", markersize=11, markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.6,
            linestyle="none", label="kept",
        )  # fmt: skip


def finish(axes: Axes, title: str) -> None:
    """Title, axes and a legend above the curves."""
    axes.set_title(title, pad=26)
    axes.set_xlabel("epoch")
    axes.margins(x=0.04, y=0.12)
    axes.locator_params(axis="both", nbins=6)
    axes.locator_params(axis="x", integer=axes.get_xlim()[1] >= 2)
    axes.ticklabel_format(axis="y", useOffset=False)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=4, handlelength=1.2, columnspacing=0.7)


def describe(training: Training, name: str, subject: str, show: Any) -> str:
    """The curve of validation in words, for a screen reader."""
    values = [(one.get("epoch"), one[name]) for one in training.evaluations if is_number(one.get(name))]
    if not values:
        return "The training loss at each logged step."
    if len(values) == 1:
        return f"{subject} was measured once: {show(values[0][1])}."
    first, last = values[0], values[-1]
    average = training.average.get(name)
    beside = f" The average of the weights has {show(average)}." if is_number(average) else ""
    lowest, highest = (choose(value for _, value in values) for choose in (min, max))
    return (
        f"{subject} is {show(first[1])} after epoch {first[0]:.3g} and {show(last[1])} after epoch {last[0]:.3g}; it "
        f"lies between {show(lowest)} and {show(highest)}.{beside}"
    )
