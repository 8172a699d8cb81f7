"""Labels that are probably one label in two spellings."""

from __future__ import annotations

import re
from collections import defaultdict

from classification.data.findings import WARNING, Finding, example_fields, quantity
from classification.data.quality.inspected import Inspected
from classification.errors import join_first

SEPARATOR = re.compile(r"(?<=[^\W\d_])[-_\s]+(?=[^\W\d_])")  # between two letters


def find_label_spellings(inspected: Inspected) -> list[Finding]:
    """Labels that differ only by case, by spaces, or by hyphens or underscores between letters."""
    spellings: dict[str, list[str]] = defaultdict(list)
    for name in inspected.task.names:
        spellings[SEPARATOR.sub("", name.strip()).casefold()].append(name)
    findings = []
    for names in (names for names in spellings.values() if len(names) > 1):
        rows_of = {name: inspected.rows_with(name) for name in names}
        rarer = sorted(names, key=lambda name: len(rows_of[name]))[:-1]
        rows = [row for name in rarer for row in rows_of[name]]
        counts = join_first(f"{name!r} ({quantity(len(rows_of[name]), 'row')})" for name in names)
        findings.append(
            Finding(
                kind="label_spellings",
                severity=WARNING,
                split="train",
                count=len(rows),
                what=f"labels with nearly the same spelling: {counts}",
                why="they are trained as different classes",
                remedy="Use one spelling",
                **example_fields(inspected.train, rows),
            )
        )
    return findings
