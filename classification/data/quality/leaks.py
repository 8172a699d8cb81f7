"""Texts that are in two splits: from train into validation or test, or from validation into test."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from classification.data.findings import MAX_EXAMPLES, WARNING, Finding, agree, quantity
from classification.data.quality.duplicates import EXACT, LIKENESS, Repeats
from classification.data.quality.group_numbers import first_rows
from classification.data.quality.inspected import AllRows, Inspected

Pair = tuple[str, str]  # of splits


def find_leaks(inspected: Inspected) -> list[Finding]:
    """One finding per pair of splits and level of likeness."""
    as_given, rows = inspected.repeats_as_given, inspected.rows
    findings = [finding for pair in combinations(as_given.splits, 2) for finding in leaks_between(pair, as_given, rows)]
    if inspected.split_off:  # identical texts are kept together, but not nearly identical ones
        findings += leaks_between(("train", "validation"), inspected.repeats, rows)
    return findings


def leaks_between(pair: Pair, repeats: Repeats, rows: AllRows) -> list[Finding]:
    """The ids of each finding are those of the first split's rows, then of the second's."""
    first, second = pair
    is_leak = first == "train"
    findings: list[Finding] = []
    for level, likeness in LIKENESS.items():
        shared = repeats.across(first, second, level)
        count = max(len(np.unique(repeats.groups[EXACT][side])) for side in shared)
        if not count:
            continue
        rows_in = [f" ({quantity(len(side), 'row')})" if level == EXACT else "" for side in shared]
        texts = quantity(count, "more text" if findings else "text")
        is_sample = any(repeats.num_compared(split, level) < len(repeats.rows_of(split)) for split in pair)
        extent = " (sampled rows)" if is_sample else ""
        findings.append(
            Finding(
                kind=f"{level}_duplicates",
                severity=WARNING,
                split=f"{first}, {second}",
                count=count,
                what=f"{texts} {agree(count, 'are')} in both {first}{rows_in[0]} and {second}{rows_in[1]}, {likeness}"
                + extent,
                why=f"the model is trained on them, so the metrics of {second} are too high"
                if is_leak
                else "the rows that choose the checkpoint are also tested",
                remedy="--drop_leaked removes them from train" if is_leak else "Remove them from one split",
                ids=rows.ids_of(np.concatenate(shared)),
                examples=examples_across(repeats, rows, pair, level, np.concatenate(shared)),
            )
        )
    return findings


def examples_across(repeats: Repeats, rows: AllRows, pair: Pair, level: str, shared: np.ndarray) -> tuple[str, ...]:
    """Rows of the first split beside the rows of the second split that repeat them."""
    groups = repeats.groups[level]
    firsts, seconds = (first_rows(groups, repeats.rows_of(split)) for split in pair)
    in_examples = list(dict.fromkeys(groups[shared].tolist()))[:MAX_EXAMPLES]
    return tuple(rows.example([firsts[group], seconds[group]]) for group in in_examples)
