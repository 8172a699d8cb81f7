"""The section about parts of the test set: where the model is worse, and how much that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from classification.evaluation.metrics import LOWER_IS_BETTER
from classification.evaluation.slices import IN_TRAIN, LENGTH, TRUNCATED
from classification.report.number_format import percent
from classification.report.page.plot_blocks import with_names
from classification.report.page.sections import Section
from classification.report.page.slice_tables import OURS, Slice, by_column, slices_of
from classification.report.run_files import RunFiles
from classification.report.run_words import words_of

SHOWN = 12  # values of a column that are not folded


@dataclass(frozen=True)
class Scale:
    """The axis of the bars, from `low` to `high` in the units of the metric."""

    low: float
    high: float

    @classmethod
    def of(cls, slices: Sequence[Slice], overall: float | None, *, ends_at_one: bool) -> Scale:
        """From a little below all figures up to 1, or from 0 for a metric that is 0 at best."""
        ends = [value for one in slices for value in (one.low, one.figure, one.high) if value is not None]
        ends += [] if overall is None else [overall]
        if not ends:
            return cls(0.0, 1.0)
        if not ends_at_one:
            return cls(0.0, max(ends) or 1.0)
        return cls(max(0.0, min(0.9, int(10 * min(ends)) / 10)), 1.0)

    def place(self, value: float | None) -> float:
        """Where a value is on the axis, from 0 to 100."""
        return 100 * min(max(((value or 0.0) - self.low) / (self.high - self.low), 0.0), 1.0)


def slices_section(run: RunFiles) -> Section | None:
    """The table of slices; None where no row was scored."""
    split = run.scored_split
    slices = slices_of(run, split) if split else []
    if not slices or split is None:
        return None
    metric = run.task.headline
    words, overall = words_of(metric), run.metric(metric, split)
    is_error = metric in LOWER_IS_BETTER
    given = {column: found for column, found in by_column(slices).items() if len(found) > 1}
    single = [found[0] for column, found in by_column(slices).items() if len(found) == 1]
    costliest = next(
        (one for one in slices if one.cost > 0 and one.column in given and not one.is_better(overall, metric)), None
    )
    return Section(
        anchor="slices",
        title=f"Parts of the {split} set" if run.rows_are == "test" else "Parts of the training set",
        template="slices.html.j2",
        values={
            "words": words,
            "split": split,
            "overall": overall,
            "columns": given,
            "single": single,
            "titles": OURS,
            "shown": SHOWN,
            "scale": Scale.of(slices, overall, ends_at_one=not is_error),
            "is_error": is_error,
            "costliest": costliest,
            "costliest_name": name_of(costliest) if costliest else "",
            "metric": words.name[:1].lower() + words.name[1:],
            "is_beyond_chance": costliest is not None and costliest.is_worse(overall, metric),
            "worse": sum(one.is_worse(overall, metric) for found in given.values() for one in found),
            "counted": sum(map(len, given.values())),
            "cost": share_of_error if is_error else rows_of_cost,
            "counts_whole_rows": run.task.items_per_row > 1,
            "asks_for_columns": not run.arguments.get("slice_columns"),
        },
    )


def name_of(one: Slice) -> Markup:
    """A part as the plural subject of a sentence."""
    if one.column == LENGTH:
        return with_names(
            "Texts of {value} {tokens}", value=one.value, tokens="token" if one.value == "1" else "tokens"
        )
    if one.column == TRUNCATED:
        return with_names("Texts cut to the length limit" if one.value == "yes" else "Texts within the length limit")
    if one.column == IN_TRAIN:
        return with_names("Texts that are in train too" if one.value == "yes" else "Texts that are not in train")
    return with_names("Rows with {} = {}", one.column, one.value)


def rows_of_cost(cost: float) -> str:
    """Rows that a slice costs; less than half a row is none."""
    digits = 1 if 0.5 <= abs(cost) < 10 else 0
    return f"{cost:.{digits}f}" if digits else f"{round(cost):,}"


def share_of_error(cost: float) -> str:
    return percent(cost) if cost >= 0 else f"-{percent(-cost)}"
