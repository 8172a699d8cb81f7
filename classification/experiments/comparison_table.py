"""The comparison of two runs on one screen, in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from classification.data.findings import quantity
from classification.experiments.run_comparison import Comparison
from classification.report.number_format import with_limits
from classification.reporting.console import padded, text_width

LISTED = 5  # classes and slices
LISTED_ROWS = 3  # flipped rows of each side


def comparison_lines(compared: Comparison) -> list[str]:
    """What the command prints."""
    return [
        f"A            {compared.a.name}",
        f"B            {compared.b.name}",
        rows_line(compared),
        *metric_lines(compared),
        *test_lines(compared),
        *flipped_lines(compared),
        *change_lines(f"F1 per class, the largest of {len(compared.classes)} changes first", "class", compared.classes),
        *change_lines(
            f"{compared.headline} per slice, the largest of {len(compared.slices)} changes first", "value",
            compared.slices,
        ),
    ]  # fmt: skip


def rows_line(compared: Comparison) -> str:
    kind = "training rows (out of fold)" if compared.a.run.rows_are != "test" else "test rows"
    unlabelled = compared.rows - compared.scored
    note = f"; {quantity(unlabelled, 'row')} without a label" if unlabelled else ""
    return f"rows         {compared.rows:,} {kind}, the same in both (id, text and label){note}"


def metric_lines(compared: Comparison) -> list[str]:
    if not compared.metrics:
        return []
    cells = [
        (name, with_interval(values, "a"), with_interval(values, "b"), f"{values['b'] - values['a']:+.4f}")
        for name, values in compared.metrics.items()
    ]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    head = f"{'':{widths[0]}}  {'A':{widths[1]}}  {'B':{widths[2]}}  {'B - A':>{max(widths[3], 5)}}"
    return ["", head.rstrip(), *(
        f"{name:{widths[0]}}  {one:{widths[1]}}  {other:{widths[2]}}  {change:>{max(widths[3], 5)}}"
        for name, one, other, change in cells
    )]  # fmt: skip


def with_interval(values: dict[str, float], side: str) -> str:
    """`0.8731 (0.8612 to 0.8853)`."""
    return with_limits("{:.4f}".format, *(values.get(f"{side}{end}") for end in ("", "_low", "_high")))


def test_lines(compared: Comparison) -> list[str]:
    """The paired test in one or two lines."""
    test = compared.test
    if not test:
        return ["", "No row has a label, so that no metric can be compared."]
    p = "" if test["mcnemar_p"] is None else f"; McNemar's test p = {test['mcnemar_p']:.2g}"
    return [
        "",
        f"{test['verdict']}: {test['metric']} of B - A is {test['difference']:+.4f} (95% interval of the paired "
        f"bootstrap {test['low']:+.4f} to {test['high']:+.4f}{p})",
    ]


def flipped_lines(compared: Comparison) -> list[str]:
    """How many rows are flipped, and the first ones."""
    rows, test = compared.flipped, compared.test
    if not test:
        lines = [f"predictions  {len(rows):,} of {compared.rows:,} differ"]
        return lines + [f"  {describe(row)}" for row in rows[:LISTED]]
    word = "right only in" if test["mcnemar_p"] is not None else "nearer in"
    counts = {side: [row for row in rows if row["right"] == side] for side in "AB"}
    lines = ["", "flipped      " + ", ".join(f"{len(found):,} {word} {side}" for side, found in counts.items())]
    for side, found in counts.items():
        lines += [f"  {side} is right  {describe(row)}" if test["mcnemar_p"] is not None else
                  f"  {side} is nearer {describe(row)}" for row in found[:LISTED_ROWS]]  # fmt: skip
    return lines


def describe(row: dict[str, Any]) -> str:
    """A row without its text: id, label and both predictions, each on one line and not too long."""
    names = ("id", "label", "prediction_a", "prediction_b")
    return "{}: label {}, A {}, B {}".format(*(padded(str(row[name]), 0) for name in names))


def change_lines(title: str, key: str, entries: Sequence[dict[str, Any]]) -> list[str]:
    """A table of changes; nothing where there are none."""
    listed = [entry for entry in entries[:LISTED] if entry["change"]]
    if not listed:
        return []
    names = [f"{entry['column']}: {entry[key]}" if "column" in entry else str(entry[key]) for entry in listed]
    width = min(30, max(text_width(name) for name in names))
    return ["", title, *(
        f"  {padded(name, width)}  {entry['a']:.4f} -> {entry['b']:.4f}  {entry['change']:+.4f}  "
        f"({quantity(entry['rows'], 'row')})" for name, entry in zip(names, listed, strict=True)
    )]  # fmt: skip
